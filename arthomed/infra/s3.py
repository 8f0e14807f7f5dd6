"""File storage in a bucket of Amazon S3 or a compatible server."""

import hashlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from arthomed.config_services import Bucket
from arthomed.core.downloads import content_disposition
from arthomed.files.storage import (
    FileMissing,
    KeyTaken,
    OpenFile,
    StorageUnavailable,
    StoredFile,
    ensure_key,
    ensure_move,
    ensure_prefix,
    translate_disk_errors,
)
from arthomed.infra.storage import ChunkedFile, IncomingFolder, digest, is_moved

_MAX_ATTEMPTS = 2  # with a backoff of at most a second: an unreachable server fails within eleven seconds


class S3Storage(IncomingFolder):
    """Stores a file with one PUT request, which is atomic; `If-None-Match` prevents overwriting."""

    def __init__(self, bucket: Bucket, incoming: Path, *, url_lifetime: timedelta = timedelta(seconds=60)) -> None:
        """Opens no connection before the first request, so the process may fork after it."""
        super().__init__(incoming)
        self._bucket = bucket.name
        self._url_seconds = int(url_lifetime.total_seconds())
        self._client = client_of(bucket)

    def close(self) -> None:
        self._client.close()

    def put(self, key: str, path: Path) -> None:
        ensure_key(key)
        try:
            with translate_disk_errors(), path.open("rb") as content, _translate_s3_errors(key):
                self._client.put_object(Bucket=self._bucket, Key=key, Body=content, IfNoneMatch="*")
        except KeyTaken:  # perhaps by our first attempt, whose response was lost
            if self._digest(key) != digest(path):
                raise
        with translate_disk_errors():
            path.unlink(missing_ok=True)

    def stat(self, key: str) -> StoredFile:
        """Use a list request: the response to HEAD does not distinguish a missing bucket from a missing file."""
        ensure_key(key)
        with _translate_s3_errors(key):
            listed = self._client.list_objects_v2(Bucket=self._bucket, Prefix=key, MaxKeys=1)
        for entry in listed.get("Contents", ()):
            if entry["Key"] == key:
                return _stored(entry)
        raise FileMissing(key)

    def open(self, key: str, start: int = 0) -> OpenFile:
        ensure_key(key)
        if start < 0:
            raise ValueError(f"no byte {start}")
        byte_range = {"Range": f"bytes={start}-"} if start else {}
        with _translate_s3_errors(key):
            response = self._client.get_object(Bucket=self._bucket, Key=key, **byte_range)
        length = response["ContentLength"]
        return ChunkedFile(response["Body"], length=length, translate_errors=_translate_s3_errors)

    def delete(self, key: str) -> None:
        ensure_key(key)
        with _translate_s3_errors(key):
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

    def list_files(self, prefix: str = "", *, older_than: datetime) -> Iterator[StoredFile]:
        ensure_prefix(prefix)
        with _translate_s3_errors():
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix):
                for entry in page.get("Contents", ()):
                    if entry["LastModified"] < older_than:
                        yield _stored(entry)

    def download_url(self, key: str, filename: str, mime: str) -> str | None:
        ensure_key(key)
        response_headers = {
            "ResponseContentDisposition": content_disposition(filename),
            "ResponseContentType": mime,
            "ResponseCacheControl": "private, no-store",
        }
        parameters = {"Bucket": self._bucket, "Key": key, **response_headers}
        url = self._client.generate_presigned_url("get_object", Params=parameters, ExpiresIn=self._url_seconds)
        return str(url)

    def accel_path(self, key: str) -> str | None:
        ensure_key(key)
        return None

    def ownership_problems(self) -> Iterator[str]:
        return iter(())

    def _copy(self, key: str, new_key: str) -> None:
        source = {"Bucket": self._bucket, "Key": key}
        with _translate_s3_errors(key):
            self._client.copy_object(Bucket=self._bucket, Key=new_key, CopySource=source, IfNoneMatch="*")

    def _digest(self, key: str) -> bytes:
        sha256 = hashlib.sha256()
        with closing(self.open(key)) as content:
            for chunk in content:
                sha256.update(chunk)
        return sha256.digest()


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
            retries={"mode": "standard", "total_max_attempts": _MAX_ATTEMPTS},
            # The server checks each PUT against its signed SHA-256; not every server supports S3's newer checksums.
            s3={"payload_signing_enabled": True, "addressing_style": "path" if bucket.endpoint else "auto"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


@contextmanager
def _translate_s3_errors(key: str = "") -> Iterator[None]:
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
        raise StorageUnavailable(f"S3 error {code}") from error
    except (BotoCoreError, HTTPError) as error:
        raise StorageUnavailable(type(error).__name__) from error


def _stored(entry: dict[str, Any]) -> StoredFile:
    return StoredFile(entry["Key"], entry["Size"], entry["LastModified"].astimezone(UTC), entry["ETag"].strip('"'))
