"""gunicorn in production and under `make run`."""

import ctypes
import mmap
import select
import socket
import sys
import time
from array import array
from contextlib import suppress

from bson import ObjectId
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import TConn, ThreadWorker

from arthomed.config import ConfigurationError, require_loopback, settings
from arthomed.files.service import purging
from arthomed.files.storage import StorageUnavailable
from arthomed.http import overload
from arthomed.http.overload import Threads
from arthomed.infra import logging, mongo

try:
    _settings = settings()
except ConfigurationError as error:
    sys.exit(str(error))


_LINGER_MS = 2
_MOST_DRAINED = 65_536  # as gunicorn itself does
_POLITE_SECONDS, _POLITE_TIMES = 0.001, 5
_CELLS, _NONE = 256, 0xFFFF
_shared = memoryview(mmap.mmap(-1, 2 * _CELLS)).cast("H")  # how many connections each process has that takes some
_shared[:] = memoryview(array("H", [_NONE] * _CELLS))


class _Logger(Logger):
    """Lets the application's logs have gunicorn's own lines."""

    def setup(self, cfg: Config) -> None:
        super().setup(cfg)
        logging.configure(_settings.log_level, as_json=_settings.is_production)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


class _Worker(ThreadWorker):
    """Lets each request know how long it has waited for a thread, and leaves the port to others once it ends.

    At its end it takes what has connected already, which is lost else when it is the last one with this port; and a
    worker whose master was killed would else hold the port against the next master until its last request is done.
    """

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001  gunicorn's own
        super().set_accept_enabled(enabled)
        self._tell()
        if not enabled and not (self.alive and self.is_parent_alive()):
            for listener in self.sockets:
                self._take_all(listener)
                listener.close()
            self.sockets.clear()

    def accept(self, listener: object) -> None:
        """Who has more connections than another lets it go first for a moment, so that all come to have as many."""
        for _ in range(_POLITE_TIMES):
            if not self.alive or self.nr_conns <= min(_shared):
                break
            time.sleep(_POLITE_SECONDS)
        super().accept(listener)
        self._tell()

    def notify(self) -> None:
        """Once in each turn of its loop."""
        super().notify()
        self._tell()

    def _tell(self) -> None:
        _shared[self.age % _CELLS] = min(max(self.nr_conns, 0), _NONE - 1) if self._accepting else _NONE

    def _take_all(self, listener: object) -> None:
        taken = -1
        while taken < self.nr_conns:
            taken = self.nr_conns
            self.accept(listener)

    def get_thread_pool(self) -> Threads:
        return Threads(max_workers=self.cfg.threads)

    def handle(self, conn: TConn) -> object:
        """Stay with a connection for a moment: when it sends again at once, no other thread need be woken for it."""
        goes_on: object = super().handle(conn)
        while goes_on is True and self.alive and self._sends_again(conn):
            overload.note_waited(0.0)
            goes_on = super().handle(conn)
        return goes_on or self._parts_from(conn)

    def _parts_from(self, conn: TConn) -> bool:
        """Let the client hang up first, among those that are idle: gunicorn would wait for it while all others wait."""
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            return False
        conn.parser.unreader.take_buffered()
        conn.drained = 0
        return True

    def on_client_socket_readable(self, conn: TConn, client: object) -> None:
        """Take what is still sent on a connection that was parted from, which is for nobody.

        To whoever sends to a closed one the kernel says so at once, and the answer may be lost on its way.
        """
        if not hasattr(conn, "drained"):
            super().on_client_socket_readable(conn, client)
        elif not self._drains(conn):
            self.poller.unregister(client)
            self.keepalived_conns.remove(conn)
            self.nr_conns -= 1
            conn.close()

    def _drains(self, conn: TConn) -> bool:
        try:
            taken = conn.sock.recv(_MOST_DRAINED)
        except BlockingIOError:
            return True
        except OSError:
            return False
        conn.drained += len(taken)
        return bool(taken) and conn.drained < _MOST_DRAINED

    def _sends_again(self, conn: TConn) -> bool:
        """Not waited for while others wait for a thread."""
        if not self.tpool.has_none_waiting():
            return False
        sent = select.poll()
        sent.register(conn.sock, select.POLLIN)
        return bool(sent.poll(_LINGER_MS))


_M_ARENA_MAX = -8
ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)  # mallopt(3): an arena for each thread would hold on to what nobody uses

bind = f"{_settings.host}:{_settings.port}"
workers = _settings.web_workers
worker_class = _Worker
threads = _settings.web_threads
preload_app = True  # nothing is sent to the database before the fork
keepalive = 30
timeout = 30
graceful_timeout = 35  # above the longest request, which brings files
max_requests = 100_000
max_requests_jitter = 10_000
limit_request_line = 8190
logger_class = _Logger
accesslog = None  # the application writes its own line for each request
control_socket_disable = True


def on_starting(server: Arbiter) -> None:
    """Refuse a public address outside production, and a database without its guards."""
    try:
        require_loopback(_settings, server.address)
        mongo.require_guards(_settings.mongodb_uri)
    except (ConfigurationError, mongo.DatabaseNotReady) as error:
        sys.exit(str(error))
    with suppress(StorageUnavailable):  # whoever sends files will be told
        purging.clear_incoming()  # with a bucket the nightly purge, on another machine, can't


def post_fork(_server: object, _worker: object) -> None:
    """Give the process ids of its own while it has one thread: bson lets a second one go on with the parent's."""
    ObjectId()


def child_exit(_server: object, worker: _Worker) -> None:
    """Nobody waits for it any more, however it ended."""
    _shared[worker.age % _CELLS] = _NONE
