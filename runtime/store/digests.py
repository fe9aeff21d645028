"""Names of blobs: the SHA-256 of their content."""

import hashlib
import re

_FORM = re.compile(r"sha256:[0-9a-f]{64}")


def digest_of(content: bytes | memoryview) -> str:
    """The name of this content, as in `sha256:9f86d0...`."""
    return name_of(hashlib.sha256(content).hexdigest())


def name_of(hexadecimal: str) -> str:
    """The name of content with this SHA-256."""
    return f"sha256:{hexadecimal}"


def is_digest(text: str) -> bool:
    """Whether the text is the name of a blob: the algorithm, a colon, 64 hexadecimal digits in lower case."""
    return _FORM.fullmatch(text) is not None


def path_of(digest: str) -> str:
    """Where a store keeps the blob: in one of 256 folders, which a person can still list."""
    algorithm, _, digits = digest.partition(":")
    return f"{algorithm}/{digits[:2]}/{digits}"
