"""Where problem packages and results lie: a container in an account of Azure's blob storage."""

from collections.abc import Mapping
from dataclasses import dataclass

from infra.settings import formats
from infra.settings.foundation import FoundationSettings, SharedResource
from infra.settings.kinds import choice, integer, optional, setting, text
from infra.settings.reader import ConfigReader

STORE_VARIABLE = "EXECUTOR_STORE"
RESULT_SECONDS_VARIABLE = "EXECUTOR_ACCEPTED_SECONDS"
_DAY_SECONDS = 86_400


@dataclass(frozen=True)
class StoreSettings:
    """The store that all replicas share."""

    mode: str = setting(
        choice("none", "existing", "create"),
        "none",
        "none, existing or create, for the storage account that all replicas share (EXECUTOR_STORE). Without one, each "
        "replica has problem packages and results to itself.",
        key="store",
        hostings=("app",),
    )
    account_name: str | None = setting(
        optional(formats.STORAGE_NAME),
        "",
        "Name of that account, which is unique in all of Azure. Needed where store is not none.",
        key="storeAccountName",
        hostings=("app",),
    )
    group_name: str | None = setting(
        optional(formats.GROUP_NAME),
        "",
        "Resource group of an account that exists, where it is another one than resourceGroupName.",
        key="storeGroupName",
        hostings=("app",),
    )
    container_name: str = setting(
        text(formats.STORAGE_CONTAINER),
        "executor",
        "Container in that account, created with it or existing likewise.",
        key="storeContainerName",
        hostings=("app",),
    )
    result_days: int = setting(
        integer(1, 3650),
        7,
        "Days, {bounds}, after which an account that is created deletes the results of accepted work. Problem packages and "
        "uploaded files stay.",
        key="storeResultDays",
        hostings=("app",),
    )
    identity_id: str | None = setting(
        optional(formats.STORE_IDENTITY_ID),
        "",
        "Resource id of a user-assigned identity that may read and write the container already, for those who may not assign "
        "roles. Empty, one is created and given Storage Blob Data Contributor on the container.",
        key="storeIdentityId",
        hostings=("app",),
    )

    @property
    def account(self) -> SharedResource | None:
        """The account, or None for no store."""
        if self.mode == "none" or self.account_name is None:
            return None
        return SharedResource(self.account_name, self.mode == "create")


def check_store(
    reader: ConfigReader, settings: StoreSettings, foundation: FoundationSettings, variables: Mapping[str, str]
) -> None:
    """Notes a store without a name, one that cannot be looked up, and one in two places."""
    if not reader.sound("store"):
        return
    if settings.mode == "none":
        for key in ("storeAccountName", "storeIdentityId"):
            if reader.given(key):
                reader.refuse(key, "must be empty where store is none")
        return
    if settings.account_name is None:
        reader.refuse("storeAccountName", formats.STORAGE_NAME.expected)
    if settings.mode == "create" and settings.group_name is not None:
        reader.refuse("storeGroupName", "must be empty where store is create: it is made in resourceGroupName")
    if settings.mode == "existing" and settings.group_name is None and foundation.resource_group.create:
        reader.refuse("store", "must be create where resourceGroup is create, unless storeGroupName names another group")
    if settings.identity_id is not None and settings.identity_id == foundation.pull_identity_id:
        reader.refuse("storeIdentityId", "must differ from pullIdentityId, of which the container gets no token")
    if STORE_VARIABLE in variables:
        reader.refuse_hidden(
            f"environmentVariables.{STORE_VARIABLE}", f"must not be set where store is {settings.mode}, which sets it"
        )
    kept = variables.get(RESULT_SECONDS_VARIABLE, "")
    if settings.mode == "create" and kept.isdecimal() and int(kept) > settings.result_days * _DAY_SECONDS:
        reader.refuse(
            "storeResultDays", f"must not be below {RESULT_SECONDS_VARIABLE}, which is {int(kept) / _DAY_SECONDS:g} days"
        )
