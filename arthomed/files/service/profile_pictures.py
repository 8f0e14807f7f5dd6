"""Upload the profile picture of a user."""

from collections.abc import Sequence

from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.core.actor import Actor
from arthomed.core.documents import transaction
from arthomed.files import rules
from arthomed.files.models import File
from arthomed.files.rules import Category, Kind, UploadTarget
from arthomed.files.service import deleting, uploading
from arthomed.files.service.uploading import Upload
from arthomed.users import service as users


def upload(actor: Actor, user_id: ObjectId, uploads: Sequence[Upload]) -> list[File]:
    """Store a profile picture, which replaces the previous one.

    Raises:
        TooManyFiles, FileTooLarge, InvalidFile, NotAnImage: the upload is rejected.
    """
    rules.ensure_upload_allowed([one.size for one in uploads], max_files=1)
    target = UploadTarget(Kind.PROFILES, Category.AVATARS, user_id, user_id)
    with uploading.stored_files(actor, uploads, target) as files:
        rules.ensure_images([file.mime_type for file in files])

        def work(session: ClientSession) -> None:
            for file in files:
                deleting.mark_files_of(Kind.PROFILES, [user_id], session)
                uploading.attach(actor, [file], session)
                users.set_avatar(actor, user_id, file.filename, session)

        transaction(work)
    return files
