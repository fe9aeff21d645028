"""The apps of a stack: what each runs, and how many replicas of what size it has."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from infra.pricing import Size
from infra.settings import formats
from infra.settings.formats import MEMORY_FOR_CPU
from infra.settings.kinds import (
    HOSTINGS,
    choice,
    cores,
    declarations,
    gibibytes,
    integer,
    mapping,
    optional,
    read_group,
    setting,
    text,
)
from infra.settings.reader import ConfigReader

DOCKERFILE = Path(__file__).parents[2] / "runtime" / "Dockerfile"

MAX_REPLICAS = 1000
"""Replicas that one revision can have.

Source: Microsoft's page on scaling in Azure Container Apps.
"""


@dataclass(frozen=True)
class ImageSettings:
    """What is built, or runs instead of a build."""

    name: str = setting(
        text(formats.IMAGE_NAME),
        "executor-image:v1",
        "Repository and tag that a build is pushed under, with twelve digits of its content behind the tag, so that no other "
        "content takes it. The app itself always runs the digest, never the tag.",
        key="imageName",
    )
    prebuilt: str | None = setting(
        optional(formats.IMAGE_DIGEST),
        "",
        "A finished image to run instead of building ./runtime, as registry/repository@sha256:digest; then no Docker is "
        "needed. The output imageDigest of an earlier deployment fits here, which is how one goes back to it. Empty: build.",
        key="image",
    )
    target: str | None = setting(
        optional(formats.IMAGE_TARGET),
        "",
        "Stage of runtime/Dockerfile to build. Empty, its last one.",
        key="imageTarget",
    )
    build_args: Mapping[str, str] = setting(
        mapping(formats.BUILD_ARGUMENT, formats.ANY), {}, "Build arguments of runtime/Dockerfile, such as BASE_IMAGE."
    )
    registry_credentials: str = setting(
        choice("login", "admin"),
        "login",
        "How a build is pushed. login: with what az acr login left on this machine, so that no credential enters the "
        "state. admin: with the registry's admin account, whose password is then in the state, encrypted.",
    )

    @property
    def registry_admin(self) -> bool:
        """Whether a build is pushed with the registry's admin account."""
        return self.registry_credentials == "admin"


@dataclass(frozen=True)
class SizeSettings:
    """How many replicas an app has, and how large each is. A session pool's replicas are its sessions."""

    min_replicas: int = setting(
        integer(0, MAX_REPLICAS),
        5,
        "Replicas that are always there, {bounds}. 0 costs nothing and makes the first request wait.",
        hostings=HOSTINGS,
    )
    max_replicas: int = setting(
        integer(1, MAX_REPLICAS),
        1000,
        "Replicas at most, {bounds}, which is also how many programs can run at the same time.",
        hostings=HOSTINGS,
    )
    cpu: float = setting(
        cores(formats.CPU, tuple(MEMORY_FOR_CPU)),
        "0.5",
        "Cores of one replica, 0.25 to 4 in steps of 0.25. A string, because Pulumi's schema has no fractions.",
    )
    memory: str = setting(
        gibibytes(formats.MEMORY, tuple(MEMORY_FOR_CPU.values())),
        "1.0Gi",
        "Memory of one replica, always 2 GiB for each core, so 1.0Gi for cpu 0.5.",
    )

    @property
    def memory_gib(self) -> float:
        """Memory of one replica in GiB."""
        return float(self.memory.removesuffix("Gi"))


_SIZE_KEYS = tuple(declared.key for declared in declarations(SizeSettings))
_FITTING: Mapping[str, str] = {declared.key: str(declared.default) for declared in declarations(SizeSettings)}


@dataclass(frozen=True, kw_only=True)
class AppSettings(SizeSettings):
    """One app, with an image and a size of its own.

    Attributes:
        key: Tells apart the apps of a stack: the image target, or `default` where there is one app.
        name: In Azure, and first part of the URL.
        image_name: `repository:tag` that a build is pushed under.
        image_target: Stage of the Dockerfile that is built, or None for its last one.
        prebuilt_image: `registry/repository@sha256:...` to run instead of building, or None to build.
    """

    key: str
    name: str
    image_name: str
    image_target: str | None
    prebuilt_image: str | None

    @property
    def priced(self) -> Size:
        """What its cost is estimated from."""
        return Size(self.min_replicas, self.max_replicas, self.cpu, self.memory_gib)


def read_apps(reader: ConfigReader, name: str, image: ImageSettings, size: SizeSettings) -> tuple[AppSettings, ...]:
    """Reads the setting `apps`; where it is empty there is one app, of that name, image and size."""
    default = _app(
        reader, size, key="default", name=name, image_name=image.name, target=image.target, prebuilt=image.prebuilt
    )
    if not reader.given("apps"):
        return (default,)
    for key in ("image", "imageTarget", "customDomain"):
        if reader.given(key):
            reader.refuse(key, "must be empty where apps is set: it can only be one app's")
    # Sizes that are wrong themselves are reported once, where they stand, and not again for every app.
    inherited = {key: reader.raw(key) for key in _SIZE_KEYS} if reader.sound(*_SIZE_KEYS) else _FITTING
    apps: list[AppSettings] = []
    for each in reader.objects("apps", ("imageTarget",), ("appName", "image", *_SIZE_KEYS), inherited):
        key = each.text("imageTarget", formats.IMAGE_TARGET)
        own = each.text("appName", formats.APP_NAME) if each.given("appName") else f"{name}-{key}"
        if not each.given("appName") and reader.sound("appName") and len(own) > 32:
            each.refuse_hidden("appName", f"must be set: {own!r} would be longer than 32 characters")
        prebuilt = each.optional_text("image", formats.IMAGE_DIGEST)
        own_size = read_group(SizeSettings, each)
        apps.append(_app(each, own_size, key=key, name=own, image_name=f"{image.name}-{key}", target=key, prebuilt=prebuilt))
        for field in ("key", "name"):
            if [getattr(app, field) for app in apps].count(getattr(apps[-1], field)) > 1:
                each.refuse_hidden("imageTarget" if field == "key" else "appName", "must differ from the other apps'")
    return tuple(apps) or (default,)


def image_targets() -> tuple[str, ...]:
    """Gives the stages of the Dockerfile that are an executor: those that end as its user. The others are parts of them."""
    stages = re.split(r"^FROM ", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    names = (re.match(r".* AS (\S+)\n(?s:.*)^USER executor$", stage, re.MULTILINE) for stage in stages)
    return tuple(name[1] for name in names if name)


def _app(
    reader: ConfigReader,
    size: SizeSettings,
    *,
    key: str,
    name: str,
    image_name: str,
    target: str | None,
    prebuilt: str | None,
) -> AppSettings:
    # A build would only find out after minutes.
    if target is not None and prebuilt is None and reader.sound("imageTarget") and target not in image_targets():
        reader.refuse("imageTarget", f"must be a stage of runtime/Dockerfile: {', '.join(image_targets())}")
    if reader.sound("minReplicas", "maxReplicas") and size.min_replicas > size.max_replicas:
        reader.refuse("minReplicas", f"must not be above maxReplicas, which is {size.max_replicas}")
    fitting = MEMORY_FOR_CPU[Decimal(size.cpu)]
    if reader.sound("cpu", "memory") and Decimal(size.memory_gib) != fitting:
        reader.refuse("memory", f"must be {fitting:.1f}Gi where cpu is {size.cpu:g} (2 GiB for each core)")
    return AppSettings(**vars(size), key=key, name=name, image_name=image_name, image_target=target, prebuilt_image=prebuilt)
