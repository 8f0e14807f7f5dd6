"""A new appointment at the desk: the number, the person, the time; booked once."""

import re
from datetime import date

import pytest
from flask import Flask
from flask.testing import FlaskClient

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Source, Status
from arthomed.audit import service as audit
from arthomed.audit.models import Action, AuditEvent
from arthomed.config import settings
from arthomed.core import clock
from arthomed.core.permissions import Role
from arthomed.scheduling.models import Slot
from arthomed.users import family
from arthomed.users import service as users
from arthomed.users.models import User
from tests import factories
from tests.factories import Browser

NEW = "/dashboard/appointments/new"
ALL_DAY = factories.every_day("00:00", "24:00")
NUMBER = "9876543210"


@pytest.fixture
def browser(app: Flask, client: FlaskClient) -> Browser:
    return Browser(app, factories.make_user(Role.RECEPTIONIST))


@pytest.fixture
def doctor(client: FlaskClient) -> User:
    return factories.make_doctor(ALL_DAY, name="Dr Meera Iyer", fee=300)


@pytest.fixture
def patient(client: FlaskClient) -> User:
    born = {"date_of_birth": date(1988, 4, 2), "gender": "female"}
    return factories.make_user(name="Asha Verma", mobile_number=NUMBER, profile=born)


def field(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, page
    return found[1]


def choices(page: str) -> list[str]:
    return re.findall(r'name="when" value="([^"]*)"', page)


def checked(page: str) -> str:
    found = re.search(r'name="when" value="([^"]*)" id="when-chosen" checked', page)
    assert found, page
    return found[1]


def at(doctor: User, day: date, time: str) -> str:
    return f"{doctor.id}/{day}/{time}"


def form(patient: User, when: str, **more: str) -> dict[str, str]:
    known = {"mobileNumber": patient.mobile_number, "patientId": str(patient.id)}
    return {"key": "a-key-of-the-form", **known, "when": when, **more}


def test_the_panel_asks_for_the_number_first_and_the_page_does_too(browser: Browser) -> None:
    panel, page = browser.get(NEW, is_partial=True).text, browser.get(NEW).text

    assert 'name="mobileNumber"' in panel
    assert "<html" not in panel
    assert "data-closes" in panel
    assert 'name="mobileNumber"' in page
    assert "<html" in page


@pytest.mark.parametrize(
    ("typed", "status", "says"), [("12", 400, "exactly 10 digits"), ("+91 98765 43210", 200, "Asha Verma")]
)
def test_a_number_is_read_as_people_type_it(
    browser: Browser, doctor: User, patient: User, typed: str, status: int, says: str
) -> None:
    response = browser.post(f"{NEW}/person", mobileNumber=typed)

    assert response.status_code == status
    assert says in response.text


def test_a_known_number_offers_the_family_and_the_next_free_times(
    browser: Browser, doctor: User, patient: User
) -> None:
    actor = factories.actor_of(patient)
    member = family.add(actor, patient.id, {"name": "Aarav Verma", "relationship": "son"}).dependent

    page = browser.post(f"{NEW}/person", mobileNumber=NUMBER).text

    assert "Asha Verma" in page
    assert "38 years" in page or "39 years" in page
    assert f'value="{member.id}"' in page
    assert checked(page) == str(doctor.id)  # who is at the desk comes now
    assert len(choices(page)) == 7


def test_a_walk_in_gets_a_token(browser: Browser, doctor: User, patient: User) -> None:
    page = browser.post(NEW, **form(patient, str(doctor.id)))

    appointment = Appointment.objects.get()
    assert (appointment.source, appointment.status) == (Source.WALK_IN, Status.CONFIRMED)
    assert appointment.queue.token == 1
    assert "Token" in page.text
    assert "changed" in page.headers["HX-Trigger"]


def test_a_walk_in_on_a_full_day_is_offered_an_extra_place(browser: Browser, doctor: User, patient: User) -> None:
    today = clock.midnight_utc(clock.today(settings().policy.timezone))
    Slot.objects(doctor=doctor.id, date=today).update(
        set__taken_seats=[1], set__booked_patients=1, set__is_available=False
    )

    page = browser.post(f"{NEW}/person", mobileNumber=NUMBER).text

    assert "extra place at the end" in page
    assert browser.post(NEW, **form(patient, str(doctor.id))).status_code == 200
    assert Appointment.objects.get().is_overflow


def test_a_time_is_booked_with_a_reason(browser: Browser, doctor: User, patient: User) -> None:
    browser.post(NEW, **form(patient, at(doctor, factories.tomorrow(), "10:30"), reason="Fever"))

    appointment = Appointment.objects.get()
    assert (appointment.appointment_time, appointment.reason) == ("10:30", "Fever")
    assert (appointment.patient_id, appointment.source, appointment.queue) == (patient.id, Source.DESK, None)


def test_a_form_that_is_sent_twice_books_once(browser: Browser, doctor: User, patient: User) -> None:
    sent = form(patient, at(doctor, factories.tomorrow(), "10:30"))

    first, second = browser.post(NEW, **sent), browser.post(NEW, **sent)

    assert (first.status_code, second.status_code) == (200, 200)
    assert first.text == second.text
    assert Appointment.objects.count() == 1


def test_a_form_that_was_booked_and_then_changed_says_so(browser: Browser, doctor: User, patient: User) -> None:
    browser.post(NEW, **form(patient, at(doctor, factories.tomorrow(), "10:30")))

    response = browser.post(NEW, **form(patient, at(doctor, factories.tomorrow(), "11:00")))

    assert response.status_code == 422
    assert "The first attempt was booked" in response.text


def test_each_form_has_a_key_of_its_own(browser: Browser, doctor: User, patient: User) -> None:
    keys = {field(browser.post(f"{NEW}/person", mobileNumber=NUMBER).text, "key") for _ in range(2)}

    assert len(keys) == 2


def test_a_taken_time_shows_the_three_nearest_in_place_and_keeps_what_was_typed(
    browser: Browser, doctor: User, patient: User
) -> None:
    day = factories.tomorrow()
    factories.make_appointment(None, doctor, day=day, time="10:30")

    sent = form(patient, at(doctor, day, "10:30"), reason="Fever", doctors=str(doctor.id))
    response = browser.post(NEW, **sent)

    assert response.status_code == 400
    assert choices(response.text) == [at(doctor, day, time) for time in ("10:00", "11:00", "11:30")]
    assert checked(response.text) == at(doctor, day, "11:00")
    assert "Why not?" in response.text
    assert field(response.text, "reason") == "Fever"
    assert field(response.text, "key") == "a-key-of-the-form"


def test_why_not_explains_a_time(browser: Browser, doctor: User) -> None:
    day = factories.tomorrow()
    factories.make_appointment(None, doctor, day=day, time="10:30")

    def ask(time: str) -> str:
        asked = {"askedDoctor": str(doctor.id), "askedDate": str(day), "askedTime": time}
        return browser.post(f"{NEW}/explain", **asked).text

    assert "All places of this time are taken." in ask("10:30")
    assert "No appointment of the doctor begins at this time." in ask("10:40")
    assert "This time is free now." in ask("11:00")


def test_another_day_and_time_can_be_asked_for(browser: Browser, doctor: User) -> None:
    day = factories.tomorrow()

    of_day = browser.post(f"{NEW}/times", onDate=str(day)).text
    of_time = browser.post(f"{NEW}/times", onDate=str(day), atTime="10:10").text

    assert choices(of_day)[:2] == [at(doctor, day, "00:00"), at(doctor, day, "00:30")]
    assert "10:10 is not free" in of_time
    assert checked(of_time) == at(doctor, day, "10:00")


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_a_day_at_the_end_of_the_calendar_is_none(browser: Browser, doctor: User, day: str) -> None:
    assert len(choices(browser.post(f"{NEW}/times", onDate=day, atTime="10:00").text)) > 1


def test_a_specialization_offers_whoever_is_free_first(browser: Browser, doctor: User) -> None:
    other = factories.make_doctor(factories.every_day("09:10", "09:40"), name="Dr Arjun Rao")
    skin = factories.make_doctor(ALL_DAY, name="Dr Leela Nair")
    users.update(skin.id, {"doctor_info": {"specialization": "Dermatology"}}, by=factories.actor_of(skin))

    page = browser.post(f"{NEW}/times", doctors="of:Cardiology", onDate=str(factories.tomorrow()), atTime="09:00").text

    assert at(doctor, factories.tomorrow(), "09:00") in choices(page)
    assert at(other, factories.tomorrow(), "09:10") in choices(page)
    assert str(skin.id) not in page


def test_the_doctor_of_the_screen_and_else_the_last_one_is_chosen(
    browser: Browser, doctor: User, patient: User
) -> None:
    other = factories.make_doctor(ALL_DAY, name="Dr Arjun Rao")
    factories.make_appointment(patient, doctor)

    def chosen(url: str) -> str:
        headers = {**browser.headers, "HX-Current-URL": url}
        page = browser.client.post(f"{NEW}/person", data={"mobileNumber": NUMBER}, headers=headers).text
        return checked(page)

    assert chosen("http://localhost/dashboard/day") == str(doctor.id)
    assert chosen(f"http://localhost/dashboard/day?doctor={other.id}") == str(other.id)


class TestNewPeople:
    def test_an_unknown_number_becomes_a_patient_with_a_name(self, browser: Browser, doctor: User) -> None:
        page = browser.post(f"{NEW}/person", mobileNumber=NUMBER).text
        sent = {"key": "a-key-of-the-form", "mobileNumber": NUMBER, "when": str(doctor.id)}
        unnamed, named = browser.post(NEW, **sent), browser.post(NEW, **sent, name="Ravi Kumar")

        assert "This number is new." in page
        assert (unnamed.status_code, named.status_code) == (400, 200)
        assert 'id="booking-name-error"' in unnamed.text
        found = users.find_by_mobile(NUMBER)
        assert found is not None
        assert (found.name, Appointment.objects.get().patient_id) == ("Ravi Kumar", found.id)

    def test_likely_duplicates_are_shown_and_block_nothing(self, browser: Browser, doctor: User) -> None:
        factories.make_user(name="Ravi Kumar", mobile_number="9000003210")

        shown = browser.post(f"{NEW}/duplicates", mobileNumber=NUMBER, name="Ravi Kumaar").text
        sent = {"key": "a-key-of-the-form", "mobileNumber": NUMBER, "when": str(doctor.id), "name": "Ravi Kumaar"}
        booked = browser.post(NEW, **sent)

        assert "9000003210" in shown
        assert booked.status_code == 200
        assert "9000003210" in booked.text
        assert browser.post(f"{NEW}/duplicates", mobileNumber=NUMBER, name="").text == ""

    def test_a_family_member_is_booked_for(self, browser: Browser, doctor: User, patient: User) -> None:
        actor = factories.actor_of(patient)
        member = family.add(actor, patient.id, {"name": "Aarav Verma", "relationship": "son"}).dependent

        page = browser.post(NEW, **form(patient, str(doctor.id), person=str(member.id))).text

        assert Appointment.objects.get().dependent_id == member.id
        assert "Aarav Verma" in page

    @pytest.mark.parametrize("number", ["known", "unknown"])
    def test_a_new_family_member_is_added_once(self, browser: Browser, doctor: User, number: str) -> None:
        sent = {"key": "a-key-of-the-form", "mobileNumber": NUMBER, "when": str(doctor.id), "person": "new"}
        if number == "known":
            sent["patientId"] = str(factories.make_user(name="Asha Verma", mobile_number=NUMBER).id)
        else:
            sent["name"] = "Asha Verma"
        member = {"memberName": "Aarav Verma", "relationship": "son", "dateOfBirth": "2019-05-01"}

        unnamed = browser.post(NEW, **sent)
        pages = [browser.post(NEW, **sent, **member) for _ in range(2)]

        assert unnamed.status_code == 400
        assert [page.status_code for page in pages] == [200, 200]
        owner = users.find_by_mobile(NUMBER)
        assert owner is not None
        [stored] = family.members(owner.id)
        assert (stored.name, stored.date_of_birth.date()) == ("Aarav Verma", date(2019, 5, 1))
        assert Appointment.objects.get().dependent_id == stored.id

    def test_one_of_the_staff_is_booked_for_without_a_family(self, browser: Browser, doctor: User) -> None:
        colleague = factories.make_user(Role.RECEPTIONIST, name="Joseph Mathew")

        page = browser.post(f"{NEW}/person", mobileNumber=colleague.mobile_number).text

        assert "Joseph Mathew" in page
        assert "Another member of the family" not in page
        assert browser.post(NEW, **form(colleague, str(doctor.id))).status_code == 200

    def test_a_deactivated_account_is_refused_at_the_number(self, browser: Browser, patient: User) -> None:
        User.objects(id=patient.id).update(set__is_active=False)

        response = browser.post(f"{NEW}/person", mobileNumber=NUMBER)

        assert response.status_code == 404
        assert "The account of this number is deactivated" in response.text


def test_a_number_that_is_looked_up_is_a_search_and_a_read(browser: Browser, doctor: User, patient: User) -> None:
    browser.post(f"{NEW}/person", mobileNumber=NUMBER)

    audit.flush()
    events = AuditEvent.objects(actor=browser.user.id, action__ne=Action.CREATE)
    assert {(event.action, tuple(event.subjects)) for event in events} == {
        (Action.SEARCH, ()),
        (Action.READ, (patient.id,)),
    }


def test_without_a_doctor_there_is_nothing_to_choose(browser: Browser, patient: User) -> None:
    page = browser.post(f"{NEW}/person", mobileNumber=NUMBER).text

    assert "No free time." in page
    refused = browser.post(NEW, key="a-key-of-the-form", mobileNumber=NUMBER, patientId=str(patient.id))
    assert refused.status_code == 400
    assert "Please choose a time." in refused.text


@pytest.mark.parametrize("when", ["", "nonsense", "672b1234a1b2c3d4e5f60718/2026-13-01/09:00", "/", "672b/x/y"])
def test_a_time_that_no_form_sends_is_refused(browser: Browser, doctor: User, patient: User, when: str) -> None:
    assert browser.post(NEW, **form(patient, when)).status_code == 400
