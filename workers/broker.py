"""Kombu's Redis transport, which delivers well-formed entries only and survives what else kombu does not expect."""

from queue import Empty

import structlog
from kombu.exceptions import ContentDisallowed, DecodeError
from kombu.transport import TRANSPORT_ALIASES, redis
from redis import Connection, Redis
from redis.client import PubSub
from redis.exceptions import ConnectionError as BrokerUnavailable

from arthomed.infra.queue import QUEUES
from workers import malformed

log = structlog.get_logger()

_CONTROL_QUEUES = ("celery.pidbox", "reply.celery.pidbox")
_CONTROL_ERRORS = (
    *(AttributeError, LookupError, RecursionError, TypeError, ValueError, ContentDisallowed, DecodeError),
    Empty,  # kombu has skipped what is not JSON, and would leave the messages behind it unread
)


class Client(Redis):
    """The Redis client of a channel. It removes malformed entries from what it takes off the queues of jobs."""

    def parse_response(self, connection: Connection, command_name: str, **options: object) -> object:
        """Return a response; for a malformed entry the one of an empty queue."""
        response = super().parse_response(connection, command_name, **options)  # type: ignore[no-untyped-call]
        if command_name != "BRPOP" or not response:
            return response
        key, raw = response
        queue = key.decode().partition(Channel.sep)[0]
        if queue not in QUEUES:  # replies of the remote control
            return response
        entry = malformed.accept(raw, queue)
        return (key, entry) if entry else None


class QoS(redis.QoS):
    """Returns the entries of killed workers to their queues, but no malformed ones."""

    def restore_by_tag(self, tag: bytes | str, client: Redis | None = None, leftmost: bool = False) -> None:  # noqa: FBT001, FBT002
        """Return an entry to its queue. A malformed one would end the restoration of all others."""
        with self.channel.conn_or_acquire(client) as found:
            raw = found.hget(self.unacked_key, tag)
        if raw is None or malformed.accept_unacked(raw):
            super().restore_by_tag(tag, client, leftmost)  # type: ignore[no-untyped-call]
        else:
            self._remove_from_indices(tag).execute()  # type: ignore[no-untyped-call]


class Channel(redis.Channel):
    """Kombu's channel with the classes above.

    If Redis becomes unavailable while a task runs, Celery closes the connection twice, and acknowledges the task after
    that. kombu 5.7.0 then reads an attribute of a connection that is None. The AttributeError ends the worker, while a
    connection error makes it reconnect.
    """

    QoS = QoS

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]
        self._rename_keys_of_wrong_type()

    def _get_client(self) -> type[Client]:
        return Client

    def _connparams(self, *args: object, **kwargs: object) -> object:
        if self.connection is None or self.connection.client is None:
            raise BrokerUnavailable("the connection to the broker was closed")
        return super()._connparams(*args, **kwargs)  # type: ignore[no-untyped-call]

    def _receive_one(self, client: PubSub) -> object:
        """Receive a message of the remote control, such as `celery inspect ping`; ignore a malformed one."""
        try:
            return super()._receive_one(client)  # type: ignore[no-untyped-call]
        except _CONTROL_ERRORS as error:
            log.warning("control_message_malformed", error=type(error).__name__)
            return False

    def _rename_keys_of_wrong_type(self) -> None:
        """Rename keys of another type than kombu expects: each command on one fails, so no queue could be read."""
        expected = self._types_of_keys()
        with self.conn_or_acquire() as client:
            with client.pipeline(transaction=False) as pipeline:
                for key in expected:
                    pipeline.type(key)
                found = zip(expected, (kind.decode() for kind in pipeline.execute()), strict=True)
            wrong = {key: kind for key, kind in found if kind not in {"none", expected[key]}}
            for key in wrong:
                client.rename(key, f"arthomed:wrong-type:{key}")
        for key, kind in wrong.items():  # a recording can open another channel, which runs this method, too
            malformed.record_key(key.replace(self.sep, ":"), kind)

    def _types_of_keys(self) -> dict[str, str]:
        bindings = (self.keyprefix_queue, self.keyprefix_binding_permanent)
        bound = (*QUEUES, *_CONTROL_QUEUES)
        return {
            **{self._q_for_pri(queue, priority): "list" for queue in QUEUES for priority in self.priority_steps},  # type: ignore[no-untyped-call]
            **{name % queue: "set" for queue in bound for name in bindings},
            self.unacked_key: "hash",
            self.unacked_index_key: "zset",
            self.unacked_mutex_key: "string",
        }


class Transport(redis.Transport):
    """Kombu's Redis transport with this channel."""

    Channel = Channel


def install() -> None:
    """Use this transport for redis:// and rediss:// URLs."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:Transport"
