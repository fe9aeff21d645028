"""`python -m benchmarks.languages`: measures every language in its image on half a core, for docs/languages.md.

The first hello is that of a fresh replica, with everything that is asked once; the second is the same program again; a new
source is one that differs from it. What the executor adds is the time of the whole request without that of the steps.
"""

import statistics
import time
from typing import Any

from benchmarks.asking import Ask, asking, go_straight_to
from devtools.docker import AS_ON_AZURE, build, container, docker
from devtools.executor import ROOT
from devtools.pages import replaced
from runtime.languages.registry import load

_PAGE = ROOT / "docs/languages.md"
_HELLOS = {language.name: language.hello for language in load()}
_TARGETS = ("python", "node", "judge", "full")
_BASE = "debian:trixie-slim"
_REPEATS = 3
# Until what follows an answer is done.
_REST_SECONDS = 0.5
_COMMENT = {
    "python": "#",
    "pypy": "#",
    "ruby": "#",
    "perl": "#",
    "bash": "#",
    "r": "#",
    "lua": "--",
    "sql": "--",
    "haskell": "--",
    "fortran": "!",
}


def _hello(ask: Ask, name: str, code: str) -> tuple[float, dict[str, Any]]:
    """Milliseconds and the answer."""
    time.sleep(_REST_SECONDS)
    started = time.perf_counter()
    answer = ask({"language": name, "code": code})
    milliseconds = (time.perf_counter() - started) * 1000
    if answer["run"]["stdout"] != "hello\n":
        raise SystemExit(f"{name}: {answer}")
    return milliseconds, answer


def _measured(half: Ask, whole: Ask, name: str) -> str:
    code = _HELLOS[name]
    sources = [f"{code}\n{_COMMENT.get(name, '//')} {number}" for number in range(_REPEATS)]
    first, answer = _hello(half, name, code)
    second = statistics.median(_hello(half, name, code)[0] for _ in sources)
    fresh = [_hello(half, name, source) for source in sources]
    _hello(whole, name, code)
    adds = statistics.median(
        milliseconds - sum(answer[step]["wall_time"] for step in ("compile", "run") if step in answer)
        for milliseconds, answer in (_hello(whole, name, source) for source in sources)
    )
    new = statistics.median(milliseconds for milliseconds, _ in fresh)
    memory = max(answer["run"]["memory"] for _, answer in fresh) / (1 << 20)
    return f"| {name} | {answer['version']} | {first:.0f} | {second:.0f} | {new:.0f} | {adds:.1f} | {memory:.0f} |"


def _size_mb(image: str) -> float:
    return int(docker("image", "inspect", "-f", "{{.Size}}", image)) / 1e6


def _target(target: str, absent: list[str]) -> str:
    """Its row; `absent` are the languages that no target has by itself."""
    image = build(target)
    starts = []
    for _ in range(3):
        with container(image, *AS_ON_AZURE) as executor:
            starts.append(executor.started_seconds)
            found = sorted(executor.languages())
    size = _size_mb(image)
    beside = f" but {', '.join(absent)}" if absent else ""
    spoken = f"all of the above{beside}" if target == "full" else ", ".join(found)
    return f"| `{target}` | {size:.0f} | {size - _size_mb(_BASE):.0f} | {statistics.median(starts):.1f} | {spoken} |"


def main() -> None:
    """Takes some minutes; the machine should have nothing else to do."""
    image = build("full")
    with container(image, *AS_ON_AZURE) as half, container(image, *AS_ON_AZURE, "--cpus", "1") as whole:
        for executor in (half, whole):
            go_straight_to(executor)
        there = half.languages()
        absent = [language.name for language in load() if language.name not in there]
        measured = [_measured(asking(half), asking(whole), language.name) for language in load() if language.name in there]
    head = ["| language | version | first, ms | second, ms | new source, ms | executor adds, ms | memory, MiB |",
            "|---|---|---|---|---|---|---|"]  # fmt: skip
    targets = ["| target | MB | over its base | first healthy answer, s | languages |", "|---|---|---|---|---|"]
    _PAGE.write_text(replaced(_PAGE, "measured", iter([*head, *measured])), "utf-8")
    _PAGE.write_text(replaced(_PAGE, "targets", iter([*targets, *(_target(target, absent) for target in _TARGETS)])), "utf-8")


if __name__ == "__main__":
    main()
