"""Who reaches the executor, and under which name."""

from dataclasses import dataclass

from infra.settings import formats
from infra.settings.kinds import choice, networks, optional, secret_pairs, setting, texts
from infra.settings.reader import ConfigReader


@dataclass(frozen=True)
class AccessSettings:
    """Who reaches the executor, and under which name."""

    ingress: str = setting(
        choice("external", "internal"),
        "external",
        "external or internal. internal is reached from within the environment only.",
        hostings=("app",),
    )
    allowed_ips: tuple[str, ...] = setting(
        networks(formats.IP_RANGE),
        [],
        "IPv4 addresses or ranges, such as 203.0.113.0/24, that may call. Empty, all may.",
        hostings=("app",),
    )
    cors_origins: tuple[str, ...] = setting(
        texts(formats.ORIGIN),
        [],
        "Origins of web pages whose scripts may call, such as https://ta.example.org. Empty, none.",
        hostings=("app",),
    )
    custom_domain: str | None = setting(
        optional(formats.HOST),
        "",
        "A host name of yours for the app. Without certificateId it is added, and Azure's own name stays the URL.",
        hostings=("app",),
    )
    certificate_id: str | None = setting(
        optional(formats.CERTIFICATE_ID),
        "",
        "Resource id of the environment's certificate for customDomain, which then becomes the URL. managed: Azure issues "
        "one, at the deployment after the one that adds the name.",
        hostings=("app",),
    )
    api_keys: str | None = setting(
        secret_pairs(formats.API_KEYS),
        "",
        "The keys that callers need, as name:sha256 of each, separated by commas. Set it with --secret. Empty, no key is "
        "asked for.",
    )

    api_keys_vault_url: str | None = setting(
        optional(formats.VAULT_SECRET),
        "",
        "Address of a key vault's secret that holds what apiKeys would, in its place. The identity that pulls needs the role "
        "Key Vault Secrets User on it.",
        hostings=("app",),
    )

    @property
    def asks_for_keys(self) -> bool:
        """Whether callers need a key."""
        return self.api_keys is not None or self.api_keys_vault_url is not None

    @property
    def external(self) -> bool:
        """Whether callers outside the environment reach it."""
        return self.ingress == "external"


def check_keys_are_encrypted(reader: ConfigReader, access: AccessSettings, secret_keys: frozenset[str]) -> None:
    """Notes API keys that are not among the settings that the stack keeps encrypted."""
    if access.api_keys and reader.sound("apiKeys") and "apiKeys" not in secret_keys:
        reader.refuse_hidden("apiKeys", "must be kept encrypted: set it with `pulumi config set --secret apiKeys ...`")


def check_access(reader: ConfigReader, access: AccessSettings) -> None:
    """Notes a certificate that is for no name, and keys in two places."""
    if access.certificate_id and not access.custom_domain:
        reader.refuse("certificateId", "must be empty without customDomain")
    if access.api_keys and access.api_keys_vault_url:
        reader.refuse("apiKeysVaultUrl", "must be empty where apiKeys is set: the keys are in one place")


def check_public(reader: ConfigReader, access: AccessSettings, *, production: bool, warnings: list[str]) -> None:
    """Notes or warns that an app which the internet reaches asks nobody for a key."""
    if not access.external or access.asks_for_keys or access.allowed_ips or not reader.sound("apiKeys", "allowedIps"):
        return
    if production:
        reader.refuse_hidden(
            "apiKeys", "must be set, or allowedIps, where production is true: everybody on the internet could run programs"
        )
        return
    warnings.append(
        "Everybody on the internet can run programs at this stack's expense: set apiKeys (with --secret) or "
        "allowedIps. With production: true this is refused."
    )
