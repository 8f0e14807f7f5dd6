"""Kombu's Redis transport with a fix for a crash when Redis becomes unavailable during a task."""

from kombu.transport import TRANSPORT_ALIASES, redis
from redis.exceptions import ConnectionError as BrokerUnavailable


class Channel(redis.Channel):
    """Raises a connection error when the channel is closed.

    If Redis becomes unavailable while a task runs, Celery closes the connection twice, and acknowledges the task after
    that. kombu 5.7.0 then reads an attribute of a connection that is None. The AttributeError ends the worker, while a
    connection error makes it reconnect.
    """

    def _connparams(self, *args: object, **kwargs: object) -> object:
        if self.connection is None or self.connection.client is None:
            raise BrokerUnavailable("the connection to the broker was closed")
        return super()._connparams(*args, **kwargs)  # type: ignore[no-untyped-call]


class Transport(redis.Transport):
    """Kombu's Redis transport with the fixed channel."""

    Channel = Channel


def install() -> None:
    """Use this transport for redis:// and rediss:// URLs."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:Transport"
