"""The command `executor-client doctor`: asks for everything, shows it, and writes what can be shared."""

import argparse
import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable

import aiohttp
import yarl
from rich.console import Console
from rich.table import Table

from executor_client.aio import AsyncExecutorClient
from executor_client.doctor import host_checks, ingress_checks, program_checks
from executor_client.doctor.findings import FAILED, UNKNOWN, WARNING, Finding, finding, unknown
from executor_client.errors import ExecutorError, UnauthorizedError

_LOOKS = 20
_SECONDS = 60
_MARKS = {"ok": ("ok", "green"), WARNING: ("!", "yellow"), FAILED: ("x", "red"), UNKNOWN: ("?", "dim")}
_UNREACHABLE = "Look at the URL (`pulumi stack output executorUrl`), at DNS, and whether the ingress is internal."
_OLD = "The executor has no GET /host: it is older than this client."


def add_to(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    """Adds the command and gives its parser."""
    parser = actions.add_parser("doctor", help="what a deployed executor and its host can do, with remedies")
    parser.add_argument("--url", default=argparse.SUPPRESS, help="the executor's URL; EXECUTOR_URL unless told")
    parser.add_argument("--share", action="store_true", help="print a report without host names, replicas and keys")
    return parser


def main(options: argparse.Namespace, key: str | None) -> int:
    """Returns 0 where nothing failed, else 1."""
    findings = asyncio.run(_examined(options.url, key))
    if options.share:
        print(shared(findings, options.url, key))
    else:
        _show(findings, Console())
    return 1 if any(each.status == FAILED for each in findings) else 0


async def _examined(url: str, key: str | None) -> list[Finding]:
    found: list[Finding] = []
    headers = {"X-API-Key": key} if key else {}
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    async with (
        aiohttp.ClientSession(timeout=timeout) as http,
        AsyncExecutorClient(url, key, deadline=_SECONDS) as client,
    ):
        try:
            found += [each async for each in _of_health(http, yarl.URL(url))]
            found.append(await ingress_checks.http2(yarl.URL(url)))
            found += [each async for each in ingress_checks.key(http, yarl.URL(url), key)]
            languages = await client.languages()
            asked = time.time()
            most_mb = 1.0
            try:
                answer = await client.host()
            except ExecutorError as error:
                found.append(unknown("host", "GET /host", f"{_OLD} ({error})"))
            else:
                found += [*host_checks.host(answer, asked, time.time()), *host_checks.settings(answer)]
                most_mb = answer["max_body_mb"]
            found.append(await ingress_checks.body(http, yarl.URL(url), headers, most_mb))
            found.append(await ingress_checks.websocket(http, yarl.URL(url), headers))
            found += [each async for each in program_checks.hellos(client, languages)]
            found.append(await program_checks.speed(client, languages))
        except UnauthorizedError:
            found.append(unknown("host", "everything else", "needs the right key"))
        except (ExecutorError, aiohttp.ClientError, TimeoutError) as error:
            words = str(error) or type(error).__name__
            found.append(finding("ingress", "connection", words, worse=_UNREACHABLE))
    return found


async def _of_health(http: aiohttp.ClientSession, url: yarl.URL) -> AsyncIterator[Finding]:
    """Several looks at `/health`: whether it answers, what it says of walls, and how many replicas there are."""
    names: set[str] = set()
    started = time.monotonic()
    first = 0.0
    for look in range(_LOOKS):
        async with http.get(url / "health") as response:
            answer = await response.json(content_type=None) if response.content_type == "application/json" else {}
            first = first or time.monotonic() - started
        if look == 0:
            able = response.status == 200 and "isolation" in answer
            words = f"{response.status} {answer.get('status', 'no executor answers')}, version {answer.get('version', '?')}"
            yield finding("ingress", "GET /health", words, worse="" if able else _UNREACHABLE)
            for each in host_checks.walls(answer.get("isolation", {})) if able else ():
                yield each
            for name, why in answer.get("unavailable", {}).items():
                yield unknown("languages", name, why)
        names.add(answer.get("replica", ""))
    for each in host_checks.replicas(names - {""}, first, _LOOKS):
        yield each


def _show(findings: list[Finding], console: Console) -> None:
    table = Table("", "", "found", "what to do", title="executor-client doctor")
    group = ""
    for each in sorted(findings, key=_order(findings)):
        if each.group != group:
            table.add_section()
            group = each.group
        mark, style = _MARKS[each.status]
        table.add_row(mark, f"{each.group}: {each.name}", each.found, each.remedy, style=style)
    console.print(table, markup=False)
    counts = [f"{sum(each.status == status for each in findings)} {status}" for status in _MARKS]
    console.print(", ".join(counts), highlight=False)


def _order(findings: list[Finding]) -> Callable[[Finding], int]:
    """Groups stay together, in the order in which they first came."""
    groups = list(dict.fromkeys(each.group for each in findings))
    return lambda each: groups.index(each.group)


def shared(findings: list[Finding], url: str, key: str | None) -> str:
    """The findings as Markdown, without what names the app, its replicas or its callers."""
    secrets = [secret for secret in (key, yarl.URL(url).host) if secret]

    def clean(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, "[hidden]")
        text = re.sub(r"\b(?:\d{1,3}\.){3}\d{1,3}\b", "[address]", text)
        return re.sub(r"[\w-]+(?:--[\w-]+)+", "[replica]", text).replace("|", "\\|").replace("\n", " ")

    lines = ["| | what | found | what to do |", "|---|---|---|---|"]
    for each in sorted(findings, key=_order(findings)):
        cells = (_MARKS[each.status][0], f"{each.group}: {each.name}", each.found, each.remedy)
        lines.append("| " + " | ".join(clean(cell) for cell in cells) + " |")
    return "\n".join(lines)
