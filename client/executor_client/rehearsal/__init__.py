"""A contest played on a deployed executor: real programs, every answer checked, and what it says of the evening to come."""
