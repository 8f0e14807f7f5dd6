"""GET /metrics for Prometheus. The route is internal: a proxy must not forward it."""

from collections.abc import Callable

from flask import Blueprint, Flask, Response

from arthomed.http.auth import public
from arthomed.http.limits import limiter


def register(app: Flask, render: Callable[[], tuple[bytes, str]]) -> None:
    """Register the route; `render` returns the body and its content type."""
    blueprint = Blueprint("metrics", __name__)

    @blueprint.get("/metrics")
    @public
    def metrics() -> Response:
        body, content_type = render()
        return Response(body, content_type=content_type)

    limiter.exempt(blueprint)
    app.register_blueprint(blueprint)
