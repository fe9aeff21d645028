"""The executor: an HTTP service that runs untrusted programs in a sandbox that needs no privilege."""

__version__ = "1.0.0"
