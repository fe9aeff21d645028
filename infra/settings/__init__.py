"""The stack's configuration as one validated object, or one error that names everything wrong with it.

One file for each subject declares its settings, once each, and checks them: `stack` holds them together.
"""

from infra.settings.access import AccessSettings
from infra.settings.apps import AppSettings
from infra.settings.foundation import FoundationSettings, SharedResource
from infra.settings.guardrails import GuardrailSettings
from infra.settings.reader import Problem, SettingsError
from infra.settings.revisions import RevisionSettings
from infra.settings.scaling import ScalingSettings
from infra.settings.sessions import SessionSettings, pool_name
from infra.settings.stack import DECLARATIONS, KEYS, Settings, parse_settings, read_settings
from infra.settings.store import StoreSettings
from infra.settings.telemetry import TelemetrySettings

__all__ = [
    "DECLARATIONS",
    "KEYS",
    "AccessSettings",
    "AppSettings",
    "FoundationSettings",
    "GuardrailSettings",
    "Problem",
    "RevisionSettings",
    "ScalingSettings",
    "SessionSettings",
    "Settings",
    "SettingsError",
    "SharedResource",
    "StoreSettings",
    "TelemetrySettings",
    "parse_settings",
    "pool_name",
    "read_settings",
]
