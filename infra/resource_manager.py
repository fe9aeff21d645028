"""Azure Resource Manager over HTTP, for the few things that azure-native has no resource and no function for."""

import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any

PUBLIC_CLOUD = "https://management.azure.com"

ENDPOINT_VARIABLE = "AZURE_RESOURCE_MANAGER_URL"
"""Names the endpoint of another cloud, such as https://management.usgovcloudapi.net."""

LONGEST_OPERATION_SECONDS = 900.0
"""After this a change that Azure has accepted, or keeps refusing because of another one, is given up."""

POLL_SECONDS = 5.0
"""Between two looks at an operation, where Azure does not say how long to wait."""


class AzureError(Exception):
    """What Azure answered instead of what was asked for.

    Attributes:
        status: The HTTP status, or 0 where there was no answer.
        code: Azure's own code, such as `ContainerAppOperationInProgress`.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        """Keeps the parts, and shows them as one line."""
        super().__init__(" ".join(part for part in (str(status or ""), code, message) if part))
        self.status = status
        self.code = code


@dataclass(frozen=True)
class Answer:
    """One answer: its status, its headers, and its body as JSON or None."""

    status: int
    headers: Message
    body: Any


class ResourceManager:
    """Speaks to the Resource Manager with one token, which is asked for when it is first needed."""

    def __init__(self, token: Callable[[str], str] | None = None, endpoint: str | None = None) -> None:
        """Uses `token`, which gives one for a scope, or else logs in as azure-native does."""
        self._endpoint = (endpoint or os.environ.get(ENDPOINT_VARIABLE) or PUBLIC_CLOUD).rstrip("/")
        self._new_token = token or _logged_in
        self._token: str | None = None

    def get(self, path: str, version: str, query: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401 - what Azure has
        """Gives a resource, a list, or what a `query` asks of it.

        Raises:
            AzureError: As Azure answered, with status 404 where there is nothing.
        """
        asked = urllib.parse.urlencode({"api-version": version, **(query or {})})
        return self._send("GET", f"{self._endpoint}{path}?{asked}").body

    def pages(self, path: str, version: str) -> Iterator[Any]:
        """Gives the items of a list, page by page."""
        url: str | None = f"{self._endpoint}{path}?api-version={version}"
        while url:
            body = self._send("GET", url).body
            yield from body["value"]
            url = body.get("nextLink")

    def patch(self, path: str, version: str, body: Mapping[str, Any]) -> None:
        """Changes a resource by a JSON merge patch, and waits until Azure has done it.

        While another operation on the resource is under way, Azure refuses with 409; then it is tried again.

        Raises:
            AzureError: Azure refused, failed, or took longer than `LONGEST_OPERATION_SECONDS`.
        """
        deadline = time.monotonic() + LONGEST_OPERATION_SECONDS
        url = f"{self._endpoint}{path}?api-version={version}"
        while True:
            try:
                answer = self._send("PATCH", url, body)
                break
            except _BusyError as busy:
                if time.monotonic() > deadline:
                    raise AzureError(busy.status, busy.code, f"another operation has not ended: {busy.text}") from None
                time.sleep(busy.wait)
        self._wait(answer, deadline)

    def _wait(self, answer: Answer, deadline: float) -> None:
        operation = answer.headers.get("Azure-AsyncOperation") or answer.headers.get("Location")
        while answer.status in (201, 202) and operation:
            if time.monotonic() > deadline:
                raise AzureError(0, "", f"Azure has accepted the change and not finished it: {operation}")
            time.sleep(_seconds(answer.headers))
            answer = self._send("GET", operation)
            status = (answer.body or {}).get("status", "")
            if status in ("Failed", "Canceled"):
                error = answer.body.get("error") or {}
                raise AzureError(0, error.get("code", status), error.get("message", "Azure accepted the change and failed"))
            if status == "Succeeded":
                return
            if status:  # an operation's status document answers with 200 while it runs
                answer = Answer(202, answer.headers, answer.body)

    def _send(self, method: str, url: str, body: Mapping[str, Any] | None = None) -> Answer:
        if self._token is None:
            self._token = self._new_token(f"{self._endpoint}/.default")
        request = urllib.request.Request(  # noqa: S310 - Azure's address, or the operator's own
            url,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - likewise
                content = answer.read()
                return Answer(answer.status, answer.headers, json.loads(content) if content.strip() else None)
        except urllib.error.HTTPError as refused:
            raise _error_of(refused) from None
        except urllib.error.URLError as lost:
            raise AzureError(0, "", f"no answer from {self._endpoint}: {lost.reason}") from None


class _BusyError(AzureError):
    def __init__(self, code: str, message: str, wait: float) -> None:
        super().__init__(409, code, message)
        self.text = message
        self.wait = wait


def _error_of(refused: urllib.error.HTTPError) -> AzureError:
    try:
        error = json.loads(refused.read())["error"]
        code, message = error["code"], error["message"]
    except (ValueError, KeyError, TypeError):
        code, message = "", str(refused.reason)
    if refused.code == 409:
        return _BusyError(code, message, _seconds(refused.headers))
    return AzureError(refused.code, code, message)


def _seconds(headers: Message) -> float:
    wait = headers.get("Retry-After") or ""
    return float(wait) if wait.isdecimal() else POLL_SECONDS


def _logged_in(scope: str) -> str:
    from azure.core.exceptions import ClientAuthenticationError  # noqa: PLC0415 - as in azure_login

    from infra.azure_login import credential  # noqa: PLC0415

    try:
        return credential().get_token(scope).token
    except ClientAuthenticationError as refused:
        raise AzureError(0, "", f"no login to Azure: {str(refused.message).splitlines()[0]}") from None
