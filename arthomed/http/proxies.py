"""The client's address behind proxies."""

from collections.abc import Iterable
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def register(app: Flask, trusted: int) -> None:
    """Believe the X-Forwarded-* headers of so many proxies."""
    if trusted:
        inner = _WithoutPort(app.wsgi_app)
        app.wsgi_app = ProxyFix(inner, x_for=trusted, x_proto=trusted, x_host=trusted)  # type: ignore[method-assign]


class _WithoutPort:
    """Drops the client's port, which some proxies (Azure's, HAProxy's) forward: each connection has another."""

    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        environ["REMOTE_ADDR"] = without_port(environ.get("REMOTE_ADDR", ""))
        return self._app(environ, start_response)


def without_port(address: str) -> str:
    """`203.0.113.7` of `203.0.113.7:49152`, `2001:db8::1` of `[2001:db8::1]:443`; anything else as it is."""
    address = address.strip()
    if address.startswith("["):
        host, _, _port = address[1:].partition("]")
    elif address.count(":") == 1:
        host = address.partition(":")[0]
    else:
        return address
    with suppress(ValueError):
        return str(ip_address(host))
    return address
