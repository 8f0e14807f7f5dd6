"""GET /api/appointments/:id/calendar.ics: a visit as an event of one's own calendar."""

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
from tests.factories import SignedIn, refused


def visit_of(person: SignedIn, **doctor: Any) -> Appointment:
    hours = factories.every_day("09:00", "10:00")
    return factories.make_visit(person.user, factories.make_doctor(hours, name="Dr Meera Iyer", **doctor))


def fetch(client: FlaskClient, person: SignedIn, visit: Appointment) -> Any:
    """The calendar that was given, which is one."""
    answer = client.get(f"/api/appointments/{visit.id}/calendar.ics", headers=person.headers)
    assert answer.status_code == 200, answer.text
    return Calendar.from_ical(answer.data)


def event_of(client: FlaskClient, person: SignedIn, visit: Appointment) -> Any:
    [event] = fetch(client, person, visit).walk("VEVENT")
    return event


def become(visit: Appointment, status: Status) -> None:
    admin = factories.acting(factories.make_user(Role.ADMIN))
    transitions.change_status(admin, visit.id, status, reason="As agreed")


def test_a_visit_is_one_event_in_utc(client: FlaskClient, person: SignedIn) -> None:
    visit = visit_of(person)

    calendar = fetch(client, person, visit)
    [event] = calendar.walk("VEVENT")

    day = factories.tomorrow()
    starts_at = datetime(day.year, day.month, day.day, 3, 30, tzinfo=UTC)  # nine in Kolkata
    assert (event["DTSTART"].dt, event["DTEND"].dt) == (starts_at, starts_at + timedelta(minutes=30))
    assert event["DTSTART"].to_ical() == f"{starts_at:%Y%m%dT%H%M%SZ}".encode()
    assert (calendar["VERSION"], calendar["METHOD"], event["CLASS"]) == ("2.0", "PUBLISH", "PRIVATE")
    assert (event["SUMMARY"], event["ORGANIZER"]) == ("Visit to Dr Meera Iyer", "mailto:clinic@arthomed.example")


def test_it_is_a_file_for_calendars(client: FlaskClient, person: SignedIn) -> None:
    answer = client.get(
        f"/api/appointments/{visit_of(person).id}/calendar.ics", headers={**person.headers, "Accept": "text/calendar"}
    )

    assert answer.content_type == "text/calendar; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="visit.ics"'
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_doctor_reads_who_comes(app: Flask, client: FlaskClient) -> None:
    patient = factories.sign_in(app, factories.make_user(name="Asha Verma"))
    visit = visit_of(patient)
    doctor = factories.sign_in(app, User.objects.get(id=visit.doctor_id))

    assert event_of(client, doctor, visit)["SUMMARY"] == "Visit of Asha Verma"


def test_each_reads_their_own_language(app: Flask, client: FlaskClient) -> None:
    patient = factories.sign_in(app, factories.make_user(name="Asha Verma", profile={"language": "hi"}))
    visit = visit_of(patient, profile={"language": "mr"})
    doctor = factories.sign_in(app, User.objects.get(id=visit.doctor_id))

    assert event_of(client, patient, visit)["SUMMARY"] == "Dr Meera Iyer से मुलाकात"
    assert event_of(client, doctor, visit)["SUMMARY"] == "Asha Verma यांची भेट"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ([], ("TENTATIVE", 0)),
        ([Status.CONFIRMED], ("CONFIRMED", 1)),
        ([Status.REJECTED], ("CANCELLED", 1)),
        ([Status.CONFIRMED, Status.CANCELLED], ("CANCELLED", 2)),
    ],
)
def test_it_follows_the_visit(
    client: FlaskClient, person: SignedIn, path: list[Status], expected: tuple[str, int]
) -> None:
    visit = visit_of(person)
    for status in path:
        become(visit, status)

    event = event_of(client, person, visit)

    assert (event["STATUS"], event["SEQUENCE"]) == expected


def test_it_stays_the_same_event_and_each_step_is_a_newer_one(client: FlaskClient, person: SignedIn) -> None:
    visit = visit_of(person)
    before = event_of(client, person, visit)
    become(visit, Status.CONFIRMED)
    after = event_of(client, person, visit)

    assert before["UID"] == after["UID"] == f"{visit.id}@arthomed"
    assert before["SEQUENCE"] < after["SEQUENCE"]


def test_it_is_the_same_to_the_letter_until_the_visit_changes(client: FlaskClient, person: SignedIn) -> None:
    visit = visit_of(person)

    assert fetch(client, person, visit).to_ical() == fetch(client, person, visit).to_ical()


def test_names_are_text_and_nothing_else(client: FlaskClient, person: SignedIn) -> None:
    visit = visit_of(person)
    User.objects(id=visit.doctor_id).update(set__name="Iyer\r\nATTACH:https://evil.example;x,y\\n")

    event = event_of(client, person, visit)

    assert "ATTACH" not in event
    assert "https://evil.example;x,y" in event["SUMMARY"]


def test_what_the_visit_is_about_is_not_in_it(client: FlaskClient, person: SignedIn) -> None:
    assert b"Headache" not in fetch(client, person, visit_of(person)).to_ical()


def test_another_s_visit_is_not_there(app: Flask, client: FlaskClient, person: SignedIn) -> None:
    visit = visit_of(factories.sign_in(app))

    answers = [
        client.get(f"/api/appointments/{which}/calendar.ics", headers=person.headers)
        for which in (visit.id, ObjectId())
    ]

    assert [refused(answer) for answer in answers] == [(404, "NOT_FOUND")] * 2


def test_that_a_doctor_fetched_it_is_noted(app: Flask, client: FlaskClient, person: SignedIn) -> None:
    visit = visit_of(person)
    doctor = factories.sign_in(app, User.objects.get(id=visit.doctor_id))
    event_of(client, doctor, visit)
    audit.flush()

    assert AuditEvent.objects(records=visit.id, actor=doctor.user.id, subjects=person.user.id).count() == 1
