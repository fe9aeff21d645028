"""Where an executor is measured: on this machine, or in a container of an image, which may have a part of the machine."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.asking import go_straight_to
from devtools.docker import container, docker
from devtools.executor import Executor, running
from runtime.execution.process_tree import descendants
from runtime.languages.cache_folder import default_folder


class Place(NamedTuple):
    """An image's container, or this machine where `image` is empty; `options` are the engine's, as `--cpus 0.5`."""

    image: str = ""
    options: tuple[str, ...] = ()

    @contextmanager
    def executor(self, settings: Mapping[str, str] | None = None) -> Iterator[tuple[Executor, tuple[str, ...]]]:
        """An executor there, and what enters the place that it is in."""
        if not self.image:
            with running({"EXECUTOR_CACHE_DIR": default_folder(os.environ), **(settings or {})}) as executor:
                yield executor, ()
            return
        with container(self.image, *self.options, settings=dict(settings or {})) as executor:
            go_straight_to(executor)
            executor.pid = int(docker("inspect", "-f", "{{.State.Pid}}", executor.container))
            yield executor, ("docker", "exec", "-i", executor.container)


def proportional_mb(pid: int) -> dict[str, float]:
    """PSS of an executor's processes in MiB, by the name of what they execute; needs the right to read them."""
    found: dict[str, float] = {}
    for member in descendants([pid]):
        try:
            text = Path(f"/proc/{member}/smaps_rollup").read_text()
            name = Path(f"/proc/{member}/exe").readlink().name
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended and waits to be reaped: it holds no memory
        size = next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
        found[name] = found.get(name, 0) + size / 1024
    return found
