"""One appointment: what each role sees of it, its files and messages, and who looked at it."""

import re

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import queries, rescheduling, transitions
from arthomed.appointments.service.rescheduling import NewTime
from arthomed.audit import service as audit
from arthomed.audit.models import Action, AuditEvent, Kind
from arthomed.core.permissions import Role
from arthomed.frontdesk.service import queue
from arthomed.notifications.models import Notification, State
from arthomed.users import family
from arthomed.users.models import User
from tests import factories
from tests.factories import Browser

FINDINGS = {"notes": "Throat is red", "prescription": "Paracetamol 500 mg"}


@pytest.fixture
def doctor(client: FlaskClient) -> User:
    del client  # the database is empty now
    return factories.make_doctor(name="Dr Meera Iyer")


@pytest.fixture
def appointment(doctor: User) -> Appointment:
    """Treated, with notes and a file of the patient."""
    made = factories.make_appointment(factories.make_user(name="Asha Verma"), doctor)
    admin = factories.actor_of(factories.make_user(Role.ADMIN, name="Kavita Desai"))
    transitions.change_status(admin, made.id, Status.CONFIRMED)
    queries.edit(factories.actor_of(doctor), made.id, dict(FINDINGS))
    factories.make_file(made, made.patient, original_name="blood-test.png")
    return made


def browser_of(app: Flask, role: Role) -> Browser:
    return Browser(app, factories.make_user(role, name="Joseph Mathew"))


def shown(browser: Browser, appointment: Appointment) -> str:
    response = browser.get(path_of(appointment), is_partial=True)
    assert response.status_code == 200
    return response.text


def path_of(appointment: Appointment, more: str = "") -> str:
    return f"/dashboard/appointments/{appointment.id}{more}"


def test_the_panel_says_who_when_and_what_happened(app: Flask, appointment: Appointment) -> None:
    text = shown(browser_of(app, Role.RECEPTIONIST), appointment)

    for part in ("Asha Verma", "Dr Meera Iyer", "Headache", "09:00", "Booked", "Confirmed", "Kavita Desai"):
        assert part in text


def test_a_page_of_its_own_holds_the_same(app: Flask, appointment: Appointment) -> None:
    browser = browser_of(app, Role.RECEPTIONIST)

    page = browser.get(path_of(appointment))

    assert "<nav" in page.text
    assert browser.get(path_of(appointment, "/live"), is_partial=True).text.strip() in page.text


def test_notes_prescription_and_files_are_for_those_who_read_the_record(
    app: Flask, doctor: User, appointment: Appointment
) -> None:
    texts = {
        role: shown(Browser(app, doctor) if role is Role.DOCTOR else browser_of(app, role), appointment)
        for role in (Role.DOCTOR, Role.ADMIN, Role.RECEPTIONIST)
    }

    for role, text in texts.items():
        reads = role is not Role.RECEPTIONIST
        assert (FINDINGS["notes"] in text) is reads
        assert (FINDINGS["prescription"] in text) is reads
        assert ("/dashboard/files/" in text) is reads
        assert "blood-test.png" in text


def test_a_picture_is_shown_and_a_receptionist_does_not_get_it(app: Flask, appointment: Appointment) -> None:
    path = f"/dashboard/files/{Appointment.with_people([appointment])[0].images[0].filename}"

    with browser_of(app, Role.ADMIN).get(path) as found:
        assert found.status_code == 200
        assert found.headers["Content-Disposition"].startswith("inline;")
        assert found.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert found.data.startswith(b"\x89PNG")
    assert browser_of(app, Role.RECEPTIONIST).get(path).status_code == 404


def test_a_picture_has_a_thumbnail_in_the_panel(app: Flask, client: FlaskClient, appointment: Appointment) -> None:
    patient = factories.sign_in(app, User.objects.get(id=appointment.patient_id))
    form = {"appointmentId": str(appointment.id), "category": "reports", "files": factories.picture(size=(600, 400))}
    factories.data_of(client.post("/api/files/upload/appointments", data=form, headers=patient.headers))
    admin = browser_of(app, Role.ADMIN)

    [path] = re.findall(r'<img src="([^"]*)"', shown(admin, appointment))

    with admin.get(path) as found:
        assert (found.status_code, found.mimetype) == (200, "image/jpeg")
        assert found.headers["Content-Disposition"].startswith("inline;")


