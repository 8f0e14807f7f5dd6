"""gunicorn in production and under `make run`."""

import sys

from arthomed.config import ConfigurationError, settings
from arthomed.infra import mongo

try:
    _settings = settings()
except ConfigurationError as error:
    sys.exit(str(error))

bind = f"{_settings.host}:{_settings.port}"
workers = _settings.web_workers
worker_class = "gthread"
threads = _settings.web_threads
preload_app = True  # nothing is sent to the database before the fork
keepalive = 30
timeout = 30
graceful_timeout = 8
max_requests = 100_000
max_requests_jitter = 10_000
limit_request_line = 8190
accesslog = None  # the application writes its own line for each request
control_socket_disable = True


def on_starting(_server: object) -> None:
    """Refuse to serve from a database without its guards."""
    try:
        mongo.require_guards(_settings.mongodb_uri)
    except mongo.GuardsMissing as error:
        sys.exit(str(error))
