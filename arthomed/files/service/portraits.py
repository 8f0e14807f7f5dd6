"""The picture of a person."""

from collections.abc import Sequence

from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.core.actor import Actor
from arthomed.core.documents import transaction
from arthomed.files import rules
from arthomed.files.models import File
from arthomed.files.rules import Category, Kind, Place
from arthomed.files.service import receiving, removing
from arthomed.files.service.receiving import Upload
from arthomed.users import service as users


def upload(actor: Actor, user_id: ObjectId, uploads: Sequence[Upload]) -> list[File]:
    """Take in the acting person's picture, in the place of the one before.

    Raises:
        TooManyFiles, FileTooLarge, InvalidFile: it is refused.
    """
    rules.ensure_may_be_taken([one.size for one in uploads], most=1)
    place = Place(Kind.PROFILES, Category.AVATARS, user_id, user_id)
    with receiving.taken_in(actor, uploads, place) as files:
        rules.ensure_are_pictures([file.mime_type for file in files])

        def work(session: ClientSession) -> None:
            for file in files:
                removing.doom_all(Kind.PROFILES, [user_id], session)
                receiving.attach(actor, [file], session)
                users.set_avatar(actor, user_id, file.filename, session)

        transaction(work)
    return files
