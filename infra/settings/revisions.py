"""How one version of the app takes over from the one before, and how long the one before may take to end."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from infra.settings.kinds import choice, integer, setting
from infra.settings.reader import ConfigReader
from runtime import settings as runtime_settings


@dataclass(frozen=True)
class RevisionSettings:
    """How one version of the app takes over from the one before."""

    mode: str = setting(
        choice("single", "multiple"),
        "single",
        "single: a new version replaces the running one. multiple is refused: without weights the newest takes all requests, "
        "and each old one keeps its minReplicas, and costs.",
        key="revisionMode",
    )
    transition_threshold: int = setting(
        integer(1, 100),
        100,
        "Percentage of a new revision's replicas, {bounds}, that must be ready before requests go to it.",
        key="revisionTransitionThreshold",
    )
    max_inactive: int = setting(
        integer(0, 100), 10, "Old revisions that are kept for going back, {bounds}.", key="maxInactiveRevisions"
    )
    termination_grace_seconds: int = setting(
        integer(1, 600),
        250,
        "Seconds between SIGTERM and SIGKILL, {bounds}. Must be above the executor's EXECUTOR_DRAIN_SECONDS.",
    )


def check_mode(reader: ConfigReader, revisions: RevisionSettings) -> None:
    """Notes a mode in which old revisions would go on scaling, costing and taking cores by themselves."""
    if revisions.mode == "multiple":
        reader.refuse(
            "revisionMode", "must be single: in multiple, each old revision keeps its minReplicas and the cores for them"
        )


def check_grace(reader: ConfigReader, revisions: RevisionSettings, variables: Mapping[str, str]) -> None:
    """Notes a grace period in which the executor could not finish what it runs."""
    grace = revisions.termination_grace_seconds
    drain = variables.get("EXECUTOR_DRAIN_SECONDS", f"{runtime_settings.Settings().drain_seconds:g}")
    if reader.sound("terminationGraceSeconds") and re.fullmatch(r"[0-9]+(\.[0-9]+)?", drain) and grace <= float(drain):
        reader.refuse(
            "terminationGraceSeconds",
            f"must be above {drain}, the seconds for which a replica finishes running work (EXECUTOR_DRAIN_SECONDS)",
        )
