"""An empty store of each kind."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from azure.storage.blob import BlobServiceClient

from tests.infra.azurite import ACCOUNT, KEY, azurite
from tests.s3 import s3_server


@pytest.fixture(scope="module")
def blob_service() -> Iterator[str]:
    """A connection string with a container `problems` behind it."""
    with azurite() as connection:
        BlobServiceClient.from_connection_string(connection).create_container("problems")
        yield connection


@pytest.fixture(params=["file", "az", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an empty store of each kind."""
    if request.param == "file":
        yield f"file://{tmp_path}/a store"
    elif request.param == "az":
        connection = request.getfixturevalue("blob_service")
        endpoint = connection.partition("BlobEndpoint=")[2].rstrip(";")
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", KEY)
        yield f"az://{ACCOUNT}/problems/{tmp_path.name}?endpoint={endpoint}"
    else:
        with s3_server(monkeypatch) as place:
            boto3.client("s3", endpoint_url=f"http://{place}", region_name="us-east-1").create_bucket(Bucket="problems")
            yield f"s3://problems/some/{tmp_path.name}?region=us-east-1&endpoint=http://{place}"
