"""What is known of this replica: the body of `GET /health`, which `python -m runtime check` reads as well."""

from runtime import __version__
from runtime.execution.executor import Executor
from runtime.http.answers import HealthAnswer
from runtime.http.replica_names import REPLICA
from runtime.languages.registry import Registry

SERVICE = "Code Execution Service"


def health(executor: Executor, registry: Registry, uptime_seconds: float, *, able: bool) -> HealthAnswer:
    """The executor must have been started; `able` says whether it can run code."""
    return HealthAnswer(
        status="healthy" if able else "unhealthy",
        service=SERVICE,
        replica=REPLICA,
        version=__version__,
        uptime=round(uptime_seconds * 1000),
        languages=tuple(sorted(registry.languages)),
        unavailable=registry.unavailable,
        isolation=executor.isolation,
    )
