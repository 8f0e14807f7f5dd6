"""List messages and resend failed ones, for admins."""

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
from arthomed.notifications.rules import NotResendable

log = structlog.get_logger()


def list_messages(actor: Actor, paging: PageRequest, **filters: str) -> Page[Notification]:
    """List messages by `state`, `channel` and `kind`, the newest first; the texts are not stored."""
    page: Page[Notification] = Notification.objects(**filters).order_by("-id").page(paging)
    users = {message.user for message in page.items if message.user}
    audit.record_read(actor, Kind.MESSAGE, [message.id for message in page.items], users)
    return page


def resend(actor: Actor, message_id: ObjectId) -> Notification:
    """Send a failed message again; of concurrent requests one succeeds.

    Raises:
        NotFound: the message does not exist.
        NotResendable: it did not fail, is no longer useful, or contains a code, which only its owner can request.
    """
    if not transaction(lambda session: _reset_failed(actor, message_id, session)):
        Notification.objects.require(message_id)
        raise NotResendable
    message: Notification = Notification.objects.require(message_id)
    service.enqueue_or_leave_to_sweeper(service.sending_jobs([message]))
    log.info("message_resent", notification_id=str(message_id))
    return message


def _reset_failed(actor: Actor, message_id: ObjectId, session: ClientSession) -> bool:
    now = clock.now()
    before = Notification.reset_failed(message_id, now=now, due_at=now - rules.CLOCK_SKEW, session=session)
    if before is None:
        return False
    change = {"field": "state", "from": before.state, "to": State.WAITING}
    audit.record_change(
        actor, Action.CHANGE, Kind.MESSAGE, message_id, subject=before.user, session=session, changes=[change]
    )
    return True
