"""Logs: one JSON object a line in production, readable lines elsewhere; what libraries log comes out the same way."""

import copy
import json
import logging
import sys
import traceback
from collections.abc import Mapping

import orjson
import structlog

_OF_A_TASK = {"id", "name", "description"}  # what Celery tells of a failed one beside the words of its exception
_LONGEST_CHAIN = 10


class _Stderr(logging.Handler):
    """Writes to whatever standard error is at the moment."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(_discreet(record)) + "\n")
            sys.stderr.flush()
        except Exception:  # noqa: BLE001  as every handler of the standard library does
            self.handleError(record)


def _discreet(record: logging.LogRecord) -> logging.LogRecord:
    """What a library logs, without the words of exceptions: they quote the record or the request that was refused."""
    told, at_hand = copy.copy(record), sys.exc_info()[1]
    told.msg = str(_type_of(record.msg))
    if at_hand is not None and str(at_hand):
        told.msg = told.msg.replace(str(at_hand), type(at_hand).__name__)
    if isinstance(record.args, Mapping):
        told.args = {name: value if name in _OF_A_TASK else "..." for name, value in record.args.items()}
    elif record.exc_info:
        told.args = ()
    elif record.args:
        told.args = tuple(map(_type_of, record.args))
    return told


def _type_of(value: object) -> object:
    return type(value).__name__ if isinstance(value, BaseException) else value


def _trace(exc_info: structlog.typing.ExcInfo) -> str:
    """The frames and the types of an exception and of those that led to it; their words may hold personal data."""
    parts: list[str] = []
    error: BaseException | None = exc_info[1]
    frames = exc_info[2]
    while error is not None and len(parts) < _LONGEST_CHAIN:
        code = getattr(error, "code", None)
        name = f"{type(error).__module__}.{type(error).__qualname__}"
        parts.append("".join(traceback.format_tb(frames)) + (f"{name} {code}" if isinstance(code, int) else name))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        frames = error.__traceback__ if error else None
    return "\nwhich led to\n".join(reversed(parts))


def _json(event: object, **_: object) -> str:
    try:
        return orjson.dumps(event, repr).decode()
    except orjson.JSONEncodeError:  # half a character
        return json.dumps(event, default=repr)


_add_trace = structlog.processors.ExceptionRenderer(_trace)


def set_up(level: str, *, as_json: bool) -> None:
    """Configure the logs of this process; never log names, numbers, codes or tokens."""
    threshold = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(_json)
        if as_json
        else structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    )
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
    ]
    structlog.configure(
        processors=[*shared, _add_trace, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    _set_up_libraries(threshold, shared, renderer, as_json=as_json)


def _set_up_libraries(
    threshold: int,
    shared: list[structlog.typing.Processor],
    renderer: structlog.typing.Processor,
    *,
    as_json: bool,
) -> None:
    """Let through what libraries warn of, in the same form."""
    handler = _Stderr()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _add_trace,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [*(one for one in root.handlers if not isinstance(one, _Stderr)), handler]
    root.setLevel(max(threshold, logging.WARNING))
    if as_json:
        logging.captureWarnings(capture=True)
