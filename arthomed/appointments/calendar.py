"""A visit as an event of people's calendars: iCalendar (RFC 5545), published or as an invitation (RFC 5546)."""

from collections.abc import Mapping
from email.utils import parseaddr

from icalendar import Calendar, Event, vCalAddress

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.config import settings
from arthomed.notifications import catalogue
from arthomed.notifications.gateways import Invitation
from arthomed.users.models import User

_PRODUCT = "-//Arthomed//Visits//EN"
_STATUS: Mapping[Status, str] = {
    Status.PENDING: "TENTATIVE",
    Status.CONFIRMED: "CONFIRMED",
    Status.IN_PROGRESS: "CONFIRMED",
    Status.COMPLETED: "CONFIRMED",
    Status.NO_SHOW: "CONFIRMED",  # the time was kept
    Status.REJECTED: "CANCELLED",
    Status.CANCELLED: "CANCELLED",
}


def published(visit: Appointment, reader: User) -> bytes:
    """For the calendar of the patient or the doctor, in their language; the visit comes with its people."""
    return _calendar("PUBLISH", _event(visit, reader))


def invitation(visit: Appointment) -> Invitation | None:
    """What goes with an e-mail to the patient: a confirmed visit, or that a once confirmed one is off."""
    was_confirmed = any(change.target is Status.CONFIRMED for change in visit.history)
    if visit.status not in (Status.CONFIRMED, Status.CANCELLED) or not was_confirmed:
        return None
    method = "REQUEST" if visit.status is Status.CONFIRMED else "CANCEL"
    event = _event(visit, visit.patient)
    attendee = vCalAddress(f"mailto:{visit.patient.email}")
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


def _event(visit: Appointment, reader: User) -> Event:
    """The same UID for the life of the visit, and a SEQUENCE that rises with each line of its history."""
    event = Event()
    event.add("uid", f"{visit.id}@arthomed")
    event.add("sequence", len(visit.history) - 1)
    event.add("dtstamp", visit.since)
    event.add("dtstart", visit.starts_at)
    event.add("dtend", visit.ends_at)
    event.add("status", _STATUS[visit.status])
    event.add("class", "PRIVATE")
    event.add("summary", _summary(visit, reader))
    event.add("organizer", f"mailto:{parseaddr(settings().email_from)[1]}")
    return event


def _summary(visit: Appointment, reader: User) -> str:
    told = "for_doctor" if reader.id == visit.doctor_id else "for_patient"
    text = catalogue.words(reader.profile.language).calendar[told]
    return text.format(doctor=visit.doctor.name, patient=visit.patient.name)
