"""The servers that tests and `make run` start are ready for whoever waited for them."""

from pathlib import Path

from redis import Redis

from dev.servers import Valkey

_KEYS = 20_000  # it looks after its callers every 1,024 of them
_SLOW = ["--key-load-delay", "50"]  # microseconds for each


def test_a_valkey_that_is_started_anew_has_read_its_data(tmp_path: Path) -> None:
    with Valkey(tmp_path / "valkey", tmp_path, extra_args=_SLOW) as valkey, Redis.from_url(valkey.url) as redis:
        with redis.pipeline(transaction=False) as writing:
            for number in range(_KEYS):
                writing.set(f"key:{number}", number)
            writing.execute()
        valkey.stop()
        valkey.restart()

        assert redis.dbsize() == _KEYS
