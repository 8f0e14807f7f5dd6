"""gunicorn's configuration, in production and under `make run`."""

import ctypes
import sys
from contextlib import suppress

from bson import ObjectId
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.glogging import Logger

from arthomed.config import ConfigurationError, check_addresses, settings
from arthomed.files.service import purging
from arthomed.files.storage import StorageUnavailable
from arthomed.infra import logging, mongo, startup

try:
    _settings = settings()
except ConfigurationError as error:
    sys.exit(str(error))


class _Logger(Logger):
    """Sends gunicorn's own log lines through the application's logging."""

    def setup(self, cfg: Config) -> None:
        super().setup(cfg)
        logging.configure(_settings.log_level, as_json=_settings.is_production)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


_M_ARENA_MAX = -8
ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)  # mallopt(3): with an arena for each thread, memory is not returned

bind = f"{_settings.host}:{_settings.port}"
workers = _settings.web_workers
worker_class = "arthomed.infra.gunicorn_worker.TimedThreadWorker"
threads = _settings.web_threads
preload_app = True  # nothing is sent to the database before the fork
keepalive = 30
timeout = 30
graceful_timeout = 35  # above the longest request, which is an upload
max_requests = 100_000
max_requests_jitter = 10_000
limit_request_line = 8190
# ProxyFix alone trusts a proxy's headers (TRUSTED_PROXIES). gunicorn would take these from any client on 127.0.0.1.
forwarder_headers = ""  # SCRIPT_NAME would move a route: /x/metrics would be /metrics
secure_scheme_headers: dict[str, str] = {}
logger_class = _Logger
accesslog = None  # the application logs each request
control_socket_disable = True


def on_starting(server: Arbiter) -> None:
    """Refuse an unprotected public address, and a database without a replica set or a required index."""
    try:
        check_addresses(_settings, server.address)
        mongo.require_indexes(_settings.mongodb_uri)
    except (ConfigurationError, mongo.DatabaseNotReady) as error:
        sys.exit(str(error))
    startup.log_warnings(_settings)
    with suppress(StorageUnavailable):  # uploads are then refused with 503
        purging.clear_incoming()  # of a process that was killed; the nightly purge may run on another machine


def post_fork(_server: object, _worker: object) -> None:
    """Give this process its own ObjectId sequence while it has one thread: bson resets it only at the next id."""
    ObjectId()
