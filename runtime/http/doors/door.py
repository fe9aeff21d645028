"""What an interface of another product gives the application: its paths, their description, and its form of a refusal."""

from collections.abc import Iterable
from typing import Any, Protocol

from aiohttp import web

from runtime.http.problems import Refusal
from runtime.languages.registry import Registry
from runtime.settings import Settings


class Door(Protocol):
    """An interface of another product."""

    @property
    def prefix(self) -> str:
        """What all of its paths begin with."""

    @property
    def types(self) -> tuple[type, ...]:
        """The types of its bodies and answers, for the schemas of the OpenAPI document."""

    def routes(self) -> Iterable[web.RouteDef]:
        """Its paths with their handlers."""

    def refused(self, refusal: Refusal) -> web.Response:
        """The answer to a request below `prefix` that is refused."""

    def bound(self, schemas: dict[str, Any], settings: Settings, registry: Registry) -> None:
        """Adds to the schemas of its types what its checks refuse and the types do not say."""

    def described(self, security: list[dict[str, list[str]]]) -> dict[str, Any]:
        """Its paths for the OpenAPI document, each with these requirements of `security`."""
