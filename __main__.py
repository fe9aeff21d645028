"""The Pulumi program: settings in, components composed, outputs exported."""

import pulumi

from infra.executor_app import ExecutorApp, ExecutorAppArgs
from infra.foundation import Foundation, FoundationArgs
from infra.image import ExecutorImage, ExecutorImageArgs
from infra.settings import read_settings

settings = read_settings()

foundation = Foundation(
    "foundation",
    FoundationArgs(
        location=settings.location,
        resource_group_name=settings.resource_group_name,
        registry_name=settings.registry_name,
        environment_name=settings.environment_name,
        identity_name=f"{settings.app_name}-pull",
    ),
)

image = ExecutorImage(
    "image",
    ExecutorImageArgs(
        registry_server=foundation.registry_server,
        image_name=settings.image_name,
        prebuilt=settings.prebuilt_image,
    ),
)

executor = ExecutorApp(
    "executor",
    ExecutorAppArgs(
        app_name=settings.app_name,
        location=settings.location,
        resource_group_name=foundation.resource_group_name,
        environment_id=foundation.environment_id,
        environment_domain=foundation.environment_domain,
        registry_server=foundation.registry_server,
        pull_identity_id=foundation.pull_identity_id,
        pull_role=foundation.pull_role,
        image=image.digest,
        cpu=settings.cpu,
        memory=settings.memory,
        min_replicas=settings.min_replicas,
        max_replicas=settings.max_replicas,
    ),
)

pulumi.export("executorUrl", executor.url)
pulumi.export("appName", executor.app_name)
pulumi.export("imageDigest", image.digest)
pulumi.export("minReplicas", settings.min_replicas)
pulumi.export("maxReplicas", settings.max_replicas)
