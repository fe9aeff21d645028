"""What only a session pool has."""

from dataclasses import dataclass

from infra.settings import formats
from infra.settings.kinds import integer, setting, texts


@dataclass(frozen=True)
class SessionSettings:
    """What only a session pool has."""

    cooldown_seconds: int = setting(
        integer(300, 3600),
        300,
        "For hosting sessions, seconds without a request, {bounds}, after which a user's container is gone.",
        key="sessionCooldownSeconds",
    )
    callers: tuple[str, ...] = setting(
        texts(formats.PRINCIPAL),
        [],
        "For hosting sessions, object ids of those who may call the pool, such as the backend's identity; user: or group: "
        "stands before a person's or a group's.",
        key="sessionCallers",
    )


def pool_name(app_name: str) -> str:
    """Gives the name of an app's session pool, which may have no hyphens. Source: Azure's published type."""
    return app_name.replace("-", "")
