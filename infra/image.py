"""The executor's image, known by its digest: built here and pushed to the registry, or built elsewhere and named."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
import pulumi_docker as docker

from infra.foundation import RegistryLogin

BUILD_CONTEXT = "./runtime"
"""Folder that is built, seen from the project's folder, where Pulumi runs the program."""


@dataclass(frozen=True)
class ExecutorImageArgs:
    """Where a build goes, or what stands in for it.

    Attributes:
        registry_server: Host name of the registry that a build is pushed to, or None to leave it on this machine.
        image_name: `repository:tag` that it is pushed under.
        prebuilt: `registry/repository@sha256:...` that makes a build unnecessary.
        target: Stage of the Dockerfile, or None for its last one.
        build_args: Build arguments.
        login: The registry's admin account, or None to push with what `az acr login` left.
    """

    registry_server: pulumi.Input[str] | None
    image_name: str
    prebuilt: str | None
    target: str | None = None
    build_args: Mapping[str, str] = field(default_factory=dict)
    login: RegistryLogin | None = None


class ExecutorImage(pulumi.ComponentResource):
    """The image that replicas run.

    Attributes:
        digest: `registry/repository@sha256:...`, or the image's id where nothing is pushed. A tag could name another
            image tomorrow, and an unchanged tag does not make Azure deploy (pulumi-docker#726).
    """

    digest: pulumi.Output[str]

    def __init__(self, name: str, args: ExecutorImageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declares the build, unless there is a prebuilt image: then no Docker engine is asked for."""
        super().__init__("code-executor:infra:ExecutorImage", name, None, opts)
        if args.prebuilt is not None:
            self.digest = pulumi.Output.from_input(args.prebuilt)
        elif args.registry_server is None:
            built = self._build(name, args, args.image_name, None)
            self.digest = built.repo_digest
        else:
            tagged = pulumi.Output.concat(args.registry_server, "/", args.image_name)
            login = args.login
            registry = docker.RegistryArgs(
                server=args.registry_server,
                # Without them the push uses what `az acr login` left, and none of it enters Pulumi's state.
                username=None if login is None else login.username,
                password=None if login is None else login.password,
            )
            self.digest = self._build(name, args, tagged, registry).repo_digest.apply(require_digest)
        self.register_outputs({"digest": self.digest})

    def _build(
        self, name: str, args: ExecutorImageArgs, tagged: pulumi.Input[str], registry: docker.RegistryArgs | None
    ) -> docker.Image:
        return docker.Image(
            f"{name}-build",
            image_name=tagged,
            build=docker.DockerBuildArgs(
                context=BUILD_CONTEXT,
                dockerfile=f"{BUILD_CONTEXT}/Dockerfile",
                target=args.target,
                # Azure Container Apps runs nothing else, and the default is the builder's own architecture.
                platform="linux/amd64",
                builder_version=docker.BuilderVersion.BUILDER_BUILD_KIT,
                # The pushed image carries its cache, so that a build on a fresh machine starts from the last one.
                # No REVISION for its label: each commit would be another digest, and so another revision of the app.
                args={"BUILDKIT_INLINE_CACHE": "1", **args.build_args},
                cache_from=None if registry is None else docker.CacheFromArgs(images=[tagged]),
            ),
            registry=registry,
            skip_push=registry is None,
            opts=pulumi.ResourceOptions(parent=self),
        )


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
