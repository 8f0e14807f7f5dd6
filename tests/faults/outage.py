"""Servers that are out of reach for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

from dev.servers import Server
from tests.stack import asleep

HOW = ["stopped", "silent"]


@contextmanager
def away(server: Server, how: str) -> Iterator[None]:
    """A server that refuses connections, or takes them and says nothing; afterwards it is back on its port."""
    if how == "silent":
        with asleep(server.pid):
            yield
        return
    server.stop()
    try:
        yield
    finally:
        server.restart()
