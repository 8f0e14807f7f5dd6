"""Logs: one JSON object a line in production, readable lines elsewhere; what libraries log comes out the same way."""

import logging
import sys

import structlog


class _Stderr(logging.Handler):
    """Writes to whatever standard error is at the moment."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except Exception:  # noqa: BLE001  as every handler of the standard library does
            self.handleError(record)


def set_up(level: str, *, as_json: bool) -> None:
    """Configure the logs of this process; never log names, numbers, codes or tokens."""
    threshold = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False)
    )
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
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
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [*(one for one in root.handlers if not isinstance(one, _Stderr)), handler]
    root.setLevel(max(threshold, logging.WARNING))
    if as_json:
        logging.captureWarnings(capture=True)
