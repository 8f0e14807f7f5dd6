"""The entries of the job queue in Redis: Celery's messages (protocol 2) as JSON.

Celery and kombu trust what is in a queue, and most malformed entries would end a worker. Workers deliver to Celery only
what `load` returns, which has no other fields than those below.
"""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from kombu.utils.json import loads
from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate

from arthomed.core import clock
from arthomed.infra.queue import QUEUES

_MAX_BYTES = 1024 * 1024
_OLDEST = datetime(2000, 1, 1, tzinfo=UTC)  # Celery can't convert the first and the last years
_MAX_DELAY = timedelta(days=1)  # retries are due within minutes; a worker holds what is due later in memory
_NO_CANVAS = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


class MalformedEntry(Exception):
    """The application does not publish such an entry; the text is the path of the wrong field, never its value."""


def _is_printable(text: str) -> None:
    """Refuse control characters, and lone surrogates, which cannot be encoded."""
    if not text.isprintable():
        raise ValidationError("not printable")


def _is_near(time: datetime) -> None:
    if not _OLDEST < time < clock.now() + _MAX_DELAY:
        raise ValidationError("too far away")


_TEXT: list[Callable[[Any], Any]] = [validate.Length(1, 200), _is_printable]
_LIST = fields.List(fields.Str(validate=_TEXT), required=True)


class _Ids(fields.Field[list[str]]):
    """The encoded body, as the ids of the job; it has neither keyword arguments nor a canvas (callbacks, chains)."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> list[str]:
        ids, kwargs, canvas = loads(base64.b64decode(value, validate=True))  # type: ignore[no-untyped-call]
        if kwargs != {} or any(canvas.values()):
            raise ValidationError("not only ids")
        found: list[str] = _LIST.deserialize(ids)
        return found

    def _serialize(self, value: Any, *_: Any, **__: Any) -> str:
        return base64.b64encode(json.dumps([value, {}, _NO_CANVAS]).encode()).decode()


class _Part(Schema):
    class Meta:
        unknown = EXCLUDE  # what Celery also sends and no job uses: stamps, groups, compression


class _DeliveryInfo(_Part):
    exchange = fields.Str(required=True, validate=validate.OneOf(("", *QUEUES)))
    routing_key = fields.Str(required=True, validate=validate.OneOf(QUEUES))
    redelivered = fields.Bool()


class _Properties(_Part):
    delivery_tag = fields.Str(required=True, validate=_TEXT)
    delivery_info = fields.Nested(_DeliveryInfo, required=True)
    body_encoding = fields.Str(required=True, validate=validate.Equal("base64"))
    correlation_id = fields.Str(allow_none=True, validate=_TEXT)
    reply_to = fields.Str(allow_none=True, validate=_TEXT)
    delivery_mode = fields.Int(validate=validate.Range(1, 2))
    priority = fields.Int(validate=validate.Range(0, 9))


class _Headers(_Part):
    lang = fields.Str(validate=_TEXT)
    task = fields.Str(required=True, validate=_TEXT)
    id = fields.Str(required=True, validate=_TEXT)
    root_id = fields.Str(allow_none=True, validate=_TEXT)
    parent_id = fields.Str(allow_none=True, validate=_TEXT)
    eta = fields.AwareDateTime(allow_none=True, format="iso", validate=_is_near)
    expires = fields.AwareDateTime(allow_none=True, format="iso", validate=_is_near)
    retries = fields.Int(validate=validate.Range(0, 1_000_000))
    timelimit = fields.List(
        fields.Int(allow_none=True, validate=validate.Range(1, 24 * 3600)), validate=validate.Length(equal=2)
    )
    ignore_result = fields.Bool(allow_none=True)
    redelivered = fields.Bool()
    asked_at = fields.Float()
    request_id = fields.Str(validate=_TEXT)


class _Entry(_Part):
    ids = _Ids(required=True, data_key="body")
    content_type = fields.Str(required=True, data_key="content-type", validate=validate.Equal("application/json"))
    content_encoding = fields.Str(required=True, data_key="content-encoding", validate=validate.Equal("utf-8"))
    headers = fields.Nested(_Headers, required=True)
    properties = fields.Nested(_Properties, required=True)


_ENTRY = fields.Nested(_Entry)
_UNACKED = fields.Tuple(
    (_ENTRY, fields.Str(validate=validate.OneOf(("", *QUEUES))), fields.Str(validate=validate.OneOf(QUEUES)))
)


def load(raw: bytes) -> dict[str, Any]:
    """Return the ids of the job, the headers and the properties of an entry. Raises MalformedEntry."""
    entry: dict[str, Any] = _load(_ENTRY, raw)
    return entry


def check_unacked(raw: bytes) -> None:
    """Check an entry that a worker has taken, as kombu stores it with its exchange and queue. Raises MalformedEntry."""
    _load(_UNACKED, raw)


def dump(entry: dict[str, Any]) -> bytes:
    """Return what `load` has read as JSON for Celery."""
    return json.dumps(_ENTRY.schema.dump(entry)).encode()


def _load(field: fields.Field[Any], raw: bytes) -> Any:
    if len(raw) > _MAX_BYTES:
        raise MalformedEntry("too-long")
    try:
        return field.deserialize(loads(raw))  # type: ignore[no-untyped-call]
    except ValidationError as error:
        raise MalformedEntry(_path_of_first(error.messages)) from None
    except Exception:  # noqa: BLE001  decoding unknown bytes can raise anything
        raise MalformedEntry("unreadable") from None


def _path_of_first(messages: Any) -> str:
    path = []
    while isinstance(messages, dict):
        name, messages = next(iter(messages.items()))
        path.append(str(name))
    return ".".join(name for name in path if name != "_schema") or "entry"
