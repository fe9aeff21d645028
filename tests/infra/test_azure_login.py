"""Which login is taken, by azure-native's own variables."""

import json

import pytest
from azure.identity import (
    AzureCliCredential,
    ClientAssertionCredential,
    ClientSecretCredential,
    ManagedIdentityCredential,
)

from devtools.local_http import Handler, serving
from infra.azure_login import credential, pipeline_token

CLIENT = {"ARM_CLIENT_ID": "11111111-2222-3333-4444-555555555555", "ARM_TENANT_ID": "22222222-3333-4444-5555-666666666666"}


@pytest.mark.parametrize(
    ("variables", "kind"),
    [
        ({}, AzureCliCredential),
        ({"ARM_TENANT_ID": CLIENT["ARM_TENANT_ID"]}, AzureCliCredential),
        (CLIENT, AzureCliCredential),
        ({**CLIENT, "ARM_CLIENT_SECRET": "a secret"}, ClientSecretCredential),
        ({**CLIENT, "ARM_USE_OIDC": "true"}, ClientAssertionCredential),
        ({**CLIENT, "ARM_USE_OIDC": "true", "ARM_CLIENT_SECRET": "a secret"}, ClientSecretCredential),
        ({"ARM_USE_MSI": "true"}, ManagedIdentityCredential),
    ],
)
def test_the_login_is_the_one_that_the_variables_ask_for(variables: dict[str, str], kind: type) -> None:
    assert type(credential(variables)) is kind


def test_a_pipeline_s_token_is_the_one_that_is_given_or_the_one_that_its_service_hands_out() -> None:
    asked: list[tuple[str, str | None]] = []

    class Service(Handler):
        def respond(self) -> None:
            asked.append((self.path, self.headers["Authorization"]))
            self.answer(200, json.dumps({"value": "a token of the pipeline's"}).encode())

    assert pipeline_token({"ARM_OIDC_TOKEN": "given"}) == "given"
    with serving(Service) as port:
        url = f"http://127.0.0.1:{port}/token?api-version=2"
        github = {"ACTIONS_ID_TOKEN_REQUEST_URL": url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "one"}
        assert pipeline_token(github) == "a token of the pipeline's"
        own = {"ARM_OIDC_REQUEST_URL": url, "ARM_OIDC_REQUEST_TOKEN": "two"}
        assert pipeline_token({**github, **own}) == "a token of the pipeline's"
    path = "/token?api-version=2&audience=api%3A%2F%2FAzureADTokenExchange"
    assert asked == [(path, "Bearer one"), (path, "Bearer two")]
