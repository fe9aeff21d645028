"""The burst on this machine, its figures, and load on a deployed executor."""
