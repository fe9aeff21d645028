"""What the executor is made of wherever it runs in Azure: its container, its place, and the identity that pulls its image."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import app

from infra.settings import AppSettings

PORT = 8000
"""Where the image listens by its own default."""

API_KEYS_SECRET = "api-keys"  # noqa: S105 - the name of a secret, not its value
API_KEYS_VARIABLE = "EXECUTOR_API_KEYS"


@dataclass(frozen=True)
class ExecutorArgs:
    """What an app and a session pool are both made of.

    Attributes:
        location: Region of the environment.
        tags: Tags of the app or the pool.
        resource_group_name: Group that it is created in.
        environment_id: Container Apps environment that it runs in.
        registry_server: Registry that `pull_identity_id` may pull from.
        pull_identity_id: User-assigned identity that pulls the image.
        pull_role: Role assignment that has to exist before the first pull, or None where it does already.
        image: Image by digest.
        size: Name, replicas (of a pool: sessions that are kept ready, and at the same time), cores and memory.
        api_keys: As in `AccessSettings`.
        api_keys_vault_url: Likewise.
        environment_variables: The executor's own settings and others.
        protect: Whether no deployment may delete or replace it.
    """

    location: pulumi.Input[str]
    tags: Mapping[str, str]
    resource_group_name: pulumi.Input[str]
    environment_id: pulumi.Input[str]
    registry_server: pulumi.Input[str]
    pull_identity_id: pulumi.Input[str]
    pull_role: pulumi.Resource | None
    image: pulumi.Input[str]
    size: AppSettings
    api_keys: str | None
    api_keys_vault_url: str | None
    environment_variables: Mapping[str, str]
    protect: bool


def variables(args: ExecutorArgs) -> list[app.EnvironmentVarArgs]:
    """Gives a container its environment; the API keys come from the secret `API_KEYS_SECRET`."""
    listed = [app.EnvironmentVarArgs(name=name, value=value) for name, value in sorted(args.environment_variables.items())]
    if args.api_keys is not None or args.api_keys_vault_url is not None:
        listed.append(app.EnvironmentVarArgs(name=API_KEYS_VARIABLE, secret_ref=API_KEYS_SECRET))
    if args.api_keys is not None:
        # A changed secret alone makes no new revision, and running replicas keep the old one (Microsoft's page on
        # secrets). The keys are hashes already, so a hash of all of them gives nothing away.
        listed.append(
            app.EnvironmentVarArgs(name="API_KEYS_DIGEST", value=hashlib.sha256(args.api_keys.encode()).hexdigest()[:12])
        )
    return listed
