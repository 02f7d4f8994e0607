"""Pure functions on tensors: values, policies, targets, losses. No state and no files."""
