"""Blobs come back as they were put, once for each replica, and what is wrong with a store is said in one line."""

import asyncio
import os
import socket
from pathlib import Path

import pytest

from runtime.store.blobs import BlobStore, check_url
from runtime.store.cache import BlobCache
from runtime.store.digests import digest_of, is_digest, path_of
from runtime.store.errors import (
    BlobCorruptError,
    BlobMissingError,
    BlobTooLargeError,
    StoreError,
    StoreUnavailableError,
    StoreUrlError,
)
from tests.infra.azurite import ACCOUNT, KEY

CONTENT = os.urandom(3 << 20)


def put(url: str, content: bytes, folder: Path, digest: str = "") -> str:
    """Puts the content under its digest, or under another one."""
    file = folder / "to-put"
    file.write_bytes(content)
    digest = digest or digest_of(content)
    asyncio.run(BlobStore(url, 20).put(digest, file))
    return digest


def cached(url: str, folder: Path, most_bytes: int = 64 << 20) -> BlobCache:
    return BlobCache(BlobStore(url, 20), folder / "cache", most_bytes)


async def read(cache: BlobCache, digest: str) -> bytes:
    with open(await cache.open(digest), "rb") as file:
        return file.read()


def test_a_blob_comes_back_as_it_was_put_and_is_put_once(url: str, tmp_path: Path) -> None:
    digest = put(url, CONTENT, tmp_path)
    assert put(url, CONTENT, tmp_path) == digest
    cache = cached(url, tmp_path)
    assert asyncio.run(read(cache, digest)) == CONTENT
    assert (cache.fetched, cache.held_bytes) == (1, len(CONTENT))


def test_a_digest_that_the_store_does_not_have_is_missing(url: str, tmp_path: Path) -> None:
    absent = digest_of(b"absent")
    assert asyncio.run(BlobStore(url, 20).has(absent)) is False
    with pytest.raises(BlobMissingError, match="has no such blob"):
        asyncio.run(cached(url, tmp_path).open(absent))
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_content_that_is_not_what_its_digest_says_is_never_given_out(url: str, tmp_path: Path) -> None:
    digest = put(url, b"forged", tmp_path, digest_of(b"genuine"))
    with pytest.raises(BlobCorruptError, match=digest):
        asyncio.run(cached(url, tmp_path).open(digest))
    assert list((tmp_path / "cache").iterdir()) == []


def test_many_who_ask_at_once_cause_one_fetch(url: str, tmp_path: Path) -> None:
    digest = put(url, CONTENT, tmp_path)
    cache = cached(url, tmp_path)

    async def ask() -> list[bytes]:
        leaving = asyncio.create_task(read(cache, digest))
        others = [asyncio.create_task(read(cache, digest)) for _ in range(50)]
        await asyncio.sleep(0)
        leaving.cancel()
        return await asyncio.gather(*others)

    assert all(content == CONTENT for content in asyncio.run(ask()))
    assert cache.fetched == 1


def test_the_cache_keeps_within_its_bound_and_drops_what_was_used_least_recently(tmp_path: Path) -> None:
    url = f"file://{tmp_path}/store"
    first, second, third = (put(url, bytes([number]) * 400, tmp_path) for number in range(3))

    async def use() -> None:
        gone: list[str] = []
        cache = BlobCache(BlobStore(url, 20), tmp_path / "cache", 1000, gone.append)
        held = await cache.open(first)
        for digest in (second, first, third):
            await read(cache, digest)
        assert (cache.held_bytes, cache.fetched) == (800, 3)
        assert gone == [second]
        await read(cache, first)
        assert cache.fetched == 3
        await read(cache, second)
        assert cache.fetched == 4
        assert sum(file.stat().st_size for file in (tmp_path / "cache").iterdir()) == 800
        await read(cache, third)
        with open(held, "rb") as file:
            assert file.read() == bytes(400), "whoever has opened a blob can read it after it was dropped"

    asyncio.run(use())


