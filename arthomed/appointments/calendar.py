"""An appointment as an iCalendar event (RFC 5545): a file to download, or an invitation by e-mail (RFC 5546)."""

from collections.abc import Mapping
from email.utils import parseaddr

from icalendar import Calendar, Event, vCalAddress

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.config import settings
from arthomed.notifications import catalogue
from arthomed.notifications.gateways import Invitation
from arthomed.users.models import User

_PRODUCT = "-//Arthomed//Appointments//EN"
_STATUS: Mapping[Status, str] = {
    Status.PENDING: "TENTATIVE",
    Status.CONFIRMED: "CONFIRMED",
    Status.IN_PROGRESS: "CONFIRMED",
    Status.COMPLETED: "CONFIRMED",
    Status.NO_SHOW: "CONFIRMED",  # the doctor's time was reserved
    Status.REJECTED: "CANCELLED",
    Status.CANCELLED: "CANCELLED",
}


def to_ics(appointment: Appointment, reader: User) -> bytes:
    """A file for the calendar of the patient or the doctor, in the reader's language.

    The caller loads the patient and the doctor with the appointment.
    """
    return _calendar("PUBLISH", _event(appointment, reader))


def invitation(appointment: Appointment) -> Invitation | None:
    """The invitation to a confirmed appointment, or the cancellation of one that was confirmed before; else None."""
    was_confirmed = any(change.target is Status.CONFIRMED for change in appointment.history)
    if appointment.status not in (Status.CONFIRMED, Status.CANCELLED) or not was_confirmed:
        return None
    method = "REQUEST" if appointment.status is Status.CONFIRMED else "CANCEL"
    event = _event(appointment, appointment.patient)
    attendee = vCalAddress(f"mailto:{appointment.patient.email}")
    attendee.params["PARTSTAT"], attendee.params["RSVP"] = "ACCEPTED", "FALSE"
    event.add("attendee", attendee)
    return Invitation(method, _calendar(method, event).decode())


def _calendar(method: str, event: Event) -> bytes:
    calendar = Calendar()
    calendar.add("prodid", _PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("method", method)
    calendar.add_component(event)
    content: bytes = calendar.to_ical()
    return content


def _event(appointment: Appointment, reader: User) -> Event:
    """The UID never changes; the SEQUENCE increases with each entry of the appointment's history."""
    event = Event()
    event.add("uid", f"{appointment.id}@arthomed")
    event.add("sequence", len(appointment.history) - 1)
    event.add("dtstamp", appointment.since)
    event.add("dtstart", appointment.starts_at)
    event.add("dtend", appointment.ends_at)
    event.add("status", _STATUS[appointment.status])
    event.add("class", "PRIVATE")
    event.add("summary", _summary(appointment, reader))
    event.add("organizer", f"mailto:{parseaddr(settings().email_from)[1]}")
    return event


def _summary(appointment: Appointment, reader: User) -> str:
    key = (
        "for_doctor" if reader.id == appointment.doctor_id else "for_member" if appointment.dependent else "for_patient"
    )
    text = catalogue.language(reader.profile.language).calendar[key]
    person = appointment.person_name
    return text.format(doctor=appointment.doctor.name, patient=person, member=person)
