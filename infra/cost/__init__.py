"""What a contest has cost, from the figures of the deployment itself."""
