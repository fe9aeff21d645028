"""Blobs in a store, each under the digest of its content; obstore speaks with the store."""

import asyncio
import contextlib
import errno
import hashlib
import logging
import os
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from runtime.store.digests import name_of, path_of
from runtime.store.errors import BlobCorruptError, BlobMissingError, StoreUnavailableError, StoreUrlError

if TYPE_CHECKING:
    from obstore.store import AzureStore, ClientConfig, LocalStore, RetryConfig, S3Store

_log = logging.getLogger(__name__)
_CONNECT_SECONDS = 5
_RETRIES = 3
_BUFFER_BYTES = 1 << 20
_PAGE = 500
# The words of ENOSPC, which obstore passes on in a sentence.
_FULL = "No space left on device"
_FORMS = "file:///folder, az://account/container[/prefix] or s3://bucket[/prefix]"
# Everything else, secrets above all, comes from the environment, as the libraries of the two clouds read it.
_OPTIONS = {"az": ("client_id", "endpoint"), "s3": ("region", "endpoint")}


def check_url(url: str) -> None:
    """Raises StoreUrlError where no store can have this URL; asks no server."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        if parts.netloc or not parts.path.startswith("/") or parts.query:
            raise StoreUrlError(f"must be {_FORMS}")
        return
    if parts.scheme not in _OPTIONS or not parts.netloc or "@" in parts.netloc:
        raise StoreUrlError(f"must be {_FORMS}")
    if parts.scheme == "az" and not parts.path.strip("/"):
        raise StoreUrlError("must name the container behind the account, as in az://account/container")
    for option, value in parse_qsl(parts.query, keep_blank_values=True):
        if option not in _OPTIONS[parts.scheme] or not value:
            raise StoreUrlError(
                f"has the option {option!r}: must be one of {', '.join(_OPTIONS[parts.scheme])}, with a value"
            )


class NamedFile(NamedTuple):
    """A named file as a list has it; `changed` is in seconds of the epoch, by the store's clock."""

    scope: str
    name: str
    changed: float


