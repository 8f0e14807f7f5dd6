"""A storage in a folder and one in a bucket, which must pass the same tests."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from arthomed.config_services import Bucket
from arthomed.infra.s3 import S3Storage, client_of
from arthomed.infra.storage import LocalStorage
from dev.seaweedfs import SeaweedFS
from tests.infra.storage_driver import StorageDriver


@pytest.fixture(scope="session")
def _s3_client(seaweed: SeaweedFS) -> Iterator[Any]:
    with closing(client_of(seaweed.bucket)) as client:
        yield client


@pytest.fixture(scope="session")
def _s3(seaweed: SeaweedFS, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Storage]:
    with closing(S3Storage(seaweed.bucket, tmp_path_factory.mktemp("incoming"))) as storage:
        yield storage


@pytest.fixture
def bucket(seaweed: SeaweedFS, _s3_client: Any) -> Bucket:
    """An empty bucket."""
    for entry in _s3_client.list_objects_v2(Bucket=seaweed.bucket.name).get("Contents", ()):
        _s3_client.delete_object(Bucket=seaweed.bucket.name, Key=entry["Key"])
    return seaweed.bucket


@pytest.fixture
def folder(tmp_path: Path) -> StorageDriver:
    root = tmp_path / "uploads"
    storage = LocalStorage(root)
    storage.prepare()
    return StorageDriver(storage, (str(root),))


@pytest.fixture
def s3(bucket: Bucket, _s3: S3Storage) -> StorageDriver:
    for leftover in _s3.incoming().iterdir():
        leftover.unlink()
    keys = (bucket.endpoint or "", bucket.access_key or "", bucket.secret_key or "")
    return StorageDriver(_s3, (str(_s3.incoming()), bucket.name, bucket.region, *keys))


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.long)])
def driver(request: pytest.FixtureRequest) -> StorageDriver:
    """A storage of either type."""
    found: StorageDriver = request.getfixturevalue(request.param)
    return found
