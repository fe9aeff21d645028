"""Creates or checks the place where a team keeps Pulumi's state: `python -m infra.state s3://bucket` or `azblob://container`.

Every property is set where that is possible and then looked at, so that running it again is a check.
"""

import json
import os
import re
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

try:
    import boto3
    from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError
    from azure.identity import DefaultAzureCredential
    from azure.storage.blob import BlobLeaseClient, BlobServiceClient, ContainerClient, RetentionPolicy
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError
except ModuleNotFoundError as missing:
    sys.exit(f"state: the package {missing.name} is not there: pip install -r infra/requirements-state.txt")

RETENTION_DAYS = 30
"""Days for which a deleted blob can be had back."""


class StateError(Exception):
    """The place cannot be used; the message says what to do."""


@dataclass(frozen=True)
class Location:
    """A URL as `pulumi login` takes it.

    Attributes:
        url: The URL as it was given.
        scheme: `s3` or `azblob`.
        name: The bucket or the container.
        options: What stands behind the question mark.
    """

    url: str
    scheme: str
    name: str
    options: dict[str, str]


@dataclass(frozen=True)
class Check:
    """One property of the place.

    Attributes:
        what: The property, in words.
        held: Whether it is so.
        remedy: What makes it so, where this program could not.
    """

    what: str
    held: bool
    remedy: str = ""


