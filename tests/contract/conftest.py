"""A server for these tests only: generated requests of an admin change all kinds of records."""

from collections.abc import Iterator

import pytest

from dev.servers import Mongo, Valkey
from tests.faults.clinic import Clinic
from tests.stack import stack_with


@pytest.fixture(scope="session")
def server(mongo: Mongo, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    stack = stack_with(mongo, valkey, tmp_path_factory.mktemp("contract"), redis=2, parts=("web",))
    with stack, Clinic(stack) as clinic:
        yield clinic
