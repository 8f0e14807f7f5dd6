"""How long each queue is, for the metrics."""

from dataclasses import dataclass

from redis import Redis

from arthomed.core import clock
from arthomed.infra import queue_entry
from arthomed.infra.queue import QUEUES


@dataclass(frozen=True, slots=True)
class Backlog:
    """The jobs of a queue that no worker has taken yet, and the age of the oldest in seconds."""

    count: int
    oldest_seconds: float


def backlogs(redis: Redis) -> dict[str, Backlog]:
    """The backlog of each queue. Raises RedisError."""
    with redis.pipeline(transaction=False) as pipeline:
        for queue in QUEUES:
            pipeline.llen(queue)
            pipeline.lindex(queue, -1)  # kombu pushes on the left and pops on the right
        found = pipeline.execute()
    return {queue: Backlog(count, _age(raw)) for queue, count, raw in zip(QUEUES, found[::2], found[1::2], strict=True)}


def _age(raw: bytes | None) -> float:
    """Return 0 for a malformed entry, which a worker is about to remove."""
    try:
        asked_at = queue_entry.load(raw)["headers"].get("asked_at") if raw else None
    except queue_entry.MalformedEntry:
        return 0.0
    return max(0.0, clock.now().timestamp() - asked_at) if asked_at else 0.0
