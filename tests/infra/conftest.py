"""The same shelf of files in a folder and in a bucket."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from arthomed.infra.s3 import Bucket, S3Storage, client_of
from arthomed.infra.storage import LocalStorage
from dev.seaweedfs import SeaweedFS
from tests.infra.shelf import Shelf


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
    """An empty one."""
    for entry in _s3_client.list_objects_v2(Bucket=seaweed.bucket.name).get("Contents", ()):
        _s3_client.delete_object(Bucket=seaweed.bucket.name, Key=entry["Key"])
    return seaweed.bucket


@pytest.fixture
def folder(tmp_path: Path) -> Shelf:
    root = tmp_path / "uploads"
    storage = LocalStorage(root)
    storage.prepare()
    return Shelf(storage, (str(root),))


@pytest.fixture
def s3(bucket: Bucket, _s3: S3Storage) -> Shelf:
    for left in _s3.incoming().iterdir():
        left.unlink()
    keys = (bucket.endpoint or "", bucket.access_key or "", bucket.secret_key or "")
    return Shelf(_s3, (str(_s3.incoming()), bucket.name, bucket.region, *keys))


@pytest.fixture(params=["folder", "s3"])
def shelf(request: pytest.FixtureRequest) -> Shelf:
    """What holds for one storage holds for the other."""
    found: Shelf = request.getfixturevalue(request.param)
    return found
