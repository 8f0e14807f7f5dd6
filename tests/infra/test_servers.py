"""A server of `make run` and the tests is ready when its constructor or restart() returns."""

from pathlib import Path

import pytest
from redis import Redis

from dev.servers import Valkey

_KEYS = 20_000  # while loading, Valkey serves clients after every 1,024 keys
_SLOW_LOADING = ["--key-load-delay", "50"]  # microseconds for each key


@pytest.mark.long
def test_a_restarted_valkey_has_loaded_all_its_data(tmp_path: Path) -> None:
    with Valkey(tmp_path / "valkey", tmp_path, extra_args=_SLOW_LOADING) as valkey, Redis.from_url(valkey.url) as redis:
        with redis.pipeline(transaction=False) as writing:
            for number in range(_KEYS):
                writing.set(f"key:{number}", number)
            writing.execute()
        valkey.stop()
        valkey.restart()

        assert redis.dbsize() == _KEYS
