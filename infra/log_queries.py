"""What alerts ask of the log: queries over the records of `runtime/observability/records.py`, as Log Analytics keeps them."""

from collections.abc import Sequence

CONSOLE = "ContainerAppConsoleLogs_CL"
"""The table that an environment's console output is in, and its columns. Source: Microsoft's page on log monitoring in Azure
Container Apps."""

_RECORDS = """{table}
| where ContainerAppName_s in ({apps})
| where Log_s startswith '{{"event":"execution"'
| extend run = parse_json(Log_s)
| where isempty(run.rehearsal)"""


def records(apps: Sequence[str]) -> str:
    """The records of these apps, without those of rehearsals, as `run`."""
    return _RECORDS.format(table=CONSOLE, apps=", ".join(f"'{name}'" for name in apps))


def internal_errors(apps: Sequence[str]) -> str:
    """A row for each submission that the executor itself failed at."""
    return f"{records(apps)}\n| where tostring(run.status) == 'internal_error'"


def waits(apps: Sequence[str]) -> str:
    """The seconds that submissions waited for a slot, in `seconds`: those of which nineteen of twenty waited less."""
    return f"{records(apps)}\n| summarize seconds = percentile(todouble(run.queue_time), 95) / 1000 by bin(TimeGenerated, 5m)"
