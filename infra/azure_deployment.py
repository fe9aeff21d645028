"""Puts the components of a stack in Azure together: apps or session pools, and everything that they need."""

from typing import TYPE_CHECKING

import pulumi

from infra.certificate import certificate_of
from infra.deployed import DeployedApp
from infra.executor import ExecutorArgs
from infra.executor_app import ExecutorApp, ExecutorAppArgs
from infra.foundation import Foundation, FoundationArgs
from infra.guardrails import Guardrails, GuardrailsArgs, WatchedApp
from infra.image import ExecutorImage, ExecutorImageArgs
from infra.live_apps import LiveApp, own_apps
from infra.session_pool import SessionPool, SessionPoolArgs
from infra.settings import AppSettings, Settings
from infra.settings.telemetry import PROTOCOL_VARIABLE

if TYPE_CHECKING:
    from infra.store import Store


def deploy_to_azure(settings: Settings, tags: dict[str, str]) -> tuple[DeployedApp, ...]:
    """Declares what the apps stand on, each app or pool with its image, and the guardrails."""
    live: dict[str, LiveApp] = {}
    if settings.hosting == "app":
        names = {size.name: f"{_named('executor', size)}-app" for size in settings.apps}
        live = own_apps(settings.foundation.resource_group_name, names)
    foundation = Foundation(
        "foundation",
        FoundationArgs(
            location=settings.location,
            tags=tags,
            settings=settings.foundation,
            identity_name=f"{settings.app_name}-pull",
            registry_admin=settings.image.registry_admin,
            needs_profiles=settings.hosting == "sessions",
            telemetry=settings.telemetry,
        ),
    )
    store = _store(settings, foundation, tags)
    deployed: list[DeployedApp] = []
    watched: list[WatchedApp] = []
    for size in settings.apps:
        image = _image(settings, size, foundation)
        args = _executor_args(settings, size, foundation, image, tags)
        if settings.hosting == "sessions":
            pool = SessionPool(_named("executor", size), SessionPoolArgs(args, settings.sessions))
            deployed.append(DeployedApp(size.key, size.name, pool.url, image.digest, pool.min_sessions, pool.max_sessions))
        else:
            executor = _executor_app(settings, args, foundation, store, live.get(size.name))
            deployed.append(
                DeployedApp(
                    size.key,
                    size.name,
                    executor.url,
                    image.digest,
                    executor.min_replicas,
                    executor.max_replicas,
                    executor.host,
                    executor.revision,
                    size.priced,
                    None if store is None else store.url,
                )
            )
            watched.append(WatchedApp(executor.id, size))
    if settings.guardrails.emails:
        Guardrails(
            "guardrails",
            GuardrailsArgs(
                name=settings.app_name,
                tags=tags,
                resource_group_id=foundation.resource_group_id,
                resource_group_name=foundation.resource_group_name,
                apps=tuple(watched),
                workspace=foundation.workspace,
                settings=settings.guardrails,
            ),
        )
    if watched and foundation.workspace is not None:
        from infra.workbook import Workbook, WorkbookArgs  # noqa: PLC0415 - as in `_store`

        Workbook(
            "workbook",
            WorkbookArgs(
                name=settings.app_name,
                location=foundation.workspace.location,
                tags=tags,
                resource_group_id=foundation.resource_group_id,
                resource_group_name=foundation.resource_group_name,
                workspace_id=foundation.workspace.id,
                apps=tuple(watched),
            ),
        )
    return tuple(deployed)


def _named(base: str, size: AppSettings) -> str:
    # A stack's only app has the plain name, so that setting `apps` is no reason to replace what is there already.
    return base if size.key == "default" else f"{base}-{size.key}"


def _image(settings: Settings, size: AppSettings, foundation: Foundation) -> ExecutorImage:
    return ExecutorImage(
        _named("image", size),
        ExecutorImageArgs(
            registry_server=foundation.registry_server,
            image_name=size.image_name,
            prebuilt=size.prebuilt_image,
            target=size.image_target,
            build_args=settings.image.build_args,
            login=foundation.registry_login,
        ),
    )


def _executor_args(
    settings: Settings, size: AppSettings, foundation: Foundation, image: ExecutorImage, tags: dict[str, str]
) -> ExecutorArgs:
    return ExecutorArgs(
        location=foundation.environment_location,
        tags=tags,
        resource_group_name=foundation.resource_group_name,
        environment_id=foundation.environment_id,
        registry_server=foundation.registry_server,
        pull_identity_id=foundation.pull_identity_id,
        pull_role=foundation.pull_role,
        image=image.digest,
        size=size,
        api_keys=settings.access.api_keys,
        api_keys_vault_url=settings.access.api_keys_vault_url,
        # Azure gives a container the agent's address; the agent takes gRPC alone.
        environment_variables={
            **({PROTOCOL_VARIABLE: "grpc"} if settings.telemetry.agent else {}),
            **settings.environment_variables,
        },
        protect=settings.protect_app,
    )


def _store(settings: Settings, foundation: Foundation, tags: dict[str, str]) -> "Store | None":
    account = settings.store.account
    if account is None:
        return None
    from infra.store import Store, StoreArgs  # noqa: PLC0415 - azure-native's part for storage takes a quarter of a second

    return Store(
        "store",
        StoreArgs(
            location=settings.location,
            tags=tags,
            resource_group_id=foundation.resource_group_id,
            resource_group_name=foundation.resource_group_name,
            account=account,
            settings=settings.store,
            identity_name=f"{settings.app_name}-store",
        ),
    )


def _executor_app(
    settings: Settings, args: ExecutorArgs, foundation: Foundation, store: "Store | None", live: LiveApp | None
) -> ExecutorApp:
    profile = settings.foundation.workload_profile
    return ExecutorApp(
        _named("executor", args.size),
        ExecutorAppArgs(
            executor=args,
            environment_domain=foundation.environment_domain,
            workload_profile=None if profile is None else profile.name,
            scaling=settings.scaling,
            access=settings.access,
            revisions=settings.revisions,
            attempt=_attempt(live),
            certificate_id=certificate_of(_named("executor", args.size), settings, args, live),
            domains=() if live is None else live.domains,
            lock=settings.lock_app,
            store=store,
            # An agent takes what the container sends to the address that Azure itself sets there.
            connection_string=None if settings.telemetry.agent else foundation.connection_string,
        ),
    )


def _attempt(live: LiveApp | None) -> int:
    """Gives the number of a failed app's next attempt, and of any other app the last one's.

    A refresh takes what failed for what is there: without a difference nothing would be tried again.
    """
    if live is None:
        return 0
    if not live.failed:
        return live.attempt
    pulumi.log.warn(
        f"The last change of {live.name} failed in Azure, so it is tried again as a new revision. Why it failed: "
        f"az containerapp logs show --name {live.name} --resource-group {live.id.split('/')[4]} --type system"
    )
    return live.attempt + 1
