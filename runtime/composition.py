"""What the start composes out of settings, languages and host: what programs may read, and which workers are kept ready."""

import logging
import os

from runtime.execution import leftovers
from runtime.execution.executor import Executor
from runtime.execution.protocol import WarmStart
from runtime.languages.ahead import Ahead
from runtime.languages.cache_folder import UnusableError, default_folder, opened
from runtime.languages.preamble import compiled_ahead
from runtime.languages.registry import Registry
from runtime.sandbox import landlock
from runtime.settings import NO_CACHE, Settings

_log = logging.getLogger(__name__)


def ahead(executor: Executor, registry: Registry, settings: Settings) -> Ahead:
    """Where headers are that were compiled ahead, with a cache folder only where the image has none for a language."""
    folder = ""
    missing = any(language.ahead and not compiled_ahead(language.ahead) for language in registry.languages.values())
    # A program that could write to the folder could put code into those of others.
    if missing and settings.cache_dir != NO_CACHE and not executor.isolation.weak:
        try:
            wanted = settings.cache_dir or default_folder(os.environ)
            folder = str(opened(wanted, readable_for_all=executor.isolation.own_uid))
        except UnusableError as error:
            _log.warning("EXECUTOR_CACHE_DIR is not used: %s", error)
    return Ahead(folder, settings.path, executor.isolation.own_uid)


def configure(executor: Executor, registry: Registry, settings: Settings, cache: str) -> None:
    """Tells the executor, which has been started and whose slots are not open yet, all that it needs for programs.

    Those may read the folder `cache`, where there is one.
    """
    executor.configure(_landlock_rules(executor, registry, cache), _worker_plans(executor, registry, settings))


def _landlock_rules(executor: Executor, registry: Registry, cache: str) -> tuple[tuple[str, int], ...]:
    """Paths that every program may use, each with Landlock's rights below it."""
    rules = (*registry.readable(), (executor.bootstrap, landlock.READ))
    if cache:
        rules = (*rules, (cache, landlock.READ))
    if executor.isolation.shared_memory:
        rules = (*rules, (leftovers.SHARED_MEMORY, landlock.SHARED_MEMORY))
    return rules


def _worker_plans(executor: Executor, registry: Registry, settings: Settings) -> dict[str, tuple[WarmStart, ...]]:
    """For each slot's box, the workers to keep ready in it."""
    memory_mb = settings.default_memory_mb
    return {
        slot.box: tuple(
            WarmStart(
                name=language.name,
                argv=registry.command(
                    language.warm.run, box=slot.box, bootstrap=executor.bootstrap, memory_mb=memory_mb
                ),
                env=registry.environment(language, slot.box, memory_mb),
                forks=language.warm.forks,
                ready=language.warm.ready,
                on_demand=language.warm.on_demand,
            )
            for language in registry.languages.values()
            if language.warm and registry.worker_of(language)
        )
        for slot in executor.slots
    }  # fmt: skip
