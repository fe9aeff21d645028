"""What can be wrong with a store, as one tree of errors whose messages are for the person who runs the executor."""


class StoreError(Exception):
    """The store cannot do what was asked of it."""


class StoreUrlError(StoreError):
    """The URL names no store that there can be."""


class BlobMissingError(StoreError):
    """The store has no blob of this digest."""


class BlobCorruptError(StoreError):
    """What the store gave is not what the digest names."""


class BlobTooLargeError(StoreError):
    """The blob is larger than the cache, or its disk, has room for."""


class StoreUnavailableError(StoreError):
    """The store is away, too slow, full, or lets nobody in."""
