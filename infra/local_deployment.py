"""Puts image and container together on this machine, without any Azure account."""

from infra.deployed import DeployedApp
from infra.image import ExecutorImage, ExecutorImageArgs
from infra.local_container import LocalContainer, LocalContainerArgs
from infra.settings import Settings


def deploy_locally(settings: Settings, tags: dict[str, str]) -> DeployedApp:
    """Declares the image, which stays on this machine, and its only container."""
    (size,) = settings.apps
    image = ExecutorImage(
        "image",
        ExecutorImageArgs(
            registry_server=None,
            image_name=size.image_name,
            prebuilt=size.prebuilt_image,
            target=size.image_target,
            build_args=settings.image.build_args,
        ),
    )
    container = LocalContainer(
        "executor",
        LocalContainerArgs(
            image=image.digest,
            size=size,
            port=settings.local_port,
            labels=tags,
            api_keys=settings.access.api_keys,
            environment_variables=settings.environment_variables,
        ),
    )
    return DeployedApp(size.key, size.name, container.url, image.digest, min_replicas=1, max_replicas=1)
