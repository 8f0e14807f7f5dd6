"""The OpenAPI document, which flask-smorest generates, and Swagger UI, served from local files."""

from pathlib import Path
from typing import Any

import flask_smorest
import flask_swagger_ui
from flask import Blueprint, Flask, Response, redirect, render_template, send_from_directory
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from arthomed import __version__
from arthomed.http import errors, refusals
from arthomed.http.auth import public
from arthomed.http.envelope import ErrorOut
from arthomed.http.limits import limiter
from arthomed.http.parsing import ObjectIdConverter
from arthomed.http.schema import Id

_SWAGGER_UI = Path(flask_swagger_ui.__file__).parent / "dist"
_OWN_FILES = Path(__file__).parent / "static"
_DESCRIPTION = """Booking at a clinic. Sign in with a one-time code, send the access token as
`Authorization: Bearer`, and give each booking an `Idempotency-Key` so that it can be sent again safely.
Times of day and dates are the clinic's; instants are UTC. A JSON body may also be sent as
`application/x-www-form-urlencoded` where all its fields are texts, `true` or `false`. Bodies have up to 10 MB and
100,000 values, are nested at most 20 levels deep, are encoded in UTF-8, and are not compressed."""


class Api(flask_smorest.Api):
    """flask-smorest's API with our error responses."""

    ERROR_SCHEMA = ErrorOut
    DEFAULT_ERROR_RESPONSE_NAME = None  # each operation documents its errors

    def handle_http_exception(self, error: HTTPException) -> Response:
        return errors.on_http_exception(error)


def register(app: Flask) -> Api:
    app.url_map.converters["object_id"] = ObjectIdConverter
    app.config.update(
        API_TITLE="Arthomed",
        API_VERSION=__version__,
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/api",
        OPENAPI_JSON_PATH="openapi.json",
    )
    bearer = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    api = Api(app, spec_kwargs={"info": {"description": _DESCRIPTION}})
    api.spec.components.security_scheme("bearerAuth", bearer)
    refusals.register(api)
    api.register_converter(ObjectIdConverter, _document_object_id)
    app.register_blueprint(_swagger_ui())
    limiter.exempt(app.view_functions["api-docs.openapi_json"])
    return api


def lead_from_root(app: Flask) -> None:
    """Redirect / to the documentation, for a developer who opens the address of the server."""

    @app.get("/")
    @limiter.exempt
    @public
    def root() -> BaseResponse:
        return redirect("/api/docs")


def _swagger_ui() -> Blueprint:
    """Swagger UI's files in our own page, because its page needs an inline script."""
    page = Blueprint("docs", __name__, url_prefix="/api/docs", template_folder="templates")
    limiter.exempt(page)

    @page.get("")
    @public
    def show() -> str:
        return render_template("docs.html", title=f"Arthomed {__version__}")

    @page.get("/start.js")
    @public
    def start() -> Response:
        return send_from_directory(_OWN_FILES, "docs.js")

    @page.get("/assets/<path:path>")
    @public
    def asset(path: str) -> Response:
        return send_from_directory(_SWAGGER_UI, path)

    return page


def _document_object_id(_converter: ObjectIdConverter) -> dict[str, Any]:
    return {"type": "string", **Id.documented}
