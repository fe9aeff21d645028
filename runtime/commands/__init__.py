"""`python -m runtime check` and `python -m runtime run FILE`: the executor for one person at a terminal, without HTTP."""
