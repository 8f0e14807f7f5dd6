"""The gunicorn worker of the web processes: gthread with a timed thread pool and a stop that loses no connection."""

from gunicorn.workers.gthread import ThreadWorker

from arthomed.http.overload import TimedThreadPool


class TimedThreadWorker(ThreadWorker):
    """gunicorn's own gthread worker, through two of its methods.

    `get_thread_pool`, which gunicorn documents for overriding, notes how long requests wait for a thread.
    `set_accept_enabled` serves the connections that are already established when the worker stops, and closes its
    listening sockets: otherwise the kernel resets those connections, and an orphaned worker holds the port.
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
