"""Runs flask commands as processes."""

from collections.abc import Mapping
from pathlib import Path

from tests.stack import BIN, Stack


def run_twice_concurrently(folder: Path, environment: Mapping[str, str], *arguments: str) -> list[str]:
    """Run a flask command in two processes at the same time and return their outputs; both must succeed."""
    mongo, redis = environment["MONGODB_URI"], environment["REDIS_URL"]
    stack = Stack(folder, mongodb_uri=mongo, redis_url=redis, env={"LOG_LEVEL": "error"})
    runs = [stack.start(f"{arguments[0]}-{number}", BIN / "flask", *arguments) for number in range(2)]
    codes, outputs = [run.wait() for run in runs], [run.tail(200) for run in runs]
    assert codes == [0, 0], outputs
    return outputs