class BlobStore:
    """What is put here is never changed. Several replicas may use one store at the same time."""

    def __init__(self, url: str, seconds: float) -> None:
        """`seconds` is the longest time for one blob to come or go. Raises StoreUrlError."""
        check_url(url)
        self._name = url.partition("?")[0]
        self._seconds = seconds
        self._store = _open(url, seconds)

    async def has(self, digest: str) -> bool:
        """Whether the store has the blob; raises StoreUnavailableError."""
        import obstore  # noqa: PLC0415 - only where a store is used: it takes 40 ms and 5 MiB

        try:
            async with self._speaking():
                await obstore.head_async(self._store, path_of(digest))
        except BlobMissingError:
            return False
        return True

    async def put(self, digest: str, file: Path) -> None:
        """Puts the file's content, whose digest this is, unless it is there; raises StoreUnavailableError."""
        import obstore  # noqa: PLC0415

        if await self.has(digest):
            return
        async with self._speaking():
            await obstore.put_async(self._store, path_of(digest), file)

    async def get(self, digest: str, file: Path, most_bytes: int) -> int:
        """Writes the blob into a new file, checked against its digest; returns its size in bytes.

        Raises BlobMissingError, BlobCorruptError, StoreUnavailableError, and OSError where the file cannot be written,
        which is EFBIG for a blob of more than `most_bytes`. The file is gone then.
        """
        import obstore  # noqa: PLC0415

        hashed, size = hashlib.sha256(), 0
        with _new_file(file) as descriptor:
            async with self._speaking():
                found = await obstore.get_async(self._store, path_of(digest))
                if found.meta["size"] > most_bytes:
                    raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
                async for chunk in found.stream(min_chunk_size=_BUFFER_BYTES):
                    content = memoryview(chunk)
                    size += len(content)
                    await asyncio.to_thread(_write_all, descriptor, content)
                    hashed.update(content)
            if name_of(hashed.hexdigest()) != digest:
                raise BlobCorruptError(f"{self._name} has another content under {digest}")
        return size

    async def has_named(self, scope: str, name: str) -> bool:
        """Whether there is a named file; raises StoreUnavailableError."""
        import obstore  # noqa: PLC0415

        try:
            async with self._speaking():
                await obstore.head_async(self._store, f"named/{scope}/{name}")
        except BlobMissingError:
            return False
        return True

    async def put_named(self, scope: str, name: str, content: bytes) -> None:
        """Puts a small file under a name, in the place of an earlier one; raises StoreUnavailableError."""
        import obstore  # noqa: PLC0415

        async with self._speaking():
            await obstore.put_async(self._store, f"named/{scope}/{name}", content)

    async def create_named(self, scope: str, name: str, content: bytes) -> bool:
        """Puts a small file under a name that is free; False where it is taken. Raises StoreUnavailableError.

        Of several replicas that try it at the same time, one succeeds.
        """
        import obstore  # noqa: PLC0415
        from obstore.exceptions import AlreadyExistsError  # noqa: PLC0415

        async with self._speaking():
            try:
                await obstore.put_async(self._store, f"named/{scope}/{name}", content, mode="create")
            except AlreadyExistsError:
                return False
        return True

    async def get_named(self, scope: str, name: str, most_bytes: int | None = None) -> bytes | None:
        """The content of a named file, or of its beginning, or None; raises StoreUnavailableError."""
        import obstore  # noqa: PLC0415

        path = f"named/{scope}/{name}"
        try:
            async with self._speaking():
                if most_bytes is not None:
                    return bytes(await obstore.get_range_async(self._store, path, start=0, end=most_bytes))
                found = await obstore.get_async(self._store, path)
                return bytes(await found.bytes_async())
        except BlobMissingError:
            return None

    async def list_named(self, scope: str) -> AsyncIterator[list[NamedFile]]:
        """All named files below a scope, some hundred at a time; raises StoreUnavailableError."""
        import obstore  # noqa: PLC0415

        pages = aiter(obstore.list(self._store, f"named/{scope}", chunk_size=_PAGE))
        while True:
            async with self._speaking():
                page = await anext(pages, None)
            if page is None:
                return
            places = (entry["path"].removeprefix("named/").rpartition("/") for entry in page)
            yield [
                NamedFile(where, name, entry["last_modified"].timestamp())
                for (where, _, name), entry in zip(places, page, strict=True)
            ]

    async def delete_named(self, scope: str, name: str) -> None:
        """Deletes a named file, if it is there; raises StoreUnavailableError."""
        import obstore  # noqa: PLC0415

        with contextlib.suppress(BlobMissingError):
            async with self._speaking():
                await obstore.delete_async(self._store, f"named/{scope}/{name}")

    @contextlib.asynccontextmanager
    async def _speaking(self) -> AsyncIterator[None]:
        """Bounds the time, and turns what obstore raises into the errors of this room."""
        from obstore import exceptions  # noqa: PLC0415

        try:
            async with asyncio.timeout(self._seconds):
                yield
        except FileNotFoundError as error:
            raise BlobMissingError(f"{self._name} has no such blob") from error
        except TimeoutError as error:
            raise StoreUnavailableError(f"{self._name} did not answer within {self._seconds:g} s") from error
        except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
            _log.error("%s lets nobody in: %s", self._name, error)
            raise StoreUnavailableError(f"{self._name} does not let this executor in") from error
        except exceptions.BaseError as error:
            _log.error("%s failed: %s", self._name, error)
            full = "is full" if _FULL in str(error) else "cannot be reached"
            raise StoreUnavailableError(f"{self._name} {full}") from error


def _open(url: str, seconds: float) -> "AzureStore | LocalStore | S3Store":
    from obstore.store import AzureStore, LocalStore, S3Store  # noqa: PLC0415

    parts = urlsplit(url)
    if parts.scheme == "file":
        try:
            return LocalStore(unquote(parts.path), mkdir=True)
        except Exception as error:
            raise StoreUrlError(f"is no folder that can be made: {error}") from error
    options = dict(parse_qsl(parts.query))
    client: ClientConfig = {
        "connect_timeout": timedelta(seconds=min(_CONNECT_SECONDS, seconds)),
        "timeout": timedelta(seconds=seconds),
        "allow_http": options.get("endpoint", "").startswith("http://"),
    }
    retry: RetryConfig = {"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=seconds)}
    place = unquote(parts.path).strip("/")
    if parts.scheme == "s3":
        return S3Store(
            parts.netloc, prefix=place or None, client_options=client, retry_config=retry,
            virtual_hosted_style_request=False, **options,  # type: ignore[arg-type]
        )  # fmt: skip
    container, _, prefix = place.partition("/")
    return AzureStore(
        container, prefix=prefix or None, account_name=parts.netloc, client_options=client, retry_config=retry,
        **options,  # type: ignore[arg-type]
    )  # fmt: skip


@contextlib.contextmanager
def _new_file(file: Path) -> Iterator[int]:
    """A descriptor for writing a new file, which is removed where the writing fails."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, content: memoryview) -> None:
    while content:
        content = content[os.write(descriptor, content) :]
