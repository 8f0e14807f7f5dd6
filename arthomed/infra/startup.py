"""The warnings that web and worker log at startup."""

import structlog

from arthomed.config import Settings
from arthomed.infra import redis_check

log = structlog.get_logger()


def log_warnings(settings: Settings) -> None:
    """Log what is missing from the configuration, and whether Redis is unreachable."""
    for problem in (*settings.warnings, redis_check.problem_of(settings.redis_url)):
        if problem:
            log.warning("configuration_warning", problem=problem)
