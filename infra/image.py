"""The executor's image, known by its digest: built here and pushed to the registry, or built elsewhere and named."""

from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

BUILD_CONTEXT = "./runtime"
"""Folder that is built, seen from the project's folder, where Pulumi runs the program."""


@dataclass(frozen=True)
class ExecutorImageArgs:
    """Where a build goes, or what stands in for it.

    Attributes:
        registry_server: Host name of the registry that a build is pushed to.
        image_name: `repository:tag` that it is pushed under.
        prebuilt: `registry/repository@sha256:...` that makes a build unnecessary.
    """

    registry_server: pulumi.Input[str]
    image_name: str
    prebuilt: str | None


class ExecutorImage(pulumi.ComponentResource):
    """The image that replicas run.

    Attributes:
        digest: `registry/repository@sha256:...`. A tag could name another image tomorrow, and an unchanged tag does
            not make Azure deploy (pulumi-docker#726).
    """

    digest: pulumi.Output[str]

    def __init__(self, name: str, args: ExecutorImageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declares the build, unless there is a prebuilt image: then no Docker engine is asked for."""
        super().__init__("code-executor:infra:ExecutorImage", name, None, opts)
        if args.prebuilt is not None:
            self.digest = pulumi.Output.from_input(args.prebuilt)
        else:
            tagged = pulumi.Output.concat(args.registry_server, "/", args.image_name)
            built = docker.Image(
                f"{name}-build",
                image_name=tagged,
                build=docker.DockerBuildArgs(
                    context=BUILD_CONTEXT,
                    dockerfile=f"{BUILD_CONTEXT}/Dockerfile",
                    # Azure Container Apps runs nothing else, and the default is the builder's own architecture.
                    platform="linux/amd64",
                    builder_version=docker.BuilderVersion.BUILDER_BUILD_KIT,
                    # The pushed image carries its cache, so that a build on a fresh machine starts from the last one.
                    args={"BUILDKIT_INLINE_CACHE": "1"},
                    cache_from=docker.CacheFromArgs(images=[tagged]),
                ),
                # No user and password: the push uses what `az acr login` left, and none of it enters Pulumi's state.
                registry=docker.RegistryArgs(server=args.registry_server),
                opts=pulumi.ResourceOptions(parent=self),
            )
            self.digest = built.repo_digest.apply(require_digest)
        self.register_outputs({"digest": self.digest})


def require_digest(reference: str) -> str:
    """Passes a digest reference through.

    pulumi-docker answers with a local image id where nothing was pushed, which Azure would only refuse after minutes.

    Raises:
        pulumi.RunError: `reference` is not `repository@sha256:...`.
    """
    if "@sha256:" not in reference:
        msg = f"the pushed image has no digest: pulumi-docker answered {reference!r} instead of repository@sha256:..."
        raise pulumi.RunError(msg)
    return reference
