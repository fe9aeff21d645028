"""The certificate of an app's own host name: one that is there, or one that Azure issues and renews without cost.

Azure issues one only for a host name that an app of the environment has already, so that takes two deployments: the first
adds the name, the next asks for the certificate and binds it. Source: Microsoft's page on custom domain names and free
managed certificates in Azure Container Apps.
"""

import pulumi
from pulumi_azure_native import app

from infra.executor import ExecutorArgs
from infra.live_apps import LiveApp
from infra.settings import Settings

MANAGED = "managed"
"""The value of `certificateId` that asks Azure for one."""


def certificate_of(name: str, settings: Settings, args: ExecutorArgs, live: LiveApp | None) -> pulumi.Input[str] | None:
    """Gives the certificate's id, or None where there is none yet; `live` is the app as it is in Azure."""
    wanted, host = settings.access.certificate_id, settings.access.custom_domain
    if wanted != MANAGED or host is None:
        return wanted
    if live is None or host not in {str(domain["name"]) for domain in live.domains}:
        pulumi.log.warn(
            f"customDomain is {host}, and Azure issues its certificate only once the app has that name: point its CNAME "
            "record at the app, its TXT record asuid at the environment's verification id, and `pulumi up` again."
        )
        return None
    foundation = settings.foundation
    made = app.ManagedCertificate(
        f"{name}-certificate",
        managed_certificate_name=host.replace(".", "-"),
        environment_name=foundation.environment.name,
        resource_group_name=foundation.environment_group_name or args.resource_group_name,
        location=args.location,
        properties=app.ManagedCertificatePropertiesArgs(
            subject_name=host, domain_control_validation=app.ManagedCertificateDomainControlValidation.CNAME
        ),
        tags=args.tags,
    )
    return made.id
