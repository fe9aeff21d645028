"""Azure Container Apps session pools: which session a user has, and the token that a call needs."""

import asyncio
import hashlib
import time
from typing import Protocol

from executor_client.errors import ConfigurationError, UnauthorizedError

SCOPE = "https://dynamicsessions.io/.default"
"""What a token is asked for. Source: Microsoft's page on using dynamic sessions."""

_RENEWAL_SECONDS = 300


class AccessToken(Protocol):
    """As in azure.core.credentials; `expires_on` is in seconds since 1970."""

    @property
    def token(self) -> str:
        """The bearer token."""
        ...

    @property
    def expires_on(self) -> int:
        """When it ends."""
        ...


class Credential(Protocol):
    """Any credential of azure.identity.aio."""

    async def get_token(self, *scopes: str) -> AccessToken:
        """Gets a token; may ask Azure."""
        ...


def identifier(user_id: str | None) -> str:
    """The session of a user, as `identifier` in the query.

    A digest, because Azure takes 4 to 128 characters of a small alphabet, and addresses end in logs; raises
    ConfigurationError without a user.
    """
    if not user_id:
        raise ConfigurationError("a session pool has a session for each user: the submission needs user_id")
    return hashlib.sha256(user_id.encode()).hexdigest()


class TokenSource:
    """Tokens for a pool, kept until shortly before they end."""

    def __init__(self, credential: Credential | None) -> None:
        """Without a credential it is azure-identity's default one: environment, managed identity, `az login`."""
        self._given = credential
        self._own: _DefaultCredential | None = None
        self._current: AccessToken | None = None
        self._lock = asyncio.Lock()

    async def token(self) -> str:
        """A token that is good for at least some minutes; raises ConfigurationError or UnauthorizedError."""
        async with self._lock:
            if self._current is None or self._current.expires_on - time.time() < _RENEWAL_SECONDS:
                if self._given is not None:
                    self._current = await self._given.get_token(SCOPE)
                else:
                    self._own = self._own or _DefaultCredential()
                    self._current = await self._own.get_token(SCOPE)
            return self._current.token

    async def close(self) -> None:
        """Closes what it opened; a credential that was handed in is the caller's."""
        if self._own is not None:
            await self._own.close()
            self._own = None


class _DefaultCredential:
    def __init__(self) -> None:
        try:
            from azure.core.exceptions import ClientAuthenticationError  # noqa: PLC0415 - an extra
            from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415
        except ImportError as error:
            raise ConfigurationError("session pools need azure-identity: pip install 'executor-client[azure]'") from error
        self._failure = ClientAuthenticationError
        self._credential = DefaultAzureCredential()

    async def get_token(self, *scopes: str) -> AccessToken:
        try:
            return await self._credential.get_token(*scopes)
        except self._failure as error:
            first = str(error).splitlines()[0]
            raise UnauthorizedError(f"Azure gave no token for the session pool: {first}", 401) from error

    async def close(self) -> None:
        await self._credential.close()
