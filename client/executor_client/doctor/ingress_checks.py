"""What lies between a client and the executor: protocol, bodies, WebSockets, and who may call."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator

import aiohttp
import yarl

from executor_client.doctor.findings import Finding, finding, unknown

_SECONDS = 20


async def http2(url: yarl.URL) -> Finding:
    """Which protocol the server takes, of those that TLS offers."""
    if url.scheme != "https":
        return unknown("ingress", "HTTP/2", "no TLS, so nothing is negotiated")
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    try:
        async with asyncio.timeout(_SECONDS):
            _, writer = await asyncio.open_connection(url.host, url.port, ssl=context)
    except (OSError, TimeoutError) as error:
        return finding("ingress", "HTTP/2", str(error), worse="Look at the certificate and at the name of the host.")
    chosen = writer.get_extra_info("ssl_object").selected_alpn_protocol()
    writer.close()
    return finding("ingress", "HTTP/2", f"{chosen or 'HTTP/1.1, nothing negotiated'}; the client itself uses HTTP/1.1")


async def key(http: aiohttp.ClientSession, url: yarl.URL, given: str | None) -> AsyncIterator[Finding]:
    """Whether strangers may call, and whether the given key is one."""
    async with http.get(url / "languages") as response:
        stranger = response.status
    if stranger == 401:
        yield finding("key", "without a key", "refused, as it should be")
    else:
        yield finding(
            "key", "without a key", f"answers {stranger}: everybody may call",
            bad="Set `apiKeys` (and `production`) in the stack before the URL is known to anybody.",
        )  # fmt: skip
    if given is None:
        remedy = "Set EXECUTOR_API_KEY to the key whose hash is in the stack's `apiKeys`." if stranger == 401 else ""
        yield finding("key", "the key", "none was given", worse=remedy)
        return
    async with http.get(url / "languages", headers={"X-API-Key": given}) as response:
        refused = response.status in (401, 403)
    yield finding(
        "key", "the key", f"answers {response.status}",
        worse="EXECUTOR_API_KEY is not the key whose hash is in the stack's `apiKeys`." if refused else "",
    )  # fmt: skip


async def body(http: aiohttp.ClientSession, url: yarl.URL, headers: dict[str, str], most_mb: float) -> Finding:
    """Whether a body of almost the executor's own limit arrives."""
    size = int(most_mb * 2**20 * 0.95)
    request = {"language": "bash", "code": "wc -c", "stdin": ""}
    request["stdin"] = "x" * (size - len(json.dumps(request)))
    try:
        async with http.post(url / "execute", json=request, headers=headers) as response:
            status, answer = response.status, await response.read()
    except aiohttp.ClientError as error:
        status, answer = 0, str(error).encode()
    words = f"{size / 2**20:.1f} MiB: " + (f"answers {status}" if status else answer.decode()[:120])
    # What the executor itself refuses has arrived.
    arrived = status == 200 or (status in (422, 429) and b'"code"' in answer)
    remedy = f"Something in front of the executor takes less than its {most_mb:g} MiB: raise its limit, or send less."
    return finding("ingress", "body size", words, worse="" if arrived else remedy)


async def websocket(http: aiohttp.ClientSession, url: yarl.URL, headers: dict[str, str]) -> Finding:
    """Whether a WebSocket comes through; its first message shows that it does."""
    try:
        async with asyncio.timeout(_SECONDS), http.ws_connect(url / "api/v2/connect", headers=headers) as connection:
            await connection.send_str("{}")
            message = await connection.receive()
    except aiohttp.WSServerHandshakeError as error:
        if error.status == 404:
            return unknown("ingress", "WebSocket", "Piston's interface is switched off (EXECUTOR_APIS)")
        return finding("ingress", "WebSocket", f"the upgrade answers {error.status}", bad=_UPGRADE)
    except (aiohttp.ClientError, TimeoutError) as error:
        return finding("ingress", "WebSocket", str(error) or type(error).__name__, bad=_UPGRADE)
    return finding("ingress", "WebSocket", f"comes through ({message.type.name.lower()})")


_UPGRADE = "Live runs do not work: let the proxy in front pass `Upgrade` and `Connection`."
