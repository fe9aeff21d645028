"""The place of Pulumi's state, at servers that speak the protocols of S3 and of Azure's blobs."""

import json
import subprocess
import sys
from collections.abc import Iterator

import boto3
import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobServiceClient, PublicAccess
from botocore.exceptions import ClientError

from devtools import stack_files
from infra.state import Check, StateError, bucket_policy, main, parse_location, prepare_azblob, prepare_s3
from tests.infra.azurite import azurite
from tests.s3 import s3_server

BUCKET = "team-state"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The options of a URL that lead to an S3 of the test's own."""
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with s3_server(monkeypatch) as place:
        yield f"region=eu-west-1&endpoint={place}&disableSSL=true&s3ForcePathStyle=true"


def client(options: str) -> "boto3.client":
    endpoint = dict(option.split("=", 1) for option in options.split("&"))["endpoint"]
    return boto3.client("s3", endpoint_url=f"http://{endpoint}", region_name="eu-west-1")


def held(checks: Iterator[Check]) -> dict[str, bool]:
    return {check.what: check.held for check in checks}


def test_a_bucket_is_created_with_everything_that_state_needs(s3: str, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"s3://{BUCKET}-new?{s3}"
    assert main([url]) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines() == [
        "  ok  created in eu-west-1",
        "  ok  closed to the public",
        "  ok  versioned",
        "  ok  encrypted",
        "  ok  locked against deletion, old versions included",
        f"pulumi login '{url}'",
    ]
    bucket = {"Bucket": f"{BUCKET}-new"}
    assert client(s3).get_bucket_versioning(**bucket)["Status"] == "Enabled"
    assert all(client(s3).get_public_access_block(**bucket)["PublicAccessBlockConfiguration"].values())
    denied = json.loads(client(s3).get_bucket_policy(**bucket)["Policy"])["Statement"][0]
    assert (denied["Effect"], denied["Action"]) == ("Deny", ["s3:DeleteBucket", "s3:DeleteObjectVersion"])


def test_a_bucket_that_is_there_is_brought_to_the_same_and_keeps_what_it_had(s3: str) -> None:
    name = f"{BUCKET}-old"
    there = client(s3)
    there.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    there.put_object(Bucket=name, Key="kept", Body=b"state")
    own = {"Sid": "Ours", "Effect": "Deny", "Principal": "*", "Action": "s3:PutBucketAcl", "Resource": f"arn:aws:s3:::{name}"}
    there.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [own]}))
    for _ in range(2):
        found = held(prepare_s3(parse_location(f"s3://{name}?{s3}")))
        assert found.pop("exists")
        assert all(found.values())
    statements = json.loads(there.get_bucket_policy(Bucket=name)["Policy"])["Statement"]
    assert [statement["Sid"] for statement in statements] == ["Ours", "StateIsNotDeleted"]
    assert there.get_object(Bucket=name, Key="kept")["Body"].read() == b"state"


def test_an_older_version_of_the_state_can_be_had_back(s3: str) -> None:
    name = f"{BUCKET}-versions"
    assert all(held(prepare_s3(parse_location(f"s3://{name}?{s3}"))).values())
    there = client(s3)
    first = there.put_object(Bucket=name, Key="stack.json", Body=b"one")["VersionId"]
    there.put_object(Bucket=name, Key="stack.json", Body=b"two")
    there.delete_object(Bucket=name, Key="stack.json")
    with pytest.raises(ClientError):
        there.get_object(Bucket=name, Key="stack.json")
    assert there.get_object(Bucket=name, Key="stack.json", VersionId=first)["Body"].read() == b"one"


def test_a_key_of_the_team_s_own_stays(s3: str) -> None:
    name = f"{BUCKET}-kms"
    there = client(s3)
    there.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "alias/team"}}
    there.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": [rule]})
    assert all(held(prepare_s3(parse_location(f"s3://{name}?{s3}"))).values())
    rules = there.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"


