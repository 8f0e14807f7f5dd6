"""A server for these tests only: generated requests of an admin change all kinds of records."""

from collections.abc import Iterator

import pytest

from dev.servers import Mongo, Valkey
from tests.faults.clinic import Clinic
from tests.stack import Stack


@pytest.fixture(scope="session")
def server(mongo: Mongo, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    stack = Stack(
        tmp_path_factory.mktemp("contract"),
        mongodb_uri=mongo.uri("arthomed_contract"),
        redis_url=valkey.url.removesuffix("/0") + "/2",
        parts=("web",),
        demo=False,
    )
    with stack, Clinic(stack) as clinic:
        yield clinic
