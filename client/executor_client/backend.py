"""What the teaching platform's backend calls, with its settings from the environment.

`EXECUTOR_URL` is the stack's output `executorUrl`, `EXECUTOR_API_KEY` the key whose hash is in the stack's `apiKeys`, and
`EXECUTOR_HOSTING` the output `hosting`: `sessions` for a session pool, else `app`.
"""

import os
from collections.abc import Mapping
from functools import cache
from typing import Any

from executor_client.errors import ConfigurationError
from executor_client.sync import ExecutorClient

_HOSTING = ("app", "local", "sessions")


def execute_code_in_session(request: Mapping[str, Any]) -> dict[str, Any]:
    """Runs or judges a request of the HTTP contract, and gives the executor's answer.

    Blocks; from a coroutine it is `await asyncio.to_thread(execute_code_in_session, request)`. Raises errors of
    `executor_client.errors`, ConfigurationError where the environment names no executor.
    """
    environment = os.environ
    return _client(
        environment.get("EXECUTOR_URL", ""),
        environment.get("EXECUTOR_API_KEY") or None,
        environment.get("EXECUTOR_HOSTING", "app"),
    ).send(request)


@cache
def _client(url: str, api_key: str | None, hosting: str) -> ExecutorClient:
    """One client for as long as the settings stay the same."""
    if not url:
        raise ConfigurationError("EXECUTOR_URL is not set: it is what `pulumi stack output executorUrl` prints")
    if hosting not in _HOSTING:
        raise ConfigurationError(f"EXECUTOR_HOSTING is {hosting!r}: must be one of {', '.join(_HOSTING)}")
    return ExecutorClient(url, api_key, session_pool=hosting == "sessions")
