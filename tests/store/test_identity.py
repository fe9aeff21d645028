"""The server gets the identity's tokens as Azure hands them out, and a program cannot."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import pytest

from devtools.executor import Executor, running
from devtools.local_http import Handler, serving
from runtime.store.blobs import BlobStore
from runtime.store.digests import digest_of
from runtime.store.errors import StoreUnavailableError

TOKEN = "a token of the identity"  # noqa: S105 - it opens nothing
HEADER = "what only the container's first process was told"
CLIENT = "99999999-8888-7777-6666-555555555555"


@dataclass
class Azure:
    """What listens on loopback, as in a replica: the endpoint that gives tokens, and an account's blobs.

    Attributes:
        port: Of both.
        asked: Each request for a token: its query, and the header that must be with it.
        shown: The tokens that the account was shown.
    """

    port: int = 0
    asked: list[tuple[dict[str, list[str]], str | None]] = field(default_factory=list)
    shown: list[str | None] = field(default_factory=list)

    @property
    def variables(self) -> dict[str, str]:
        """What Azure adds to a container's environment. Source: Microsoft's page on managed identities in Container Apps."""
        return {"IDENTITY_ENDPOINT": f"http://127.0.0.1:{self.port}/msi/token", "IDENTITY_HEADER": HEADER}


@contextmanager
def azure() -> Iterator[Azure]:
    """Runs both."""
    stand_in = Azure()

    class Endpoint(Handler):
        protocol_version = "HTTP/1.1"

        def respond(self) -> None:
            url = urlsplit(self.path)
            if url.path != "/msi/token":
                stand_in.shown.append(self.headers["Authorization"])
                self.answer(404, b"")
                return
            stand_in.asked.append((parse_qs(url.query), self.headers["X-IDENTITY-HEADER"]))
            if self.headers["X-IDENTITY-HEADER"] != HEADER:
                self.answer(401, b"")
                return
            token = {"access_token": TOKEN, "expires_on": "1999999999", "resource": "x", "token_type": "Bearer"}
            self.answer(200, json.dumps(token).encode())

    with serving(Endpoint) as stand_in.port:
        yield stand_in


def store(endpoint: str) -> str:
    return f"az://account/executor?client_id={CLIENT}&endpoint={endpoint}/account"


@pytest.fixture(scope="module")
def replica() -> Iterator[tuple[Executor, Azure]]:
    """An executor that has its store as a stack gives it one."""
    with (
        azure() as stand_in,
        running({**stand_in.variables, "EXECUTOR_STORE": store(f"http://127.0.0.1:{stand_in.port}")}) as executor,
    ):
        yield executor, stand_in


def test_the_server_shows_the_store_a_token_of_the_identity_that_the_url_names(replica: tuple[Executor, Azure]) -> None:
    executor, stand_in = replica
    assert executor.http.get(f"/problems/{digest_of(b'absent')}").status_code == 404
    query, header = stand_in.asked[-1]
    assert (query["client_id"], query["resource"], header) == ([CLIENT], ["https://storage.azure.com"], HEADER)
    assert stand_in.shown[-1] == f"Bearer {TOKEN}"


def test_the_endpoint_of_tokens_may_speak_http_where_the_store_speaks_https(monkeypatch: pytest.MonkeyPatch) -> None:
    with azure() as stand_in:
        for name, value in stand_in.variables.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(StoreUnavailableError, match=r"cannot be reached|did not answer"):
            asyncio.run(BlobStore(store("https://127.0.0.1:1"), 3).has_named("a", "b"))
        assert [header for _, header in stand_in.asked] == [HEADER]


# Each is told what an attacker may have guessed: the endpoint, and the server's pid, in whose environment the header is.
THIEVES = {
    "python": """
import os, socket, urllib.request
found = [name for name in os.environ if name.startswith(("IDENTITY", "AZURE", "EXECUTOR"))]
for place in ("PID", os.getppid(), 1):
    try:
        found.append(open(f"/proc/{place}/environ", "rb").read().count(b"IDENTITY_HEADER") and "a header")
    except OSError:
        pass
for family, address in ((socket.AF_INET, ("127.0.0.1", PORT)), (socket.AF_INET6, ("::ffff:127.0.0.1", PORT))):
    try:
        socket.socket(family).connect(address)
        found.append("a connection")
    except OSError:
        pass
try:
    found.append(urllib.request.urlopen("http://127.0.0.1:PORT/msi/token?api-version=2019-08-01").read())
except OSError:
    pass
print([each for each in found if each])
""",
    "javascript": """
const found = Object.keys(process.env).filter(name => /^(IDENTITY|AZURE|EXECUTOR)/.test(name))
try {
  if (require('fs').readFileSync('/proc/PID/environ').includes('IDENTITY_HEADER')) found.push('a header')
} catch {}
fetch('http://127.0.0.1:PORT/msi/token').then(() => found.push('an answer'), () => {}).then(() => console.log(found))
""",
    "bash": """
found=$(env | grep -E '^(IDENTITY|AZURE|EXECUTOR)'; grep -a IDENTITY_HEADER /proc/PID/environ 2>/dev/null)
(exec 3<>/dev/tcp/127.0.0.1/PORT) 2>/dev/null && found="$found a connection"
echo "[$found]"
""",
}


@pytest.mark.parametrize("language", THIEVES)
def test_a_program_gets_neither_the_header_nor_a_connection(language: str, replica: tuple[Executor, Azure]) -> None:
    executor, stand_in = replica
    if language not in executor.languages():
        pytest.skip(f"{language} is not here")
    asked = len(stand_in.asked)
    code = THIEVES[language].replace("PORT", str(stand_in.port)).replace("PID", str(executor.pid))
    run = executor.execute(language, code)
    assert (run["status"], run["stdout"].strip()) == ("ok", "[]"), run
    assert len(stand_in.asked) == asked


def test_a_program_that_knew_the_header_would_get_a_token_from_outside_the_sandbox() -> None:
    with azure() as stand_in:
        environment = {**os.environ, **stand_in.variables}
        assert environment["IDENTITY_HEADER"] == HEADER
        code = (
            "import os, urllib.request as u; "
            "r = u.Request(os.environ['IDENTITY_ENDPOINT'], headers={'X-IDENTITY-HEADER': os.environ['IDENTITY_HEADER']}); "
            "print(u.urlopen(r).read().decode())"
        )
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert TOKEN in done.stdout
