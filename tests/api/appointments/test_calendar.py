"""GET /api/appointments/:id/calendar.ics: an appointment as an iCalendar event."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from flask import Flask
from flask.testing import FlaskClient
from icalendar import Calendar

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import transitions
from arthomed.audit import service as audit
from arthomed.audit.models import AuditEvent
from arthomed.core.permissions import Role
from arthomed.users.models import User
from tests import factories
from tests.factories import SignedIn, error_of


def make_appointment(person: SignedIn, **doctor: Any) -> Appointment:
    hours = factories.every_day("09:00", "10:00")
    return factories.make_appointment(person.user, factories.make_doctor(hours, name="Dr Meera Iyer", **doctor))


def fetch(client: FlaskClient, person: SignedIn, appointment: Appointment) -> Any:
    """Download and parse the calendar."""
    response = client.get(f"/api/appointments/{appointment.id}/calendar.ics", headers=person.headers)
    assert response.status_code == 200, response.text
    return Calendar.from_ical(response.data)


def event_of(client: FlaskClient, person: SignedIn, appointment: Appointment) -> Any:
    [event] = fetch(client, person, appointment).walk("VEVENT")
    return event


def change_status(appointment: Appointment, status: Status) -> None:
    admin = factories.actor_of(factories.make_user(Role.ADMIN))
    transitions.change_status(admin, appointment.id, status, reason="As agreed")


def test_calendar_has_one_event_in_utc(client: FlaskClient, person: SignedIn) -> None:
    appointment = make_appointment(person)

    calendar = fetch(client, person, appointment)
    [event] = calendar.walk("VEVENT")

    day = factories.tomorrow()
    starts_at = datetime(day.year, day.month, day.day, 3, 30, tzinfo=UTC)  # 09:00 in Kolkata
    assert (event["DTSTART"].dt, event["DTEND"].dt) == (starts_at, starts_at + timedelta(minutes=30))
    assert event["DTSTART"].to_ical() == f"{starts_at:%Y%m%dT%H%M%SZ}".encode()
    assert (calendar["VERSION"], calendar["METHOD"], event["CLASS"]) == ("2.0", "PUBLISH", "PRIVATE")
    assert event["SUMMARY"] == "Appointment with Dr Meera Iyer"
    assert event["ORGANIZER"] == "mailto:clinic@arthomed.example"


def test_calendar_is_downloaded_as_an_ics_file(client: FlaskClient, person: SignedIn) -> None:
    response = client.get(
        f"/api/appointments/{make_appointment(person).id}/calendar.ics",
        headers={**person.headers, "Accept": "text/calendar"},
    )

    assert response.content_type == "text/calendar; charset=utf-8"
    disposition = "attachment; filename=\"appointment.ics\"; filename*=UTF-8''appointment.ics"
    assert response.headers["Content-Disposition"] == disposition
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("text/calendar", 200),
        ("text/*", 200),
        ("*/*", 200),
        ("application/octet-stream", 200),
        ("image/png", 406),
        ("text/html, text/calendar;q=0", 406),
    ],
)
def test_calendar_is_sent_unless_the_client_excludes_it(
    client: FlaskClient, person: SignedIn, accept: str, status: int
) -> None:
    url = f"/api/appointments/{make_appointment(person).id}/calendar.ics"

    assert client.get(url, headers={**person.headers, "Accept": accept}).status_code == status


def test_summary_for_the_doctor_names_the_patient(app: Flask, client: FlaskClient) -> None:
    patient = factories.sign_in(app, factories.make_user(name="Asha Verma"))
    appointment = make_appointment(patient)
    doctor = factories.sign_in(app, User.objects.get(id=appointment.doctor_id))

    assert event_of(client, doctor, appointment)["SUMMARY"] == "Appointment of Asha Verma"


def test_summary_is_in_the_language_of_the_reader(app: Flask, client: FlaskClient) -> None:
    patient = factories.sign_in(app, factories.make_user(name="Asha Verma", profile={"language": "hi"}))
    appointment = make_appointment(patient, profile={"language": "mr"})
    doctor = factories.sign_in(app, User.objects.get(id=appointment.doctor_id))

    assert event_of(client, patient, appointment)["SUMMARY"] == "Dr Meera Iyer से मुलाकात"
    assert event_of(client, doctor, appointment)["SUMMARY"] == "Asha Verma यांची भेट"


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([], ("TENTATIVE", 0)),
        ([Status.CONFIRMED], ("CONFIRMED", 1)),
        ([Status.REJECTED], ("CANCELLED", 1)),
        ([Status.CONFIRMED, Status.CANCELLED], ("CANCELLED", 2)),
    ],
)
def test_status_and_sequence_follow_the_appointment(
    client: FlaskClient, person: SignedIn, statuses: list[Status], expected: tuple[str, int]
) -> None:
    appointment = make_appointment(person)
    for status in statuses:
        change_status(appointment, status)

    event = event_of(client, person, appointment)

    assert (event["STATUS"], event["SEQUENCE"]) == expected


def test_uid_stays_and_sequence_increases_after_a_status_change(client: FlaskClient, person: SignedIn) -> None:
    appointment = make_appointment(person)
    before = event_of(client, person, appointment)
    change_status(appointment, Status.CONFIRMED)
    after = event_of(client, person, appointment)

    assert before["UID"] == after["UID"] == f"{appointment.id}@arthomed"
    assert before["SEQUENCE"] < after["SEQUENCE"]


def test_calendar_of_an_unchanged_appointment_is_identical(client: FlaskClient, person: SignedIn) -> None:
    appointment = make_appointment(person)

    assert fetch(client, person, appointment).to_ical() == fetch(client, person, appointment).to_ical()


def test_name_cannot_inject_a_calendar_property(client: FlaskClient, person: SignedIn) -> None:
    appointment = make_appointment(person)
    User.objects(id=appointment.doctor_id).update(set__name="Iyer\r\nATTACH:https://evil.example;x,y\\n")

    event = event_of(client, person, appointment)

    assert "ATTACH" not in event
    assert "https://evil.example;x,y" in event["SUMMARY"]


def test_calendar_does_not_contain_the_reason_for_the_appointment(client: FlaskClient, person: SignedIn) -> None:
    assert b"Headache" not in fetch(client, person, make_appointment(person)).to_ical()


def test_calendar_of_another_patients_appointment_is_not_found(
    app: Flask, client: FlaskClient, person: SignedIn
) -> None:
    appointment = make_appointment(factories.sign_in(app))

    responses = [
        client.get(f"/api/appointments/{appointment_id}/calendar.ics", headers=person.headers)
        for appointment_id in (appointment.id, ObjectId())
    ]

    assert [error_of(response) for response in responses] == [(404, "NOT_FOUND")] * 2


def test_download_by_the_doctor_is_audited(app: Flask, client: FlaskClient, person: SignedIn) -> None:
    appointment = make_appointment(person)
    doctor = factories.sign_in(app, User.objects.get(id=appointment.doctor_id))
    event_of(client, doctor, appointment)
    audit.flush()

    assert AuditEvent.objects(records=appointment.id, actor=doctor.user.id, subjects=person.user.id).count() == 1
