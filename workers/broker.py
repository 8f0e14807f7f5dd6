"""The broker's transport: kombu's for Redis, with one hole closed."""

from kombu.transport import TRANSPORT_ALIASES, redis
from redis.exceptions import ConnectionError as BrokerAway


class Channel(redis.Channel):
    """Says what a closed channel is.

    When Redis goes away while a task runs, Celery closes the connection twice, and the task's acknowledgement
    comes later still. kombu (5.7.0) then looks for the address of a connection that is None, and the
    AttributeError ends the worker, where a connection error makes it connect again.
    """

    def _connparams(self, *args: object, **kwargs: object) -> object:
        if self.connection is None or self.connection.client is None:
            raise BrokerAway("the connection to the broker was closed")
        return super()._connparams(*args, **kwargs)  # type: ignore[no-untyped-call]


class Transport(redis.Transport):
    """kombu's, with the channel above."""

    Channel = Channel


def install() -> None:
    """Make this the transport of the usual URLs."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:Transport"
