"""Hands the history of a family member over to the patient whom the member becomes with an own mobile number."""

from bson import ObjectId
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from arthomed.appointments.models import Appointment
from arthomed.audit import service as audit
from arthomed.audit.models import Action, Kind
from arthomed.core import clock
from arthomed.core.actor import Actor
from arthomed.core.errors import DuplicateValue
from arthomed.files.models import File
from arthomed.notifications.models import Notification
from arthomed.users.dependents import Dependent
from arthomed.users.models import User

_CONFLICT = (
    "The patient of this number and the family member have appointments at one time, or with one doctor on one day: "
    "please cancel one of them first"
)


def hand_over(actor: Actor, member: Dependent, patient: ObjectId, session: ClientSession) -> None:
    """Make a patient the patient of all appointments and files of a family member, within a transaction.

    Payments stay with the user who paid, who has the receipts. The messages so far leave that user's list.

    Raises:
        DuplicateValue: both have an appointment at one time, or with one doctor on one day.
    """
    which = {"patient": member.owner, "dependent": member.id}
    appointments: list[Appointment] = Appointment.find_all(which, session)
    try:
        Appointment.hand_over(member.owner, member.id, patient, session)
    except DuplicateKeyError as error:
        raise DuplicateValue(_CONFLICT) from error
    File.hand_over(member.owner, member.id, patient, session)
    if appointments:
        User.count_bookings([patient], session, count=len(appointments))
        ids = [one.id for one in appointments]
        Notification.hide_about(ids, now=clock.now(), session=session)
        changed = [{"field": "patient", "from": member.owner, "to": patient}]
        audit.record_change(
            actor, Action.CHANGE, Kind.APPOINTMENT, *ids, subject=patient, session=session, changes=changed
        )
