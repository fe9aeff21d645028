"""Logs in to Azure as azure-native does: by its own ARM_* variables, or as whoever `az login` left on this machine."""

import json
import os
import urllib.request
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential


def credential(environment: Mapping[str, str] = os.environ) -> "TokenCredential":
    """Gives what hands out tokens.

    Source of the variables: Pulumi's page on azure-native's installation and configuration.
    """
    # Half a second, which only those pay who talk to Azure themselves.
    from azure.identity import (  # noqa: PLC0415
        AzureCliCredential,
        ClientAssertionCredential,
        ClientSecretCredential,
        ManagedIdentityCredential,
    )

    client, tenant = environment.get("ARM_CLIENT_ID"), environment.get("ARM_TENANT_ID")
    if environment.get("ARM_USE_MSI", "").lower() == "true":
        return ManagedIdentityCredential(client_id=client)
    if client and tenant and environment.get("ARM_CLIENT_SECRET"):
        return ClientSecretCredential(tenant, client, environment["ARM_CLIENT_SECRET"])
    if client and tenant and environment.get("ARM_USE_OIDC", "").lower() == "true":
        return ClientAssertionCredential(tenant, client, partial(pipeline_token, environment))
    return AzureCliCredential(tenant_id=tenant or "")


def pipeline_token(environment: Mapping[str, str]) -> str:
    """Gives the pipeline's own token, which Azure trades for one of its: as it is given, or from the pipeline's service."""
    if token := environment.get("ARM_OIDC_TOKEN"):
        return token
    url = environment.get("ARM_OIDC_REQUEST_URL") or environment["ACTIONS_ID_TOKEN_REQUEST_URL"]
    bearer = environment.get("ARM_OIDC_REQUEST_TOKEN") or environment["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]
    request = urllib.request.Request(  # noqa: S310 - the pipeline's own address
        f"{url}&audience=api%3A%2F%2FAzureADTokenExchange", headers={"Authorization": f"Bearer {bearer}"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - likewise
        return str(json.load(answer)["value"])
