"""Environments: compiled ones, and those of other packages stepped on the host."""
