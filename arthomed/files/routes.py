"""Routes that upload profile pictures, and download and delete files; `appointments.routes` uploads the other files."""

from typing import Any

from werkzeug.wrappers import Response

from arthomed.core.paging import Page
from arthomed.core.permissions import Permission
from arthomed.files import sending
from arthomed.files.models import File
from arthomed.files.schemas import FileQuery, ListedFileOut, OwnFilesQuery, UploadedOut, UploadProfilePicture
from arthomed.files.service import deleting, downloading, listing, uploading
from arthomed.http import files
from arthomed.http.auth import current_actor, own_id, requires
from arthomed.http.blueprint import Blueprint
from arthomed.http.envelope import HttpCode
from arthomed.http.limits import limit_uploads
from arthomed.http.schema import page_of

blueprint = Blueprint("files", __name__, url_prefix="/api/files", description="Medical files and pictures.")


@blueprint.post("/upload/profiles")
@limit_uploads
@requires(Permission.FILES)
@blueprint.arguments(UploadProfilePicture, location="multipart", files="files")
@blueprint.response(200, UploadedOut, description="Files uploaded successfully")
def upload_profile_picture(_form: dict[str, Any]) -> dict[str, Any]:
    """Upload one's own profile picture, which replaces the previous one."""
    uploads = [uploading.Upload(*one) for one in files.uploaded_files("files", required=True)]
    return {"uploaded_files": uploading.upload_profile_picture(current_actor(), own_id(), uploads)}


@blueprint.get("")
@requires(Permission.FILES)
@blueprint.arguments(OwnFilesQuery, location="query")
@blueprint.response(200, page_of(ListedFileOut), description="Files retrieved successfully")
def list_own(query: dict[str, Any]) -> Page[File]:
    """List the files of one's own appointments, or of those for a family member, the newest first."""
    return listing.list_own(current_actor(), query["paging"], dependent_id=query.get("dependent_id"))


@blueprint.get("/<string:filename>")
@requires(Permission.FILES)
@blueprint.arguments(FileQuery, location="query")
@blueprint.file_response("image/jpeg", "image/png", "application/pdf", description="The file")
def fetch(query: dict[str, Any], filename: str) -> Response:
    """Download a file of a record that one may read."""
    return sending.send(downloading.get_download(current_actor(), filename, thumbnail=query["thumbnail"]))


@blueprint.delete("/<string:filename>")
@requires(Permission.FILES)
@blueprint.response(200, description="File deleted successfully")
@blueprint.refuses(HttpCode.PRECONDITION_FAILED)
def delete(filename: str) -> None:
    """Delete a file that one has uploaded, before the appointment is completed.

    With `If-Match`, only if it has that ETag.
    """
    deleting.delete(current_actor(), filename, require_match=files.if_match())
