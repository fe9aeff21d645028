"""The store that replicas share: account, container, and an identity whose tokens the server alone gets."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import managedidentity, storage

from infra.granted_identity import granted_identity
from infra.settings import SharedResource, StoreSettings

CONTRIBUTOR_ROLE = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
"""The built-in role Storage Blob Data Contributor. Source: Microsoft's list of Azure built-in roles."""

RESULT_PREFIXES = ("named/accepted/", "named/claims/", "named/replicas/", "named/results/", "named/sweeps/")
"""Where the executor keeps accepted work and its results, which it also deletes itself (`runtime/store/pending.py`)."""


@dataclass(frozen=True)
class StoreArgs:
    """What is looked up or created.

    Attributes:
        location: Region of whatever is created.
        tags: Tags of whatever is created.
        resource_group_id: Group that it is created in.
        resource_group_name: Likewise.
        account: The storage account.
        settings: The container, lifetimes, and the identity.
        identity_name: Name of the identity that is created, where none is given.
    """

    location: str
    tags: Mapping[str, str]
    resource_group_id: pulumi.Input[str]
    resource_group_name: pulumi.Input[str]
    account: SharedResource
    settings: StoreSettings
    identity_name: str


class Store(pulumi.ComponentResource):
    """A container for blobs, and who may read and write it.

    Attributes:
        url: As `EXECUTOR_STORE` takes it.
        identity_id: Resource id of the identity that may.
        role: The role assignment, on which an app depends, or None where the identity had it before.
    """

    url: pulumi.Output[str]
    identity_id: pulumi.Output[str]
    role: pulumi.Resource | None

    def __init__(self, name: str, args: StoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Looks up or declares everything."""
        super().__init__("code-executor:infra:Store", name, None, opts)
        self._name = name
        self._args = args
        container_id = self._created() if args.account.create else self._looked_up()
        self.identity_id, client_id, self.role = self._identity(container_id)
        container = args.settings.container_name
        self.url = pulumi.Output.concat("az://", args.account.name, "/", container, "?client_id=", client_id)
        self.register_outputs({"url": self.url, "identityId": self.identity_id})

    def _looked_up(self) -> pulumi.Output[str]:
        settings = self._args.settings
        found: pulumi.Output[str] = storage.get_blob_container_output(
            account_name=self._args.account.name,
            container_name=settings.container_name,
            resource_group_name=settings.group_name or self._args.resource_group_name,
            opts=pulumi.InvokeOutputOptions(parent=self),
        ).id
        return found

    def _created(self) -> pulumi.Output[str]:
        args = self._args
        # Others' work lies in it: it is neither deleted with the stack nor by a slip in a setting.
        kept = pulumi.ResourceOptions(parent=self, protect=True, retain_on_delete=True)
        account = storage.StorageAccount(
            f"{self._name}-account",
            account_name=args.account.name,
            resource_group_name=args.resource_group_name,
            location=args.location,
            kind=storage.Kind.STORAGE_V2,
            sku=storage.SkuArgs(name=storage.SkuName.STANDARD_LRS),
            access_tier=storage.AccessTier.HOT,
            allow_blob_public_access=False,
            # Without keys nobody can be in who has no role, whatever a key's copy was left in.
            allow_shared_key_access=False,
            default_to_o_auth_authentication=True,
            allow_cross_tenant_replication=False,
            enable_https_traffic_only=True,
            minimum_tls_version=storage.MinimumTlsVersion.TLS1_2,
            is_local_user_enabled=False,
            is_sftp_enabled=False,
            tags=args.tags,
            opts=kept,
        )
        container = storage.BlobContainer(
            f"{self._name}-container",
            account_name=account.name,
            container_name=args.settings.container_name,
            resource_group_name=args.resource_group_name,
            public_access=storage.PublicAccess.NONE,
            opts=kept,
        )
        storage.ManagementPolicy(
            f"{self._name}-lifetimes",
            account_name=account.name,
            # Azure knows no other name.
            management_policy_name="default",
            resource_group_name=args.resource_group_name,
            policy=storage.ManagementPolicySchemaArgs(rules=[_results_go(args.settings)]),
            opts=pulumi.ResourceOptions(parent=self),
        )
        container_id: pulumi.Output[str] = container.id
        return container_id

    def _identity(
        self, container_id: pulumi.Output[str]
    ) -> tuple[pulumi.Output[str], pulumi.Output[str], pulumi.Resource | None]:
        args = self._args
        if args.settings.identity_id is not None:
            parts = args.settings.identity_id.split("/")
            found = managedidentity.get_user_assigned_identity_output(
                resource_group_name=parts[4], resource_name=parts[-1], opts=pulumi.InvokeOutputOptions(parent=self)
            )
            return pulumi.Output.from_input(args.settings.identity_id), found.client_id, None
        granted = granted_identity(
            self,
            self._name,
            identity_name=args.identity_name,
            resource_group_name=args.resource_group_name,
            resource_group_id=args.resource_group_id,
            location=args.location,
            tags=args.tags,
            scope=container_id,
            role=CONTRIBUTOR_ROLE,
        )
        return granted.identity.id, granted.identity.client_id, granted.role


def _results_go(settings: StoreSettings) -> storage.ManagementPolicyRuleArgs:
    return storage.ManagementPolicyRuleArgs(
        name="results-of-accepted-work",
        type=storage.RuleType.LIFECYCLE,
        enabled=True,
        definition=storage.ManagementPolicyDefinitionArgs(
            filters=storage.ManagementPolicyFilterArgs(
                blob_types=["blockBlob"],
                prefix_match=[f"{settings.container_name}/{prefix}" for prefix in RESULT_PREFIXES],
            ),
            actions=storage.ManagementPolicyActionArgs(
                base_blob=storage.ManagementPolicyBaseBlobArgs(
                    delete=storage.DateAfterModificationArgs(days_after_modification_greater_than=settings.result_days)
                )
            ),
        ),
    )