def test_a_blob_that_is_larger_than_the_cache_is_refused_and_leaves_nothing(url: str, tmp_path: Path) -> None:
    digest = put(url, CONTENT, tmp_path)
    cache = cached(url, tmp_path, most_bytes=1 << 20)
    with pytest.raises(BlobTooLargeError, match="larger than the cache, which has 1 MiB"):
        asyncio.run(cache.open(digest))
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize(
    "form",
    ["az://account/problems?endpoint=http://127.0.0.1:{port}/account", "s3://problems?endpoint=http://127.0.0.1:{port}"],
)
def test_a_store_that_is_away_is_said_to_be_away(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", KEY)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        store = BlobStore(form.format(port=taken.getsockname()[1]), 3)
        with pytest.raises(StoreUnavailableError, match=r"cannot be reached|did not answer"):
            asyncio.run(store.has(digest_of(b"")))


def test_a_store_that_accepts_and_says_nothing_is_given_up_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", KEY)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"az://account/problems?endpoint=http://127.0.0.1:{silent.getsockname()[1]}/account"
        cache = BlobCache(BlobStore(url, 1), tmp_path / "cache", 1 << 20)
        with pytest.raises(StoreUnavailableError, match="did not answer within 1 s"):
            asyncio.run(cache.open(digest_of(b"")))
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_key_that_the_store_does_not_know_is_not_let_in_and_not_repeated(
    blob_service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = "d3Jvbmc="
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", wrong)
    endpoint = blob_service.partition("BlobEndpoint=")[2].rstrip(";")
    with pytest.raises(StoreUnavailableError, match="does not let this executor in") as raised:
        asyncio.run(BlobStore(f"az://{ACCOUNT}/problems?endpoint={endpoint}", 10).has(digest_of(b"")))
    assert wrong not in str(raised.value)


def test_a_fetch_that_failed_is_tried_again_by_the_next_who_asks(tmp_path: Path) -> None:
    url = f"file://{tmp_path}/store"
    digest = digest_of(CONTENT)

    async def ask_twice() -> bytes:
        cache = cached(url, tmp_path)
        results = await asyncio.gather(*(cache.open(digest) for _ in range(3)), return_exceptions=True)
        assert [type(result) for result in results] == [BlobMissingError] * 3
        (tmp_path / "to-put").write_bytes(CONTENT)
        await BlobStore(url, 20).put(digest, tmp_path / "to-put")
        return await read(cache, digest)

    assert asyncio.run(ask_twice()) == CONTENT


def test_a_folder_on_a_full_disk_is_said_to_be_full(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0 or os.system(f"mount -t tmpfs -o size=1m none {folder} 2>/dev/null") != 0:  # noqa: S605
        pytest.skip("a small disk needs root and mount")
    try:
        with pytest.raises(StoreUnavailableError, match="is full"):
            put(f"file://{folder}", CONTENT, tmp_path)
        digest = put(f"file://{tmp_path}/store", CONTENT, tmp_path)
        with pytest.raises(BlobTooLargeError, match="disk has no room"):
            asyncio.run(BlobCache(BlobStore(f"file://{tmp_path}/store", 20), folder / "cache", 64 << 20).open(digest))
        assert list((folder / "cache").iterdir()) == []
    finally:
        os.system(f"umount {folder}")  # noqa: S605


@pytest.mark.parametrize(
    "url",
    [
        "", "problems", "file://relative/folder", "file:folder", "http://host/problems", "az://account", "az://account/",
        "az:///problems", "s3://", "s3://user:secret@problems", "s3://problems?secret_access_key=x", "az://a/b?client_id=",
        "gs://problems", "memory:///",
    ],
)  # fmt: skip
def test_a_url_that_names_no_store_is_refused(url: str) -> None:
    with pytest.raises(StoreUrlError):
        check_url(url)


def test_a_folder_that_cannot_be_made_is_an_error_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError):
        BlobStore(f"file://{tmp_path}/file/folder", 1)


def test_names_are_digests_and_nothing_else() -> None:
    digest = digest_of(b"x")
    assert is_digest(digest)
    assert path_of(digest) == f"sha256/{digest[7:9]}/{digest[7:]}"
    for text in ("", digest[:-1], f"{digest}\n", digest.upper(), f"../{digest}", "sha1:" + "0" * 40, "sha256:" + "g" * 64):
        assert not is_digest(text)


def test_a_server_without_a_problem_does_not_load_the_library_of_the_store() -> None:
    # In a process of its own: this one has loaded it.
    import subprocess  # noqa: PLC0415
    import sys  # noqa: PLC0415

    code = "import sys, runtime.store.cache, runtime.__main__; print([name for name in sys.modules if 'obstore' in name])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
