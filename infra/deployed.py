"""What a stack has once it is deployed, as far as its outputs tell."""

from dataclasses import dataclass

import pulumi

from infra.pricing import Size


@dataclass(frozen=True)
class DeployedApp:
    """One app as it was declared.

    Attributes:
        key: As in `AppSettings`.
        name: In Azure or in Docker.
        url: Where the backend sends its requests.
        image: Digest of what runs, or its id where it never left this machine.
        min_replicas: Replicas that are always there, as Azure answers (of a pool: sessions that are kept ready).
        max_replicas: Replicas or sessions at most, likewise.
        host: Host name of the URL, which only a Container App has.
        revision: The revision, likewise.
        size: What its cost is estimated from, likewise.
        store_url: The store that its replicas share, likewise, as `EXECUTOR_STORE` takes it.
    """

    key: str
    name: str
    url: pulumi.Output[str]
    image: pulumi.Output[str]
    min_replicas: pulumi.Input[int]
    max_replicas: pulumi.Input[int]
    host: pulumi.Output[str] | None = None
    revision: pulumi.Output[str] | None = None
    size: Size | None = None
    store_url: pulumi.Output[str] | None = None
