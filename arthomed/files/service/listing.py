"""List the files of one's own appointments, or of those for a family member."""

from bson import ObjectId

from arthomed.core.actor import Actor
from arthomed.core.paging import Page, PageRequest
from arthomed.files.models import File
from arthomed.users import family


def list_own(actor: Actor, page_request: PageRequest, *, dependent_id: ObjectId | None = None) -> Page[File]:
    """The newest first.

    Raises:
        NotFound: the user has no such family member.
    """
    owner = actor.signed_in_user_id
    if dependent_id is not None:
        family.require(owner, dependent_id)
    page: Page[File] = File.of_person(owner, dependent_id).page(page_request)
    return page
