"""Logs: JSON lines in production, readable lines elsewhere. Records of libraries have the same format."""

import copy
import json
import logging
import sys
import traceback
from collections.abc import Mapping

import orjson
import structlog

_TASK_FIELDS = {"id", "name", "description"}  # the arguments of Celery's records without personal data
_MAX_CHAIN_LENGTH = 10


class _Stderr(logging.Handler):
    """Writes to the current sys.stderr, which tests and servers replace."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(_redacted(record)) + "\n")
            sys.stderr.flush()
        except Exception:  # noqa: BLE001  like every handler of the standard library
            self.handleError(record)


def _redacted(record: logging.LogRecord) -> logging.LogRecord:
    """Replace the texts of exceptions in a library's record by their types: they may quote a document or a request."""
    redacted, current_error = copy.copy(record), sys.exc_info()[1]
    redacted.msg = str(_type_name(record.msg))
    if current_error is not None and str(current_error):
        redacted.msg = redacted.msg.replace(str(current_error), type(current_error).__name__)
    if isinstance(record.args, Mapping):
        redacted.args = {name: value if name in _TASK_FIELDS else "..." for name, value in record.args.items()}
    elif record.exc_info:
        redacted.args = ()
    elif record.args:
        redacted.args = tuple(map(_type_name, record.args))
    return redacted


def _type_name(value: object) -> object:
    return type(value).__name__ if isinstance(value, BaseException) else value


def _trace(exc_info: structlog.typing.ExcInfo) -> str:
    """Format the frames and types of an exception and its causes, without their texts, which may hold personal data."""
    parts: list[str] = []
    error: BaseException | None = exc_info[1]
    frames = exc_info[2]
    while error is not None and len(parts) < _MAX_CHAIN_LENGTH:
        code = getattr(error, "code", None)
        name = f"{type(error).__module__}.{type(error).__qualname__}"
        parts.append("".join(traceback.format_tb(frames)) + (f"{name} {code}" if isinstance(code, int) else name))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        frames = error.__traceback__ if error else None
    return "\nwhich caused\n".join(reversed(parts))


def _json(event: object, **_: object) -> str:
    try:
        return orjson.dumps(event, repr).decode()
    except orjson.JSONEncodeError:  # a lone surrogate
        return json.dumps(event, default=repr)


_add_trace = structlog.processors.ExceptionRenderer(_trace)


def configure(level: str, *, as_json: bool) -> None:
    """Configure the logs of this process. Never log names, phone numbers, codes or tokens."""
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
    _configure_libraries(threshold, shared, renderer, as_json=as_json)


def _configure_libraries(
    threshold: int,
    shared: list[structlog.typing.Processor],
    renderer: structlog.typing.Processor,
    *,
    as_json: bool,
) -> None:
    """Write warnings and errors of libraries in the same format."""
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
    root.handlers = [*(other for other in root.handlers if not isinstance(other, _Stderr)), handler]
    root.setLevel(max(threshold, logging.WARNING))
    if as_json:
        logging.captureWarnings(capture=True)