def test_where_the_connection_has_tls_it_is_the_only_way_in_from_then_on() -> None:
    empty = {"Version": "2012-10-17", "Statement": []}
    policy = bucket_policy(bucket_policy(empty, "team-state", tls=True), "team-state", tls=True)
    assert [statement["Sid"] for statement in policy["Statement"]] == ["StateIsNotDeleted", "StateGoesThroughTls"]
    refused = policy["Statement"][1]
    assert (refused["Effect"], refused["Action"]) == ("Deny", "s3:*")
    assert refused["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


@pytest.fixture(scope="module")
def blobs() -> Iterator[str]:
    """The connection string of an Azure Storage of the tests' own."""
    with azurite() as connection:
        yield connection


@pytest.fixture
def storage(blobs: str, monkeypatch: pytest.MonkeyPatch) -> BlobServiceClient:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", blobs)
    return BlobServiceClient.from_connection_string(blobs)


def test_a_container_is_created_and_what_only_the_account_can_have_is_asked_for(
    storage: BlobServiceClient, capsys: pytest.CaptureFixture[str]
) -> None:
    # The emulator knows no versions, as an account does that was left at its defaults.
    assert main(["azblob://team-state?storage_account=devstoreaccount1"]) == 1
    printed = capsys.readouterr().out
    assert printed.splitlines() == [
        "  ok  created",
        "  ok  closed to the public",
        "  ok  encrypted",
        "  NO  versioned",
        "      az storage account blob-service-properties update --account-name devstoreaccount1 --enable-versioning true",
        "  ok  deleted blobs are kept for 30 days",
        "  ok  locked against deletion by a lease without end",
    ]
    container = storage.get_container_client("team-state")
    assert list(container.list_blobs()) == []
    with pytest.raises(HttpResponseError, match="lease"):
        container.delete_container()


def test_a_container_that_the_public_could_read_is_closed_and_keeps_its_blobs(storage: BlobServiceClient) -> None:
    container = storage.create_container("open-state", public_access=PublicAccess.CONTAINER)
    container.upload_blob("stack.json", b"state")
    for _ in range(2):
        found = held(prepare_azblob(parse_location("azblob://open-state")))
        assert found.pop("exists")
        assert [what for what, so in found.items() if not so] == ["versioned"]
    assert container.get_container_access_policy()["public_access"] is None
    assert container.download_blob("stack.json").readall() == b"state"
    # Pulumi goes on writing and deleting under the lease.
    container.upload_blob("stack.json", b"more", overwrite=True)
    container.delete_blob("stack.json")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("gs://bucket", "must be s3://BUCKET or azblob://CONTAINER"),
        ("bucket", "must be s3://BUCKET"),
        ("s3://bucket/folder", "must be s3://BUCKET"),
        ("s3://Team", "must be 3 to 63 small letters"),
        ("s3://", "must be 3 to 63 small letters"),
        ("azblob://team--state", "single hyphens"),
    ],
)
def test_a_place_where_no_state_can_be_is_refused(url: str, message: str) -> None:
    with pytest.raises(StateError, match=message):
        parse_location(url)


def test_a_mistake_on_the_command_line_is_said_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "AZURE_STORAGE_ACCOUNT",
        "AZURE_STORAGE_CONNECTION_STRING",
        "AZURE_STORAGE_KEY",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
    ):
        monkeypatch.delenv(name, raising=False)
    for arguments in ([], ["gs://bucket"], ["azblob://team-state"], ["s3://team-state"]):
        assert main(arguments) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["usage", "state", "state", "state"]
    assert "storage_account=NAME" in lines[2]
    assert "region=NAME" in lines[3]


def test_a_missing_package_is_said_with_what_installs_it() -> None:
    command = [
        sys.executable,
        "-I",
        "-S",
        "-c",
        f"import sys; sys.path.insert(0, {str(stack_files.ROOT)!r}); import infra.state",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "state: the package boto3 is not there: pip install -r infra/requirements-state.txt\n"


def test_a_server_that_cannot_be_reached_is_said_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    assert main(["s3://team-state?region=eu-west-1&endpoint=127.0.0.1:1&disableSSL=true"]) == 2
    assert capsys.readouterr().err.startswith("state: Could not connect to the endpoint URL")
