"""The executor's image in this machine's Docker, as confined as Azure would have it."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from infra.executor import API_KEYS_VARIABLE, PORT
from infra.settings import AppSettings


@dataclass(frozen=True)
class LocalContainerArgs:
    """Everything that the container is made of.

    Attributes:
        image: The image by its id or digest.
        size: Name, cores and memory. A container is one replica, whatever the numbers of replicas say.
        port: Port on this machine.
        labels: Labels of the container.
        api_keys: As in `AccessSettings`.
        environment_variables: The executor's own settings and others.
    """

    image: pulumi.Input[str]
    size: AppSettings
    port: int
    labels: Mapping[str, str]
    api_keys: str | None
    environment_variables: Mapping[str, str]


class LocalContainer(pulumi.ComponentResource):
    """The executor as a container.

    Attributes:
        url: Where it answers.
    """

    url: pulumi.Output[str]

    def __init__(self, name: str, args: LocalContainerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declares the container, which is up when it is healthy."""
        super().__init__("code-executor:infra:LocalContainer", name, None, opts)
        mebibytes = round(args.size.memory_gib * 1024)
        environment: list[pulumi.Input[str]] = [f"{key}={value}" for key, value in sorted(args.environment_variables.items())]
        if args.api_keys is not None:
            environment.append(pulumi.Output.secret(f"{API_KEYS_VARIABLE}={args.api_keys}"))
        container = docker.Container(
            f"{name}-container",
            name=args.size.name,
            image=args.image,
            envs=environment,
            # Only programs on this machine reach it.
            ports=[docker.ContainerPortArgs(internal=PORT, external=args.port, ip="127.0.0.1")],
            # What Azure Container Apps grants is nothing. It has no flag for a container's number of processes in
            # pulumi-docker 5.2, which is `docker run --pids-limit`; the executor counts a run's processes itself.
            capabilities=docker.ContainerCapabilitiesArgs(drops=["ALL"]),
            security_opts=["no-new-privileges"],
            cpus=f"{args.size.cpu:g}",
            memory=mebibytes,
            # Memory and swap together: none of the latter, as in Azure.
            memory_swap=mebibytes,
            restart="unless-stopped",
            labels=[docker.ContainerLabelArgs(label=key, value=value) for key, value in sorted(args.labels.items())],
            wait=True,
            wait_timeout=60,
            # The name and the port are taken until the old one is gone.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        self.url = container.name.apply(lambda _: f"http://localhost:{args.port}")
        self.register_outputs({"url": self.url})
