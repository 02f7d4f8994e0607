"""Network bodies and heads as TF-Agents networks, built from the options of a spec."""
