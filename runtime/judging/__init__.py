"""One submission to its verdicts: compile once, run each test case, compare."""
