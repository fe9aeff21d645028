"""How many cores a deployment takes at its largest, beside how many the Container Apps environment may hand out."""

from collections.abc import Iterable
from dataclasses import dataclass

DEFAULT_CORE_QUOTA = 100
"""Cores that an environment may hand out before anybody asked for more.

Source: Microsoft's page on quotas for Azure Container Apps as it stood in 2024; the present one says that the number
varies by subscription, so it is a setting.
"""


@dataclass(frozen=True)
class Demand:
    """What one app asks for at most."""

    max_replicas: int
    cpu: float


@dataclass(frozen=True)
class CoreNeed:
    """Cores at full scale.

    Attributes:
        steady: With one revision of each app.
        swap: While a deployment replaces each app's revision under full load: the old one and the new one both run.
    """

    steady: float
    swap: float

    def fits(self, quota: int) -> bool:
        """Tells whether even a swap stays within `quota`."""
        return self.swap <= quota


def cores_needed(demands: Iterable[Demand]) -> CoreNeed:
    """Adds up what all apps of a stack take."""
    steady = sum(demand.max_replicas * demand.cpu for demand in demands)
    return CoreNeed(steady=steady, swap=2 * steady)


def quota_warning(need: CoreNeed, quota: int, group: str, environment: str, location: str) -> str:
    """Says in one message what is missing, how to see what there is, and what to ask for."""
    if need.steady > quota:
        first = (
            f"At full scale this stack takes {need.steady:g} cores, above the coreQuota of {quota}: "
            "Azure stops adding replicas there."
        )
    else:
        first = (
            f"At full scale this stack takes {need.steady:g} of {quota} cores (coreQuota), but {need.swap:g} while a "
            "deployment replaces a revision under full load, which would then wait for cores. Deploy while few replicas "
            "run, or ask for more."
        )
    return (
        f"{first}\n"
        f"See what there is: az containerapp env list-usages --resource-group {group} --name {environment}\n"
        "Ask for more (portal: Quotas, Azure Container Apps; or a support request, 'Service and subscription limits'): "
        f'"Please raise the Consumption core quota of the Container Apps environment {environment} in {location} '
        f'to {need.swap:g} cores."\n'
        "Then set coreQuota to what was granted. Other apps in the environment use the same quota."
    )
