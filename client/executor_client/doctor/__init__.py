"""What a deployed executor, its host and its ingress can do, each finding with what to do about it."""
