"""What the start composes out of settings, languages and host: what programs may read, and which workers are kept ready."""

from runtime.execution import leftovers
from runtime.execution.executor import Executor
from runtime.execution.protocol import WarmStart
from runtime.languages.registry import Registry
from runtime.sandbox import landlock
from runtime.settings import Settings


def configure(executor: Executor, registry: Registry, settings: Settings) -> None:
    """Tells the executor, which has been started and whose slots are not open yet, all that it needs for programs."""
    executor.configure(_landlock_rules(executor, registry), _worker_plans(executor, registry, settings))


def _landlock_rules(executor: Executor, registry: Registry) -> tuple[tuple[str, int], ...]:
    """Paths that every program may use, each with Landlock's rights below it."""
    rules = (*registry.readable(), (executor.bootstrap, landlock.READ))
    if executor.isolation.shared_memory:
        rules = (*rules, (leftovers.SHARED_MEMORY, landlock.SHARED_MEMORY))
    return rules


def _worker_plans(executor: Executor, registry: Registry, settings: Settings) -> dict[str, tuple[WarmStart, ...]]:
    """For each box, the workers to keep ready in it; in a half there are none before a run asks for them."""
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
                on_demand=language.warm.on_demand or slot not in executor.slots,
            )
            for language in registry.languages.values()
            if language.warm and registry.worker_of(language)
        )
        for slot in executor.every_slot()
    }  # fmt: skip
