"""Starts Azurite, Azure Storage's emulator, from the npm registry: it is installed once, into `build/azurite`."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from devtools import stack_files

VERSION = "3.35.0"
"""The last one that takes Node 20, which is Debian's."""

FOLDER = stack_files.ROOT / "build" / "azurite"

# Azurite's own account, which its documentation gives out.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def _installed() -> str:
    program = FOLDER / "node_modules" / ".bin" / "azurite-blob"
    if program.exists():
        return str(program)
    if shutil.which("npm") is None:
        pytest.skip("Azurite is not there: no npm on PATH to install it with")
    FOLDER.mkdir(parents=True, exist_ok=True)
    command = ["npm", "install", "--prefix", str(FOLDER), "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run([*command, f"azurite@{VERSION}"], capture_output=True, text=True, timeout=240, check=False)
    if done.returncode != 0:
        pytest.skip(f"Azurite could not be installed from the npm registry: {done.stderr.strip()[-300:]}")
    return str(program)


@contextmanager
def azurite() -> Iterator[str]:
    """Gives the connection string of an emulator that lives as long as the context."""
    program = _installed()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    options = ["--inMemoryPersistence", "--silent", "--disableTelemetry", "--skipApiVersionCheck", "--blobPort", str(port)]
    process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(port, process)
        yield (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
            f"BlobEndpoint=http://127.0.0.1:{port}/{ACCOUNT};"
        )
    finally:
        process.terminate()
        process.wait(timeout=10)


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "Azurite ended at its start"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError
