"""What an operator sees: metrics for Prometheus, and a log record for each execution."""
