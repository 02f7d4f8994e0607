"""Run directories: layout, tables, durable storage, checkpoints, one run from a spec to its end."""
