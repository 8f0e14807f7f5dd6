"""Files in a bucket of S3, or of a server that speaks its protocol."""

import hashlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from arthomed.files.storage import (
    FileMissing,
    KeyTaken,
    OpenFile,
    StorageUnavailable,
    StoredFile,
    ensure_key,
    ensure_move,
    ensure_prefix,
    ensure_range,
    reaching_disk,
)
from arthomed.infra.storage import Incoming, Reading, digest, is_moved

_ATTEMPTS = 2  # with a pause of a second at most: a server that is away is found out within eleven seconds


@dataclass(frozen=True, slots=True)
class Bucket:
    """Without keys, those of the environment or of the machine's role are taken; without endpoint it is Amazon's.

    The keys need GetObject, PutObject, DeleteObject and ListBucket. A bucket that keeps versions forgets
    nothing: what we delete stays in it.
    """

    name: str
    region: str
    endpoint: str | None = None
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    connect_seconds: float = 2
    read_seconds: float = 5


class S3Storage(Incoming):
    """A file is one PUT, which the server takes whole or not at all; `If-None-Match` keeps it from overwriting."""

    def __init__(self, bucket: Bucket, incoming: Path, *, link_lifetime: timedelta = timedelta(seconds=60)) -> None:
        """Connects to nothing before the first use (fork-safe)."""
        super().__init__(incoming)
        self._bucket = bucket.name
        self._link_seconds = int(link_lifetime.total_seconds())
        self._client = client_of(bucket)

    def close(self) -> None:
        self._client.close()

    def put(self, key: str, path: Path) -> None:
        ensure_key(key)
        try:
            with reaching_disk(), path.open("rb") as content, _reaching(key):
                self._client.put_object(Bucket=self._bucket, Key=key, Body=content, IfNoneMatch="*")
        except KeyTaken:  # perhaps by ourselves: the answer to the first attempt may have been lost
            if self._digest(key) != digest(path):
                raise
        with reaching_disk():
            path.unlink(missing_ok=True)

    def find(self, key: str) -> StoredFile:
        """Ask the list: the answer to a HEAD can't tell a missing bucket from a missing file."""
        ensure_key(key)
        with _reaching(key):
            listed = self._client.list_objects_v2(Bucket=self._bucket, Prefix=key, MaxKeys=1)
        for entry in listed.get("Contents", ()):
            if entry["Key"] == key:
                return _stored(entry)
        raise FileMissing(key)

    def open(self, key: str, start: int = 0, end: int | None = None) -> OpenFile:
        ensure_key(key)
        ensure_range(start, end)
        part = {} if (start, end) == (0, None) else {"Range": f"bytes={start}-{'' if end is None else end - 1}"}
        with _reaching(key):
            answer = self._client.get_object(Bucket=self._bucket, Key=key, **part)
        count = answer["ContentLength"]
        size = int(answer["ContentRange"].rpartition("/")[2]) if part else count  # bytes 5-9/10
        return Reading(answer["Body"], size=size, count=count, reaching=_reaching)

    def delete(self, key: str) -> None:
        ensure_key(key)
        with _reaching(key):
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def move(self, key: str, new_key: str) -> None:
        ensure_move(key, new_key)
        if is_moved(self, key, new_key):
            return
        try:
            self._copy(key, new_key)
        except KeyTaken:
            if self._digest(key) != self._digest(new_key):
                raise
        self.delete(key)

    def keys(self, prefix: str = "", *, older_than: datetime) -> Iterator[StoredFile]:
        ensure_prefix(prefix)
        with _reaching():
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix):
                for entry in page.get("Contents", ()):
                    if entry["LastModified"] < older_than:
                        yield _stored(entry)

    def link(self, key: str, filename: str, mime: str) -> str | None:
        ensure_key(key)
        answered_with = {
            "ResponseContentDisposition": f"attachment; filename*=UTF-8''{quote(filename, safe='')}",  # RFC 6266
            "ResponseContentType": mime,
            "ResponseCacheControl": "private, no-store",
        }
        named = {"Bucket": self._bucket, "Key": key, **answered_with}
        url = self._client.generate_presigned_url("get_object", Params=named, ExpiresIn=self._link_seconds)
        return str(url)

    def accel_path(self, key: str) -> str | None:
        ensure_key(key)
        return None

    def _copy(self, key: str, new_key: str) -> None:
        source = {"Bucket": self._bucket, "Key": key}
        with _reaching(key):
            self._client.copy_object(Bucket=self._bucket, Key=new_key, CopySource=source, IfNoneMatch="*")

    def _digest(self, key: str) -> bytes:
        found = hashlib.sha256()
        with closing(self.open(key)) as content:
            for chunk in content:
                found.update(chunk)
        return found.digest()


def client_of(bucket: Bucket) -> Any:
    return boto3.session.Session().client(
        "s3",
        region_name=bucket.region,
        endpoint_url=bucket.endpoint,
        aws_access_key_id=bucket.access_key,
        aws_secret_access_key=bucket.secret_key,
        config=Config(
            signature_version="s3v4",
            connect_timeout=bucket.connect_seconds,
            read_timeout=bucket.read_seconds,
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            # The server compares each PUT with its signed SHA-256; S3's newer checksums are not known everywhere.
            s3={"payload_signing_enabled": True, "addressing_style": "path" if bucket.endpoint else "auto"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


@contextmanager
def _reaching(key: str = "") -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "NoSuchKey":
            raise FileMissing(key) from error
        if code == "PreconditionFailed":
            raise KeyTaken(key) from error
        if code == "InvalidRange":
            raise ValueError("no byte in this range") from error
        raise StorageUnavailable(f"S3 says {code}") from error
    except (BotoCoreError, HTTPError) as error:
        raise StorageUnavailable(type(error).__name__) from error


def _stored(entry: dict[str, Any]) -> StoredFile:
    return StoredFile(entry["Key"], entry["Size"], entry["LastModified"].astimezone(UTC))