def parse_location(url: str) -> Location:
    """Takes a URL apart.

    Raises:
        StateError: It is none that state can be kept at.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"s3", "azblob"} or parts.path.strip("/"):
        msg = f"{url!r} must be s3://BUCKET or azblob://CONTAINER, with options behind a question mark as in pulumi login"
        raise StateError(msg)
    rules = {
        "s3": (r"(?!xn--)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "3 to 63 small letters, digits, dots and hyphens"),
        "azblob": (r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", "3 to 63 small letters, digits and single hyphens"),
    }
    pattern, expected = rules[parts.scheme]
    if not re.fullmatch(pattern, parts.netloc):
        msg = f"{parts.netloc!r} must be {expected}"
        raise StateError(msg)
    options = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    return Location(url, parts.scheme, parts.netloc, options)


def prepare_s3(location: Location) -> Iterator[Check]:
    """Creates the bucket if there is none, and gives each property as it then is."""
    endpoint = location.options.get("endpoint")
    if endpoint and "://" not in endpoint:
        # The first name is of Pulumi's older releases, which the present ones still take.
        plain = any(location.options.get(name) == "true" for name in ("disableSSL", "disable_https"))
        endpoint = f"{'http' if plain else 'https'}://{endpoint}"
    region = location.options.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if not region:
        msg = f"name the region: {location.url}?region=NAME, or AWS_REGION"
        raise StateError(msg)
    session = boto3.Session(profile_name=location.options.get("profile"), region_name=region)
    client = session.client(
        "s3", endpoint_url=endpoint, config=Config(s3={"addressing_style": "path" if endpoint else "auto"})
    )
    bucket = {"Bucket": location.name}
    yield Check(_create_bucket(client, location.name), held=True)

    client.put_public_access_block(
        **bucket,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
    )
    blocked = client.get_public_access_block(**bucket)["PublicAccessBlockConfiguration"]
    yield Check("closed to the public", held=all(blocked.values()))

    client.put_bucket_versioning(**bucket, VersioningConfiguration={"Status": "Enabled"})
    yield Check("versioned", held=client.get_bucket_versioning(**bucket).get("Status") == "Enabled")

    yield Check("encrypted", held=_encrypted(client, location.name))

    # Over a connection without TLS, as to a test server, the rule about TLS would lock out whoever sets it.
    tls = client.meta.endpoint_url.startswith("https:")
    client.put_bucket_policy(
        **bucket, Policy=json.dumps(bucket_policy(_policy_of(client, location.name), location.name, tls=tls))
    )
    statements = json.loads(client.get_bucket_policy(**bucket)["Policy"])["Statement"]
    names = {statement.get("Sid") for statement in statements}
    yield Check("locked against deletion, old versions included", held=_NO_DELETION in names)
    if tls:
        yield Check("reached through TLS only", held=_TLS_ONLY in names)


_NO_DELETION, _TLS_ONLY = "StateIsNotDeleted", "StateGoesThroughTls"


def _create_bucket(client: "boto3.client", name: str) -> str:
    try:
        client.head_bucket(Bucket=name)
    except ClientError as error:
        code = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if code == 403:
            msg = f"the bucket {name} exists and is not yours: bucket names are unique in all of AWS, take another"
            raise StateError(msg) from error
        if code != 404:
            raise
        region = client.meta.region_name
        # The first region must not be named, all others must.
        extra = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        client.create_bucket(Bucket=name, **extra)
        return f"created in {region}"
    return "exists"


def _encrypted(client: "boto3.client", name: str) -> bool:
    try:
        rules = client.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ServerSideEncryptionConfigurationNotFoundError":
            raise
        rules = []
    if not rules:  # one that is there may name a key of the team's own, and stays
        default = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
        client.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": [default]})
        rules = client.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    return bool(rules)


def _policy_of(client: "boto3.client", name: str) -> dict[str, Any]:
    try:
        policy: dict[str, Any] = json.loads(client.get_bucket_policy(Bucket=name)["Policy"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucketPolicy":
            raise
        return {"Version": "2012-10-17", "Statement": []}
    return policy


def bucket_policy(standing: Mapping[str, Any], name: str, *, tls: bool) -> dict[str, Any]:
    """Gives the policy that stands, with this program's own statements in their present form."""
    others = [each for each in standing["Statement"] if each.get("Sid") not in {_NO_DELETION, _TLS_ONLY}]
    everything = {"Effect": "Deny", "Principal": "*", "Resource": [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"]}
    # Pulumi deletes objects, which only hides them in a versioned bucket; nobody deletes versions.
    own: list[dict[str, Any]] = [{"Sid": _NO_DELETION, **everything, "Action": ["s3:DeleteBucket", "s3:DeleteObjectVersion"]}]
    if tls:
        plain = {"Bool": {"aws:SecureTransport": "false"}}
        own.append({"Sid": _TLS_ONLY, **everything, "Action": "s3:*", "Condition": plain})
    return {**standing, "Statement": [*others, *own]}


def prepare_azblob(location: Location) -> Iterator[Check]:
    """Creates the container if there is none, and gives each property as it then is.

    Versioning belongs to the storage account, and only Azure's management interface switches it on: here it is tried out,
    and the command that switches it on is given where it is off.
    """
    service, account = _blob_service(location)
    container = service.get_container_client(location.name)
    try:
        container.create_container()
        yield Check("created", held=True)
    except ResourceExistsError:
        yield Check("exists", held=True)

    access = container.get_container_access_policy().get("public_access")
    if access is not None:
        container.set_container_access_policy(signed_identifiers={}, public_access=None)
        access = container.get_container_access_policy().get("public_access")
    yield Check("closed to the public", held=access is None)

    encrypted, versioned = _try_out(container)
    yield Check("encrypted", held=encrypted)
    yield Check(
        "versioned",
        held=versioned,
        remedy=f"az storage account blob-service-properties update --account-name {account} --enable-versioning true",
    )
    policy = service.get_service_properties()["delete_retention_policy"]
    if not policy.enabled:
        service.set_service_properties(delete_retention_policy=RetentionPolicy(enabled=True, days=RETENTION_DAYS))
        policy = service.get_service_properties()["delete_retention_policy"]
    yield Check(f"deleted blobs are kept for {policy.days} days", held=policy.enabled)
    yield Check("locked against deletion by a lease without end", held=_leased(container))


def _blob_service(location: Location) -> tuple[BlobServiceClient, str]:
    account = location.options.get("storage_account") or os.environ.get("AZURE_STORAGE_ACCOUNT", "")
    if connection := os.environ.get("AZURE_STORAGE_CONNECTION_STRING"):
        service = BlobServiceClient.from_connection_string(connection)
        return service, service.account_name or account
    if not account:
        msg = f"name the storage account: {location.url}?storage_account=NAME, or AZURE_STORAGE_ACCOUNT"
        raise StateError(msg)
    domain = location.options.get("domain", "blob.core.windows.net")
    key = os.environ.get("AZURE_STORAGE_KEY")
    credential = {"account_name": account, "account_key": key} if key else DefaultAzureCredential()
    return BlobServiceClient(f"https://{account}.{domain}", credential=credential), account


def _try_out(container: ContainerClient) -> tuple[bool, bool]:
    """Writes a blob, tells whether it is encrypted at rest and has a version, and removes it."""
    blob = container.get_blob_client(f"state-check-{uuid.uuid4()}")
    written = blob.upload_blob(b"a check of infra/state.py")
    encrypted = bool(blob.get_blob_properties().server_encrypted)
    blob.delete_blob()
    return encrypted, bool(written.get("version_id"))


def _leased(container: ContainerClient) -> bool:
    lease = container.get_container_properties().lease
    if lease.state != "leased":
        # A lease on a container stops nothing but its deletion. Who means to delete it breaks the lease first:
        # az storage container lease break
        BlobLeaseClient(container).acquire(lease_duration=-1)
        lease = container.get_container_properties().lease
    return bool(lease.state == "leased" and lease.duration == "infinite")


_PREPARE: dict[str, Callable[[Location], Iterator[Check]]] = {"s3": prepare_s3, "azblob": prepare_azblob}


def main(arguments: Sequence[str]) -> int:
    """Runs the command: 0 where everything holds, 1 where something does not, 2 where nothing could be done."""
    if len(arguments) != 1:
        print(
            "usage: python -m infra.state s3://BUCKET[?region=REGION] | azblob://CONTAINER?storage_account=NAME",
            file=sys.stderr,
        )
        return 2
    held = True
    try:
        location = parse_location(arguments[0])
        for check in _PREPARE[location.scheme](location):
            print(f"  {'ok' if check.held else 'NO'}  {check.what}")
            if not check.held:
                held = False
                if check.remedy:
                    print(f"      {check.remedy}")
    except (StateError, BotoCoreError, ClientError, AzureError) as error:
        text = error.message if isinstance(error, HttpResponseError) else str(error)
        print(f"state: {text.splitlines()[0]}", file=sys.stderr)
        return 2
    if held:
        print(f"pulumi login '{location.url}'")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
