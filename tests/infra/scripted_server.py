"""A TCP server that handles each connection with a function of the test."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

Behaviour = Callable[[socket.socket], None]


def silent(connection: socket.socket) -> None:
    """Read everything and send nothing, until the client closes the connection."""
    while connection.recv(65536):
        pass


def receive_once(connection: socket.socket) -> None:
    connection.recv(65536)


def responding(response: bytes, *, receive: Behaviour = receive_once) -> Behaviour:
    """Send the response after receiving the request, and nothing more."""

    def behave(connection: socket.socket) -> None:
        receive(connection)
        connection.sendall(response)
        connection.shutdown(socket.SHUT_WR)

    return behave


class ScriptedServer:
    """Listens on a free port; `client_closed` is set when a client has closed its connection."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.client_closed = threading.Event()
        self._behaviour = behaviour
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._serve)]
        self._connections: list[socket.socket] = []

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *exc: object) -> None:
        for opened in (self._listener, *self._connections):
            with suppress(OSError):  # closed already
                opened.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        with suppress(OSError):  # shut down
            while True:
                connection, _ = self._listener.accept()
                self._connections.append(connection)
                self._threads.append(threading.Thread(target=self._handle, args=[connection]))
                self._threads[-1].start()

    def _handle(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(20)
            self._behaviour(connection)
            silent(connection)
            self.client_closed.set()
