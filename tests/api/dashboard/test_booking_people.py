"""Who is at the desk: found by number or name, of a family, with what they have today, or new."""

import pytest

from arthomed.appointments.models import Appointment
from arthomed.audit import service as audit
from arthomed.audit.models import Action, AuditEvent
from arthomed.users import family
from arthomed.users.models import User
from tests import factories
from tests.api.dashboard.booking import NEW, NUMBER, field, form
from tests.browser import clinic
from tests.factories import Browser


def test_a_name_that_one_patient_has_leads_to_that_patient(browser: Browser, doctor: User, patient: User) -> None:
    page = browser.post(f"{NEW}/person", who="asha").text

    assert field(page, "patientId") == str(patient.id)


@pytest.mark.parametrize("typed", ["asha", "3210"])
def test_several_are_offered_to_choose_from(browser: Browser, doctor: User, patient: User, typed: str) -> None:
    other = factories.make_user(name="Asha Rao", mobile_number="9000003210")

    first = browser.post(f"{NEW}/person", who=typed).text
    typing = browser.post(f"{NEW}/search", who=typed).text
    second = browser.post(f"{NEW}/person", patientId=str(other.id), who="").text

    for page in (first, typing):
        assert "Asha Verma" in page
        assert str(other.id) in page
    assert field(second, "patientId") == str(other.id)


def test_the_name_of_a_child_finds_the_family(browser: Browser, doctor: User, patient: User) -> None:
    family.add(factories.actor_of(patient), patient.id, {"name": "Zubin Verma", "relationship": "son"})

    assert "Zubin Verma" in browser.post(f"{NEW}/person", who="zubin").text


def test_nobody_found_says_what_to_do(browser: Browser, doctor: User) -> None:
    assert "all ten digits" in browser.post(f"{NEW}/person", who="nobody").text
    assert "all ten digits" in browser.post(f"{NEW}/search", who="nobody").text


@pytest.mark.parametrize("typed", ["", "a", "12"])
def test_too_little_is_refused_on_enter_and_ignored_while_typing(browser: Browser, doctor: User, typed: str) -> None:
    assert browser.post(f"{NEW}/person", who=typed).status_code == 400
    assert browser.post(f"{NEW}/search", who=typed).text.strip() == ""


def test_a_whole_number_is_not_searched_while_typing(browser: Browser, patient: User) -> None:
    assert browser.post(f"{NEW}/search", who=NUMBER).text.strip() == ""

    audit.flush()
    assert AuditEvent.objects(actor=browser.user.id, action__ne=Action.CREATE).count() == 0


def test_a_search_is_noted_with_those_whom_it_shows(browser: Browser, patient: User) -> None:
    browser.post(f"{NEW}/search", who="asha")

    audit.flush()
    events = AuditEvent.objects(actor=browser.user.id, action__ne=Action.CREATE)
    assert {(event.action, tuple(event.subjects)) for event in events} == {
        (Action.SEARCH, ()),
        (Action.READ, (patient.id,)),
    }


def test_book_again_opens_the_form_with_the_person_chosen(browser: Browser, doctor: User, patient: User) -> None:
    actor = factories.actor_of(patient)
    member = family.add(actor, patient.id, {"name": "Aarav Verma", "relationship": "son"}).dependent
    appointment = factories.make_appointment(patient, doctor, dependent_id=member.id)
    again = f"{NEW}?patient={patient.id}&person={member.id}"

    panel = browser.get(f"/dashboard/appointments/{appointment.id}", is_partial=True).text
    pages = [browser.get(again, is_partial=is_partial).text for is_partial in (True, False)]

    assert again.replace("&", "&amp;") in panel
    for page in pages:
        assert f'value="{member.id}" id="person-chosen" checked' in page
    assert "<html" in pages[1]


def test_a_family_needs_a_choice_and_a_patient_alone_does_not(browser: Browser, doctor: User, patient: User) -> None:
    alone = browser.post(f"{NEW}/person", who=NUMBER).text
    family.add(factories.actor_of(patient), patient.id, {"name": "Aarav Verma", "relationship": "son"})
    sent = form(patient, str(doctor.id))
    del sent["person"]

    refused = browser.post(NEW, **sent)

    assert 'value="self" id="person-chosen" checked' in alone
    assert refused.status_code == 400
    assert "Please choose the person." in refused.text
    assert Appointment.objects.count() == 0


@pytest.fixture
def expected(doctor: User, patient: User) -> Appointment:
    return clinic.Doctor(doctor).add("", "confirm", patient=patient)


def test_an_appointment_of_today_is_shown_with_its_next_step(browser: Browser, expected: Appointment) -> None:
    page = browser.post(f"{NEW}/person", who=NUMBER).text
    response = browser.post(f"{NEW}/{expected.id}/arrive", panel="1")
    later = browser.post(f"{NEW}/person", who=NUMBER).text

    assert f"<b>{expected.appointment_time}</b> · Dr Meera Iyer · Expected" in page
    assert f"{NEW}/{expected.id}/arrive" in page
    assert (response.status_code, response.headers.get("HX-Redirect")) == (204, None)
    assert f"row-{expected.id}" in response.headers["HX-Trigger"]
    assert Appointment.objects.get().queue.token == 1
    assert "Waiting" in later
    assert f"{NEW}/{expected.id}/arrive" not in later


def test_without_a_screen_below_the_day_follows(browser: Browser, expected: Appointment) -> None:
    response = browser.post(f"{NEW}/{expected.id}/arrive")

    assert response.headers["HX-Redirect"] == "/dashboard/day"


def test_that_of_another_day_or_person_is_not_shown(browser: Browser, doctor: User, patient: User) -> None:
    factories.make_appointment(patient, doctor, time="10:00")
    clinic.Doctor(doctor).add("Ravi Kumar", "confirm")

    assert "has an appointment today" not in browser.post(f"{NEW}/person", who=NUMBER).text


def test_what_is_shown_of_today_is_a_read(browser: Browser, expected: Appointment) -> None:
    browser.post(f"{NEW}/person", who=NUMBER)

    audit.flush()
    assert AuditEvent.objects(actor=browser.user.id, action=Action.READ, records=expected.id).count() == 1
