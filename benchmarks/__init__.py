"""Figures of the executor, each as a ratio to a bare spawn of the same thing in the same run."""
