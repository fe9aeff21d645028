"""Whether the executor would start with the environment variables that a stack gives it."""

from collections.abc import Mapping, Sequence

from infra.settings.apps import AppSettings
from infra.settings.reader import ConfigReader
from runtime import settings as runtime_settings

_RESERVED: Mapping[str, str] = {
    "EXECUTOR_API_KEYS": "must be set as apiKeys, which keeps it secret",
    "EXECUTOR_HOST": "must stay as the image sets it",
    "EXECUTOR_PORT": "must stay as it is: ingress and probes go to port 8000",
}


def check_variables(
    reader: ConfigReader,
    variables: Mapping[str, str],
    apps: Sequence[AppSettings],
    *,
    production: bool,
    warnings: list[str],
) -> None:
    """Notes variables that are not a stack's to set, or that the executor of this checkout refuses.

    An image that was built elsewhere may know others, so there the latter is only warned of.
    """
    for name, expected in _RESERVED.items():
        if name in variables:
            reader.refuse_hidden(f"environmentVariables.{name}", expected)
    for name, value in variables.items() if production else ():
        if name.startswith("EXECUTOR_TEST_") or (name == "EXECUTOR_ALLOW_WEAK_ISOLATION" and value == "1"):
            reader.refuse_hidden(f"environmentVariables.{name}", f"must not be {value} where production is true")
    try:
        runtime_settings.read_settings({name: value for name, value in variables.items() if name not in _RESERVED})
    except runtime_settings.SettingsError as error:
        # A wrong variable makes every new replica end at its start, which shows after minutes and as a failed probe.
        for problem in error.problems:
            if any(app.prebuilt_image is None for app in apps):
                reader.refuse_hidden("environmentVariables", f"the executor would not start: {problem}")
            else:
                warnings.append(f"environmentVariables: this checkout's executor would not start, the image's may: {problem}")
