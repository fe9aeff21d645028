"""The executor's image, known by its digest: built here and pushed to the registry, or built elsewhere and named."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pulumi
import pulumi_docker as docker

from infra.foundation import RegistryLogin

BUILD_CONTEXT = "./runtime"
"""Folder that is built, seen from the project's folder, where Pulumi runs the program."""


LONGEST_PUSH = "60m"
"""After this a build and its push are given up. Compilers and all, a build takes a quarter of an hour on a slow machine."""


@dataclass(frozen=True)
class ExecutorImageArgs:
    """Where a build goes, or what stands in for it.

    Attributes:
        registry_server: Host name of the registry that a build is pushed to, or None to leave it on this machine.
        image_name: `repository:tag` that it is pushed under, with the content's own digits behind it.
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
            tag = content_tag(Path(BUILD_CONTEXT), args)
            tagged = pulumi.Output.concat(args.registry_server, "/", args.image_name, "-", tag)
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
            opts=pulumi.ResourceOptions(
                parent=self,
                # A push that hangs after a cached build was reported (pulumi-docker#1789).
                custom_timeouts=pulumi.CustomTimeouts(create=LONGEST_PUSH, update=LONGEST_PUSH),
            ),
        )


def content_tag(context: Path, args: ExecutorImageArgs) -> str:
    """Gives twelve hexadecimal digits that are the same for the same files and build arguments, and for no others.

    Apps run a digest, and a registry's retention policy purges manifests that have lost their last tag. With a tag for each
    content none does, while another content is pushed.
    """
    found = hashlib.sha256(json.dumps([args.target, sorted(args.build_args.items())]).encode())
    for path in sorted(context.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            found.update(f"\0{path.relative_to(context)}\0".encode())
            found.update(path.read_bytes())
    return found.hexdigest()[:12]


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
