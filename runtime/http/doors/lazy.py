"""A door that is loaded with the first request for it: most executors never need most of them."""

import json
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

from aiohttp import web
from aiohttp.typedefs import Handler

from runtime.http.problems import Refusal
from runtime.languages.registry import Registry
from runtime.settings import Settings


class Route(NamedTuple):
    """A path below the door's prefix, and the name of the method that answers it."""

    method: str
    path: str
    handler: str


class LoadedDoor(Protocol):
    """What is behind a lazy door: the handlers that its routes name, and its form of a refusal."""

    def refused(self, refusal: Refusal) -> web.Response:
        """The answer to a request that is refused."""


class DescribedDoor(LoadedDoor, Protocol):
    """The same with what the OpenAPI document says of it (`doors.door`)."""

    types: tuple[type, ...]

    def bound(self, schemas: dict[str, Any], settings: Settings, registry: Registry) -> None:
        """Adds to the schemas of its types what its checks refuse and the types do not say."""

    def described(self, security: list[dict[str, list[str]]]) -> dict[str, Any]:
        """Its paths for the OpenAPI document."""


class LazyDoor:
    """Routes that are known, with handlers that are not loaded yet."""

    def __init__(
        self,
        prefix: str,
        routes: Iterable[Route],
        load: Callable[[], LoadedDoor],
        accepts: str = "",
        *,
        description: str = "",
    ) -> None:
        """`load` is called once. `accepts` is the name of its accepted work in the store, where it accepts any.

        `description` is a file beside this one with its part of the OpenAPI document: `schemas`, and `paths` below `prefix`.
        Without one what is loaded is a `DescribedDoor`.
        """
        self.prefix = prefix
        self.accepts = accepts
        self._description = description
        self._routes = tuple(routes)
        self._load = load
        self._loaded: LoadedDoor | None = None

    def routes(self) -> Iterable[web.RouteDef]:
        """Its paths with their handlers."""
        for method, path, name in self._routes:
            yield web.route(method, f"{self.prefix}{path}", self._handler(name))

    def refused(self, refusal: Refusal) -> web.Response:
        """The answer to a request below `prefix` that is refused."""
        return self.door().refused(refusal)

    @property
    def types(self) -> tuple[type, ...]:
        """Those that it describes."""
        return () if self._description else self._described().types

    def bound(self, schemas: dict[str, Any], settings: Settings, registry: Registry) -> None:
        """Adds to the schemas of its types what its checks refuse and the types do not say."""
        if self._description:
            schemas |= self._part()["schemas"]
        else:
            self._described().bound(schemas, settings, registry)

    def described(self, security: list[dict[str, list[str]]]) -> dict[str, Any]:
        """The paths that it describes."""
        if not self._description:
            return self._described().described(security)
        return {
            f"{self.prefix}{path}": {method: {**operation, "security": security} for method, operation in methods.items()}
            for path, methods in self._part()["paths"].items()
        }

    def _part(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(Path(__file__).with_name(self._description).read_text("utf-8"))
        return found

    def _described(self) -> DescribedDoor:
        return cast(DescribedDoor, self.door())

    @property
    def loaded(self) -> LoadedDoor | None:
        """What is behind it, if anybody has asked for it yet."""
        return self._loaded

    def door(self) -> LoadedDoor:
        """What is behind it, loaded now if it was not before."""
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded

    def _handler(self, name: str) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            handler: Callable[[web.Request], Awaitable[web.StreamResponse]] = getattr(self.door(), name)
            return await handler(request)

        return answer