def test_what_is_not_a_picture_is_saved(app: Flask, appointment: Appointment) -> None:
    name = factories.make_file(appointment, appointment.patient, mime_type="application/pdf")

    with browser_of(app, Role.ADMIN).get(f"/dashboard/files/{name}") as found:
        assert found.headers["Content-Disposition"].startswith("attachment;")


def test_a_family_member_is_named_with_the_owner_of_the_number(app: Flask, doctor: User) -> None:
    owner = factories.make_user(name="Asha Verma")
    child = family.add(factories.actor_of(owner), owner.id, {"name": "Rohan Verma", "relationship": "child"}).dependent
    made = factories.make_appointment(owner, doctor, dependent_id=child.id)

    text = shown(browser_of(app, Role.RECEPTIONIST), made)

    assert re.search(r"<h2[^>]*>Rohan Verma</h2>", text)
    assert "Asha Verma" in text


def test_the_history_names_both_places_of_a_move(app: Flask, appointment: Appointment) -> None:
    other = factories.make_doctor(name="Dr Arjun Rao")
    receptionist = factories.actor_of(factories.make_user(Role.RECEPTIONIST))
    rescheduling.reschedule(receptionist, appointment.id, NewTime(factories.tomorrow(), "09:30", other.id))

    text = shown(browser_of(app, Role.RECEPTIONIST), appointment)

    assert re.search(r"Moved from Dr Meera Iyer, .* to Dr Arjun Rao, ", text)


def test_a_failed_message_is_sent_again(app: Flask, appointment: Appointment) -> None:
    message = Notification.objects(subject=appointment.id, kind="appointment-confirmed").first()
    Notification.objects(id=message.id).update(set__state=State.FAILED)
    browser = browser_of(app, Role.RECEPTIONIST)
    assert shown(browser, appointment).count("Send again") == 1

    response = browser.post(f"/dashboard/messages/{message.id}/resend")

    assert response.status_code == 200
    assert "Send again" not in response.text
    assert Notification.objects.get(id=message.id).state is State.WAITING


def test_doctors_see_neither_messages_nor_payments(app: Flask, doctor: User, appointment: Appointment) -> None:
    text = shown(Browser(app, doctor), appointment)

    assert [part in text for part in ("Messages", "Payments", "Who looked at it")] == [False] * 3


def test_admins_see_who_looked_at_it(app: Flask, appointment: Appointment) -> None:
    shown(browser_of(app, Role.RECEPTIONIST), appointment)
    audit.flush()
    admin = browser_of(app, Role.ADMIN)
    assert "Who looked at it" in shown(admin, appointment)

    text = admin.get(path_of(appointment, "/accesses"), is_partial=True).text

    assert "Joseph Mathew" in text
    assert ">read<" in text


def test_each_part_of_the_panel_is_a_read_in_the_access_log(app: Flask, appointment: Appointment) -> None:
    browser = browser_of(app, Role.RECEPTIONIST)
    shown(browser, appointment)
    audit.flush()

    reads = AuditEvent.objects(actor=browser.user.id, action=Action.READ, subjects=appointment.patient_id)

    assert {Kind.APPOINTMENT, Kind.MESSAGE} <= {one.kind for one in reads}


def test_the_slip_shows_token_and_doctor_and_loads_its_own_style(app: Flask, appointment: Appointment) -> None:
    admin = factories.actor_of(factories.make_user(Role.ADMIN))
    with time_machine.travel(appointment.starts_at, tick=True):
        queue.arrive(admin, appointment.id, {})

    text = browser_of(app, Role.RECEPTIONIST).get(path_of(appointment, "/slip")).text

    assert all(part in text for part in ("Asha Verma", "Dr Meera Iyer", "09:00", "slip.css"))
    assert "<span>Token</span> <b>1</b>" in text
    assert "style=" not in text


def test_an_action_on_the_page_of_an_appointment_loads_it_again(app: Flask, appointment: Appointment) -> None:
    browser = browser_of(app, Role.RECEPTIONIST)
    headers = {**browser.headers, "HX-Current-URL": f"http://localhost{path_of(appointment)}"}

    response = browser.client.post(path_of(appointment, "/cancel"), headers=headers)

    assert (response.status_code, response.headers.get("HX-Refresh")) == (204, "true")
    assert Appointment.objects.get(id=appointment.id).status is Status.CANCELLED
