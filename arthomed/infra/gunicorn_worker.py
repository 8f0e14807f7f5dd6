"""The gunicorn worker of the web processes: gthread with a timed thread pool and a stop that loses no connection."""

import socket
from contextlib import suppress

from gunicorn import util
from gunicorn.http import errors as refusals
from gunicorn.http.message import Request
from gunicorn.workers.gthread import ThreadWorker
from werkzeug import exceptions

from arthomed.http.errors import serialize_refusal
from arthomed.http.overload import TimedThreadPool

_OWN_ERRORS = (refusals.InvalidResponseHeader, refusals.InvalidResponseHeaderName, refusals.ConfigurationProblem)
_RESPONSES: dict[type[Exception], type[exceptions.HTTPException]] = {
    refusals.LimitRequestLine: exceptions.RequestURITooLarge,
    refusals.ExpectationFailed: exceptions.ExpectationFailed,
    refusals.LimitRequestHeaders: exceptions.RequestHeaderFieldsTooLarge,
}


class TimedThreadWorker(ThreadWorker):
    """gunicorn's own gthread worker, through three of its methods.

    `get_thread_pool`, which gunicorn documents for overriding, notes how long requests wait for a thread.
    `set_accept_enabled` serves the connections that are already established when the worker stops, and closes its
    listening sockets: otherwise the kernel resets those connections, and an orphaned worker holds the port.
    `handle_error` refuses an unreadable request in the format of the API: gunicorn would send HTML that quotes it.
    """

    def get_thread_pool(self) -> TimedThreadPool:
        return TimedThreadPool(max_workers=self.cfg.threads)

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001  gunicorn's signature
        super().set_accept_enabled(enabled)
        if not enabled and not (self.alive and self.is_parent_alive()):
            for listener in self.sockets:
                self._accept_all(listener)
                listener.close()
            self.sockets.clear()

    def _accept_all(self, listener: object) -> None:
        accepted = -1
        while accepted < self.nr_conns:
            accepted = self.nr_conns
            self.accept(listener)

    def handle_error(self, req: Request | None, client: socket.socket, addr: object, exc: Exception) -> None:
        if req is not None and req.body.failed:
            return  # the application has responded; gunicorn then failed to skip the rest of the body
        if isinstance(exc, refusals.ParseException) and not isinstance(exc, _OWN_ERRORS):
            error = _RESPONSES.get(type(exc), exceptions.BadRequest)()
        else:
            self.log.error("Error outside the application", exc_info=exc)
            error = exceptions.InternalServerError()
        address = str(addr[0]) if isinstance(addr, tuple) else ""  # none on a UNIX socket
        with suppress(OSError):
            util.write_nonblock(client, serialize_refusal(error, address, type(exc).__name__))
