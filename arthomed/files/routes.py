"""Fetching and deleting stored files over HTTP; what takes them in belongs to the records that they are of."""

from typing import Any

from werkzeug.wrappers import Response

from arthomed.core.errors import NotFound
from arthomed.core.permissions import Permission
from arthomed.files.records import cabinet
from arthomed.files.schemas import FileQuery, NoForm, UploadedOut
from arthomed.files.service import giving, portraits, receiving, removing
from arthomed.files.storage import FileMissing
from arthomed.http import files
from arthomed.http.auth import current_actor, own_id, requires
from arthomed.http.blueprint import Blueprint
from arthomed.http.limits import limit_uploads

blueprint = Blueprint("files", __name__, url_prefix="/api/files", description="Medical files and pictures.")


@blueprint.post("/upload/profiles")
@requires(Permission.FILES)
@limit_uploads
@blueprint.arguments(NoForm, location="multipart", files="files")
@blueprint.response(200, UploadedOut, description="Files uploaded successfully")
def upload_portrait(_form: dict[str, Any]) -> dict[str, Any]:
    """Upload one's own picture, in the place of the one before."""
    uploads = [receiving.Upload(*one) for one in files.received("files", required=True)]
    return {"uploaded_files": portraits.upload(current_actor(), own_id(), uploads)}


@blueprint.get("/<string:filename>")
@requires(Permission.FILES)
@blueprint.arguments(FileQuery, location="query")
@blueprint.file_response("image/jpeg", "image/png", "application/pdf", description="The file")
def fetch(query: dict[str, Any], filename: str) -> Response:
    """Fetch a file that belongs to a record that one may read."""
    sheet = giving.give(current_actor(), filename, small=query["thumbnail"])
    storage = cabinet().storage
    if link := storage.link(sheet.key, sheet.name, sheet.mime_type):
        return files.elsewhere(link)
    try:
        size = storage.find(sheet.key).size
    except FileMissing as error:  # removed a moment ago, or lost, which the purge finds out
        raise NotFound from error
    return files.send(
        lambda start: storage.open(sheet.key, start),
        size=size,
        name=sheet.name,
        mime_type=sheet.mime_type,
        etag=sheet.etag,
        accel_path=storage.accel_path(sheet.key),
    )


@blueprint.delete("/<string:filename>")
@requires(Permission.FILES)
@blueprint.response(200, description="File deleted successfully")
def delete(filename: str) -> None:
    """Delete a file that one has uploaded, before the visit is completed."""
    removing.delete(current_actor(), filename)
