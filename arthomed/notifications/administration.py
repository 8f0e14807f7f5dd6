"""What admins see of messages, and do about those that failed."""

import structlog
from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.audit import service as audit
from arthomed.audit.models import Action, Kind
from arthomed.core import clock
from arthomed.core.actor import Actor
from arthomed.core.documents import transaction
from arthomed.core.paging import Page, PageRequest
from arthomed.notifications import rules, service
from arthomed.notifications.models import Notification, State
from arthomed.notifications.rules import NotToBeResent

log = structlog.get_logger()


def messages(by: Actor, asked: PageRequest, **wanted: str) -> Page[Notification]:
    """The messages of a `state`, by `channel` and `kind` where asked for, the newest first; their texts are nowhere."""
    page: Page[Notification] = Notification.objects(**wanted).order_by("-id").page(asked)
    people = {message.user for message in page.items if message.user}
    audit.record_read(by, Kind.MESSAGE, [message.id for message in page.items], people)
    return page


def resend(by: Actor, message_id: ObjectId) -> Notification:
    """Send a message anew that failed and is still of use; of two who ask at once, one does it.

    Raises:
        NotFound: there is no such message.
        NotToBeResent: it did not fail, its time has passed, or it is a code, which its owner asks for anew.
    """
    if not transaction(lambda session: _revive(by, message_id, session)):
        Notification.objects.require(message_id)
        raise NotToBeResent
    revived: Notification = Notification.objects.require(message_id)
    service.hand_over_or_leave([revived])
    log.info("message_resent", notification_id=str(message_id))
    return revived


def _revive(by: Actor, message_id: ObjectId, session: ClientSession) -> bool:
    now = clock.now()
    before = Notification.revive(message_id, now=now, due_at=now - rules.CLOCKS_APART, session=session)
    if before is None:
        return False
    change = {"field": "state", "from": before.state, "to": State.WAITING}
    audit.record_change(
        by, Action.CHANGE, Kind.MESSAGE, message_id, subject=before.user, session=session, changes=[change]
    )
    return True
