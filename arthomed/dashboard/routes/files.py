"""The style sheet and the scripts."""

from flask import Response, request
from werkzeug.exceptions import NotFound

from arthomed.dashboard import assets
from arthomed.dashboard.blueprint import Pages
from arthomed.http.auth import public
from arthomed.http.limits import limit_static

_FOR_A_YEAR = "public, max-age=31536000, immutable"
_NEVER_WITHOUT_ASKING = "no-cache"

blueprint = Pages("files", __name__)


@blueprint.get("/static/<string:name>")
@limit_static
@public
def static_file(name: str) -> Response:
    found = assets.find(name)
    if found is None:
        raise NotFound
    is_compressed = request.accept_encodings["gzip"] > 0
    response = Response(found.compressed if is_compressed else found.content, mimetype=found.media_type)
    if is_compressed:
        response.headers["Content-Encoding"] = "gzip"
    is_current = request.args.get("v") == found.version  # another one is of a version that is being replaced
    response.headers["Cache-Control"] = _FOR_A_YEAR if is_current else _NEVER_WITHOUT_ASKING
    response.headers["Vary"] = "Accept-Encoding"
    return response
