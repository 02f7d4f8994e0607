"""The training program: a run as variables and two compiled functions; it knows no files."""
