"""Results that are sent to a client's own address: only to hosts that a setting names, and never into a private network.

Otherwise anybody who may submit a program could have the executor ask its neighbours, such as the platform's metadata
service, in its own name.
"""

import asyncio
import ipaddress
import logging
import os
import socket
import ssl
from collections.abc import Sequence
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

_log = logging.getLogger(__name__)
_TRIES, _SECONDS, _PAUSE_SECONDS = 3, 5.0, 0.5
# Azure's own services answer every machine under it, although it is a public address.
_PLATFORM = "168.63.129.16"
_PORTS = {"http": 80, "https": 443}


def problem(url: str, hosts: Sequence[str]) -> str:
    """Why nothing may be sent to this URL; empty where it may. `hosts` are names, or names with a port."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is not a URL"
    if parts.scheme not in _PORTS or not parts.hostname:
        return "must be http:// or https:// with a host"
    if parts.username is not None or parts.password is not None:
        return "must not have a user or a password"
    # What a parser and a resolver could understand differently.
    if not parts.hostname.isascii() or any(character in url for character in "\\\t\r\n "):
        return "has characters that a host cannot have"
    host = parts.hostname.rstrip(".")
    usual = port is None or port == _PORTS[parts.scheme]
    if f"{host}:{port or _PORTS[parts.scheme]}" in hosts or (usual and host in hosts):
        return ""
    return "names a host that callbacks may not go to"


def is_public(address: str) -> bool:
    """Whether an address is one of the public internet, whatever it is wrapped in."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is None and found in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return found.is_global and not found.is_multicast and str(found) != _PLATFORM


class _Resolver(AbstractResolver):
    """Gives out public addresses only; the connection goes to exactly what was looked at."""

    def __init__(self, *, private: bool) -> None:
        self._private = private

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        """Raises OSError where a name leads into a private network, even with one of its addresses."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        results: list[ResolveResult] = []
        for kind, _, protocol, _, place in found:
            address = str(place[0])
            if not self._private and not is_public(address):
                raise OSError(f"{host} is at {address}, which is no public address")
            results.append(
                ResolveResult(
                    hostname=host, host=address, port=port, family=kind, proto=protocol, flags=socket.AI_NUMERICHOST
                )
            )
        return results

    async def close(self) -> None:
        """Nothing is kept open."""


class Callbacks:
    """Sends results, each to one URL that has been checked with `problem`."""

    def __init__(self, hosts: Sequence[str], *, private: bool) -> None:
        """With `private`, which is for tests, addresses do not matter."""
        self._hosts = tuple(hosts)
        self._private = private

    def problem(self, url: str) -> str:
        """Why nothing may be sent to this URL; empty where it may."""
        return problem(url, self._hosts)

    async def send(self, url: str, body: bytes) -> bool:
        """Puts the body there, in at most three tries; whether there was an answer. A redirection is not followed."""
        host = urlsplit(url).hostname or ""
        try:
            literal = ipaddress.ip_address(host)
        except ValueError:
            literal = None
        if self.problem(url) or (literal is not None and not self._private and not is_public(str(literal))):
            _log.warning("no callback to %r: %s", host, self.problem(url) or "it is no public address")
            return False
        resolver = _Resolver(private=self._private)
        connector = aiohttp.TCPConnector(resolver=resolver, ssl=host_certificates(), use_dns_cache=False)
        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session:
            for attempt in range(_TRIES):
                try:
                    headers = {"Content-Type": "application/json"}
                    async with session.put(url, data=body, headers=headers, allow_redirects=False):
                        return True
                except (aiohttp.ClientError, OSError, TimeoutError) as error:
                    _log.warning("callback to %r failed: %s", host, error or type(error).__name__)
                if attempt + 1 < _TRIES:
                    await asyncio.sleep(_PAUSE_SECONDS)
        return False


def host_certificates() -> ssl.SSLContext:
    """The host's certificates, which the server as a whole does without."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    paths = ssl.get_default_verify_paths()
    if os.path.isfile(paths.openssl_cafile):
        context.load_verify_locations(cafile=paths.openssl_cafile)
    if os.path.isdir(paths.openssl_capath):
        context.load_verify_locations(capath=paths.openssl_capath)
    return context
