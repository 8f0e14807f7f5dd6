"""A TLS server in front of another server, for clients that must verify its certificate."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class TlsProxy:
    """Listens on `port`; `handshakes` has whether each connection was accepted by its client."""

    port: int
    handshakes: list[bool] = field(default_factory=list)


@contextmanager
def tls_proxy(target: int, context: ssl.SSLContext) -> Iterator[TlsProxy]:
    """Serve TLS in front of a port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = TlsProxy(listener.getsockname()[1])
        threading.Thread(target=_accept, args=(listener, target, context, proxy), daemon=True).start()
        yield proxy


def _accept(listener: socket.socket, target: int, context: ssl.SSLContext, proxy: TlsProxy) -> None:
    with suppress(OSError):  # the listener is closed
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_serve, args=(client, target, context, proxy), daemon=True).start()


def _serve(client: socket.socket, target: int, context: ssl.SSLContext, proxy: TlsProxy) -> None:
    with client, suppress(OSError):
        try:
            secure = context.wrap_socket(client, server_side=True)
            first = secure.recv(65536)  # a TLS 1.3 client that refuses the certificate has sent its alert by now
        except OSError:
            proxy.handshakes.append(False)
            return
        proxy.handshakes.append(bool(first))
        with secure, socket.create_connection(("127.0.0.1", target)) as server:
            server.sendall(first)
            threading.Thread(target=_copy, args=(server, secure), daemon=True).start()
            _copy(secure, server)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
