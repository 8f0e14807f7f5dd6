"""A user's own messages about appointments. The list has one entry for all channels of a message.

Each message goes by SMS, and some by push or e-mail, too: the SMS identifies the entry.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.appointments.messages import KINDS, of_person
from arthomed.appointments.models import Appointment
from arthomed.audit import service as audit
from arthomed.audit.models import Action, Kind
from arthomed.core import clock
from arthomed.core.actor import Actor
from arthomed.core.documents import Raw, transaction
from arthomed.core.errors import NotFound
from arthomed.core.paging import Page, PageRequest
from arthomed.notifications import catalogue
from arthomed.notifications.models import Channel, Notification
from arthomed.users import service as users
from arthomed.users.dependents import Dependent


@dataclass(frozen=True, slots=True)
class OwnMessage:
    """A message, its title in the user's language, and what became of it on each of its channels."""

    sms: Notification
    title: str
    channels: Sequence[Notification]


def list_own(actor: Actor, page_request: PageRequest) -> Page[OwnMessage]:
    """List the messages to the user about appointments, the newest first, without those that the user hid."""
    page: Page[Notification] = _listed(actor).order_by("-created_at").page(page_request)
    return Page(_to_entries(actor, page.items), page.pagination)


def mark_as_read(actor: Actor, message_id: ObjectId) -> OwnMessage:
    """Store when the user first read a message.

    Raises:
        NotFound: the message is not in the user's list.
    """
    _listed(actor).filter(id=message_id, read_at=None).update(set__read_at=clock.now())
    return _to_entries(actor, [_listed(actor).require(message_id)])[0]


def hide(actor: Actor, message_id: ObjectId) -> None:
    """Remove a message from the user's list; the outbox keeps it, for receipts and so that it is sent once.

    Raises:
        NotFound: the message is not in the user's list.
    """
    if not transaction(lambda session: _hide(actor, message_id, session)):
        raise NotFound


def _hide(actor: Actor, message_id: ObjectId, session: ClientSession) -> bool:
    message: Notification | None = Notification.find_one({"_id": message_id, **_which(actor)}, session)
    if message is None:
        return False
    message.hidden_at = clock.now()
    message.save_changes(session)
    user_id = actor.signed_in_user_id
    audit.record_change(actor, Action.DELETE, Kind.MESSAGE, message_id, subject=user_id, session=session)
    return True


def _listed(actor: Actor) -> Any:
    return Notification.objects(__raw__=_which(actor))


def _which(actor: Actor) -> Raw:
    own = {"user": actor.signed_in_user_id, "kind": {"$in": list(KINDS)}}
    return {**own, "channel": Channel.SMS, "hiddenAt": None}


def _to_entries(actor: Actor, found: Sequence[Notification]) -> list[OwnMessage]:
    language = catalogue.language(users.get(actor.signed_in_user_id).profile.language)
    channels: dict[tuple[ObjectId, str, int], list[Notification]] = defaultdict(list)
    about_the_same = Notification.objects(subject__in=[sms.subject for sms in found])
    for one in sorted(about_the_same, key=lambda one: one.id):
        channels[_key(one)].append(one)
    members = _members([sms.subject for sms in found])
    entries = []
    for sms in found:
        member = members.get(sms.subject)
        title = language.message[of_person(sms.kind, member)].subject
        entries.append(OwnMessage(sms, title.format(member=member and member.name), channels[_key(sms)]))
    return entries


def _members(appointments: Sequence[ObjectId]) -> dict[ObjectId, Dependent]:
    """The family members whom appointments are for; those of the user's own are left out."""
    of_family = Appointment.objects(id__in=appointments, dependent_id__ne=None).scalar("id", "dependent_id")
    whom = dict(of_family)
    members = Dependent.by_id(whom.values())
    return {appointment: members[dependent] for appointment, dependent in whom.items()}


def _key(message: Notification) -> tuple[ObjectId, str, int]:
    return message.subject, message.kind, message.version
