"""The files of appointments: pictures are shown, others are saved."""

from flask import request
from werkzeug.wrappers import Response

from arthomed.core.permissions import Permission
from arthomed.dashboard.blueprint import Pages
from arthomed.files import sending
from arthomed.files.service import downloading
from arthomed.http.auth import current_actor, requires_page

blueprint = Pages("documents", __name__)


@blueprint.get("/files/<string:filename>")
@requires_page(Permission.FILES)
def fetch(filename: str) -> Response:
    """A file, or with `thumbnail` a small picture of it."""
    download = downloading.get_download(current_actor(), filename, thumbnail="thumbnail" in request.args)
    return sending.send(download, is_shown=download.mime_type.startswith("image/"))
