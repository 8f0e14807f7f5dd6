"""What Prometheus reads; internal, so a proxy must not pass it on."""

from collections.abc import Callable

from flask import Blueprint, Flask, Response

from arthomed.http.auth import public
from arthomed.http.limits import limiter


def register(app: Flask, told: Callable[[], tuple[bytes, str]]) -> None:
    blueprint = Blueprint("metrics", __name__)

    @blueprint.get("/metrics")
    @public
    def metrics() -> Response:
        text, content_type = told()
        return Response(text, content_type=content_type)

    limiter.exempt(blueprint)
    app.register_blueprint(blueprint)
