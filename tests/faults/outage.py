"""Outages of a server."""

from collections.abc import Iterator
from contextlib import contextmanager

from dev.servers import Server
from tests.stack import asleep

OUTAGES = ["stopped", "silent"]


@contextmanager
def outage(server: Server, kind: str) -> Iterator[None]:
    """Make a server refuse connections ("stopped"), or accept them without a response ("silent"); then restore it."""
    if kind == "silent":
        with asleep(server.pid):
            yield
        return
    server.stop()
    try:
        yield
    finally:
        server.restart()
