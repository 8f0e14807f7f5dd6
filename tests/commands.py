"""Flask commands as processes of their own."""

from collections.abc import Mapping
from pathlib import Path

from tests.stack import BIN, Stack


def twice_at_once(folder: Path, environment: Mapping[str, str], *arguments: str) -> list[str]:
    """What a flask command says when two processes run it at the same time; both must end well."""
    mongo, redis = environment["MONGODB_URI"], environment["REDIS_URL"]
    stack = Stack(folder, mongodb_uri=mongo, redis_url=redis, env={"LOG_LEVEL": "error"})
    runs = [stack.start(f"{arguments[0]}-{number}", BIN / "flask", *arguments) for number in range(2)]
    codes, told = [run.wait() for run in runs], [run.tail(200) for run in runs]
    assert codes == [0, 0], told
    return told
