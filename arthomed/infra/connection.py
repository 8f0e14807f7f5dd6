"""Connections to Redis that each thread has for itself."""

import threading
from collections.abc import Callable
from typing import Any

from redis import Redis
from redis.commands.core import Script
from redis.connection import AbstractConnection
from redis.retry import Retry


class ThreadsOwn:
    """A client for each thread, with a connection of its own; to take one from a pool costs half of what asking does.

    No answer within `seconds` is a failure, which `retry` may try again. `connected` is called with each new
    connection, before it is used.
    """

    def __init__(self, url: str, *, seconds: float, retry: Retry, connected: Callable[[], None] | None = None) -> None:
        self._url = url
        self._how = {"socket_timeout": seconds, "socket_connect_timeout": seconds, "retry": retry}
        self._connected = connected
        self._of_thread = threading.local()

    def __call__(self) -> Redis:
        client: Redis | None = getattr(self._of_thread, "client", None)
        if client is None:
            client = self._of_thread.client = self.another(
                single_connection_client=True, redis_connect_func=self._connect
            )
        return client

    def another(self, **how: Any) -> Redis:
        """One with a pool of connections."""
        return Redis.from_url(self._url, **self._how, **how)

    def _connect(self, connection: AbstractConnection) -> None:
        if self._connected is not None:
            self._connected()
        connection.on_connect()  # type: ignore[no-untyped-call]


def script(lua: bytes) -> Script:
    """A script to be called with `client=`."""
    return Script(Redis(), lua)  # the client is a stand-in, which never connects
