"""All settings of a stack: read one by one, checked beside one another, and given out as one object."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pulumi
from pulumi.runtime import config as runtime_config

from infra.settings import formats
from infra.settings.access import AccessSettings, check_access, check_keys_are_encrypted, check_public
from infra.settings.apps import AppSettings, ImageSettings, SizeSettings, read_apps
from infra.settings.foundation import FoundationSettings, check_foundation
from infra.settings.guardrails import (
    GuardrailSettings,
    QuotaSettings,
    check_alert,
    check_budget_start,
    check_cost,
    check_quota,
)
from infra.settings.kinds import HOSTINGS, choice, declarations, integer, mapping, objects, read_group, setting, switch, text
from infra.settings.reader import ConfigReader, SettingsError
from infra.settings.revisions import RevisionSettings, check_grace, check_mode
from infra.settings.scaling import ScalingSettings, read_contests
from infra.settings.sessions import SessionSettings, pool_name
from infra.settings.store import StoreSettings, check_store
from infra.settings.telemetry import TelemetrySettings, check_telemetry
from infra.settings.variables import check_variables

MAX_TAGS = 50
"""Tags that a resource can have. Source: Microsoft's page on tagging resources. Two of them are this project's own."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What one stack deploys. An instance has passed every check, so nothing that takes one checks it again.

    Attributes:
        image: What the stack's only app runs, and what those of a list have as their default.
        size: Likewise, how large it is.
        apps: The apps, at least one.
        warnings: What is allowed and yet likely to hurt.
    """

    location: str = setting(
        text(formats.REGION),
        "eastus2",
        "Azure region of everything that is created.",
        key="azure-native:location",
        hostings=HOSTINGS,
    )
    hosting: str = setting(
        choice(*HOSTINGS),
        "app",
        "app: a Container App whose replicas run one program at a time. sessions: a session pool with a container, in a "
        "virtual machine of its own, for each user. local: a container on this machine's Docker, without any Azure account. "
        "scale: no app of its own, only the number of replicas of the app that another stack owns.",
        hostings=HOSTINGS,
    )
    app_name: str = setting(
        text(formats.APP_NAME),
        None,
        "Name of the Container App, and the first part of its URL. It has no default: an app has one owner, so every stack "
        "names its own. Where hosting is scale it is the owner's. The contest stack owns ai-ta-ra-code-executor2, the name "
        "that the backend knows.",
        hostings=HOSTINGS,
    )
    protect_app: bool = setting(
        switch,
        False,
        "Keep the app or the pool from being deleted or replaced, until `pulumi state unprotect` lets it go.",
        hostings=("app", "sessions"),
    )
    production: bool = setting(
        switch,
        False,
        "Refuse what is otherwise warned of: an app that the whole internet can use without a key, and weak isolation.",
    )
    lock_app: bool = setting(
        switch,
        False,
        "Put a lock of Azure's own on the app, which nobody can delete then, with whatever tool. Its scale can still be "
        "changed. Whoever deploys needs the right to make locks, which Owner has.",
        hostings=("app",),
    )
    stack_readme: bool = setting(
        switch,
        False,
        "Put Pulumi.README.md out as the output readme, which Pulumi Cloud shows beside the stack.",
        hostings=HOSTINGS,
    )
    tags: Mapping[str, str] = setting(
        mapping(formats.TAG_NAME, formats.TAG_VALUE),
        {},
        "Tags of everything that takes some, besides project and stack, which are always set.",
    )
    foundation: FoundationSettings
    image: ImageSettings
    size: SizeSettings
    apps: tuple[AppSettings, ...] = setting(
        objects,
        [],
        "Several apps in one stack, one for each image target: a list of {imageTarget, appName, image, minReplicas, "
        "maxReplicas, cpu, memory}, where everything but imageTarget has the stack's own value as its default. Empty, one "
        "app.",
    )
    scaling: ScalingSettings
    access: AccessSettings
    environment_variables: Mapping[str, str] = setting(
        mapping(formats.VARIABLE, formats.ANY),
        {},
        "Environment variables of the executor; EXECUTOR_* are its settings (runtime/settings.py), and are checked before "
        "anything is deployed.",
    )
    store: StoreSettings
    telemetry: TelemetrySettings
    revisions: RevisionSettings
    sessions: SessionSettings
    local_port: int = setting(integer(1, 65535), 8000, "For hosting local, the port on this machine, {bounds}.")
    guardrails: GuardrailSettings
    quota: QuotaSettings
    warnings: tuple[str, ...] = ()


DECLARATIONS = declarations(Settings)
"""Every setting, in the order of `Pulumi.yaml`."""

KEYS = tuple(declared.key for declared in DECLARATIONS)


def parse_settings(
    values: Mapping[str, str], *, now: datetime | None = None, secret_keys: frozenset[str] | None = None
) -> Settings:
    """Checks a whole configuration.

    Args:
        values: Each setting as Pulumi hands it over, a string, by its key as in `KEYS`.
        now: The time, which decides what contests are over; the present if not given.
        secret_keys: The settings that the stack keeps encrypted, or None where that is not known.

    Raises:
        SettingsError: With every problem at once.
    """
    reader = ConfigReader(values)
    warnings: list[str] = []
    read = read_group(Settings, reader)
    _check_effect(reader, read.hosting)
    apps = read_apps(reader, read.app_name, read.image, read.size)
    check_variables(reader, read.environment_variables, apps, production=read.production, warnings=warnings)
    now = now or datetime.now(UTC)
    contests = read_contests(reader, apps, now, warnings)
    settings = replace(read, apps=apps, scaling=replace(read.scaling, contests=contests))
    _check_hosting(reader, settings)
    _check_tags(reader, settings)
    check_foundation(reader, settings.foundation)
    check_store(reader, settings.store, settings.foundation, settings.environment_variables)
    check_telemetry(reader, settings.telemetry, settings.foundation, settings.environment_variables)
    check_access(reader, settings.access)
    if secret_keys is not None:
        check_keys_are_encrypted(reader, settings.access, secret_keys)
    check_mode(reader, settings.revisions)
    check_grace(reader, settings.revisions, settings.environment_variables)
    check_alert(reader, settings.guardrails, apps)
    check_budget_start(reader, settings.guardrails, now)
    if settings.hosting == "app":
        if not settings.foundation.environment_internal:
            check_public(reader, settings.access, production=settings.production, warnings=warnings)
        check_cost(reader, settings.guardrails, apps, settings.scaling, warnings)
        check_quota(reader, settings.quota, apps, settings.foundation, location=settings.location, warnings=warnings)
    if settings.hosting in {"app", "sessions"} and not settings.guardrails.emails:
        warnings.append("Nobody watches what this costs: set alertEmails to have a budget and an alert on replicas.")
    reader.refuse_unknown(values, KEYS, "this project")
    if reader.problems:
        order = {key: place for place, key in enumerate(KEYS)}
        raise SettingsError(sorted(reader.problems, key=lambda problem: order.get(problem.setting, len(order))))
    return replace(settings, warnings=tuple(warnings))


def _check_tags(reader: ConfigReader, settings: Settings) -> None:
    if len(settings.tags) > MAX_TAGS - 2:
        reader.refuse_hidden("tags", f"must be at most {MAX_TAGS - 2} tags")


def _check_effect(reader: ConfigReader, hosting: str) -> None:
    for declared in DECLARATIONS:
        usual = "" if declared.default in ("", [], {}, None) else json.dumps(declared.default).strip('"')
        if hosting not in declared.hostings and reader.given(declared.key) and reader.raw(declared.key) != usual:
            reader.refuse(declared.key, f"must be {usual or 'empty'} where hosting is {hosting}: it would have no effect")


def _check_hosting(reader: ConfigReader, settings: Settings) -> None:
    hosting = settings.hosting
    if hosting == "local" and len(settings.apps) > 1:
        reader.refuse("apps", "must be empty where hosting is local: there is one port")
    if hosting == "sessions":
        for app in settings.apps:
            if len(pool_name(app.name)) < 3:
                reader.refuse("appName", "must have at least 3 letters and digits where hosting is sessions")


def read_settings() -> Settings:
    """Reads and checks the configuration of the stack that the running program belongs to.

    Raises:
        SettingsError: With every problem at once.
    """
    project = pulumi.get_project()
    values: dict[str, str] = {}
    for key in KEYS:
        namespace, _, name = key.rpartition(":")
        if (value := pulumi.Config(namespace or project).get(name)) is not None:
            values[key] = value
    # pulumi.Config can only be asked for names one knows. A misspelt one would go unnoticed, and its default deployed.
    for full_key in {**runtime_config.get_config_env(), **runtime_config.CONFIG.get()}:
        namespace, _, name = full_key.partition(":")
        if namespace == project:
            values.setdefault(name, "")
    marked = runtime_config.get_config_secret_keys_env()
    secret = frozenset(
        key for key in KEYS if runtime_config.is_config_secret(f"{project}:{key}") or f"{project}:{key}" in marked
    )
    return parse_settings(values, secret_keys=secret)
