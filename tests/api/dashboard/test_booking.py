"""A new appointment at the desk: the number, the person, the time; booked once."""

import pytest

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Source, Status
from arthomed.audit import service as audit
from arthomed.audit.models import Action, AuditEvent
from arthomed.config import settings
from arthomed.core import clock
from arthomed.scheduling.models import Slot
from arthomed.users import family
from arthomed.users.models import User
from tests import factories
from tests.api.dashboard.booking import NEW, NUMBER, at, checked, choices, field, form
from tests.factories import Browser


def test_the_panel_asks_for_the_number_first_and_the_page_does_too(browser: Browser) -> None:
    panel, page = browser.get(NEW, is_partial=True).text, browser.get(NEW).text

    assert 'name="who"' in panel
    assert "<html" not in panel
    assert "data-closes" in panel
    assert 'name="who"' in page
    assert "<html" in page


@pytest.mark.parametrize(
    ("typed", "status", "says"), [("12", 400, "exactly 10 digits"), ("+91 98765 43210", 200, "Asha Verma")]
)
def test_a_number_is_read_as_people_type_it(
    browser: Browser, doctor: User, patient: User, typed: str, status: int, says: str
) -> None:
    response = browser.post(f"{NEW}/person", who=typed)

    assert response.status_code == status
    assert says in response.text


def test_a_known_number_offers_the_family_and_the_next_free_times(
    browser: Browser, doctor: User, patient: User
) -> None:
    actor = factories.actor_of(patient)
    member = family.add(actor, patient.id, {"name": "Aarav Verma", "relationship": "son"}).dependent

    page = browser.post(f"{NEW}/person", who=NUMBER).text

    assert "Asha Verma" in page
    assert "38 years" in page or "39 years" in page
    assert f'value="{member.id}"' in page
    assert 'id="person-chosen"' not in page  # of a family the reception chooses
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

    page = browser.post(f"{NEW}/person", who=NUMBER).text

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
    keys = {field(browser.post(f"{NEW}/person", who=NUMBER).text, "key") for _ in range(2)}

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
    assert "when-chosen" not in response.text  # no other time is booked by mistake
    assert "Why not?" in response.text
    assert field(response.text, "reason") == "Fever"
    assert field(response.text, "key") == "a-key-of-the-form"


def test_booked_offers_payment_and_slip(browser: Browser, doctor: User, patient: User) -> None:
    page = browser.post(NEW, **form(patient, str(doctor.id)))

    appointment = Appointment.objects.get()
    assert f"/dashboard/appointments/{appointment.id}/payment" in page.text
    assert f"/dashboard/appointments/{appointment.id}/slip" in page.text
    assert f"row-{appointment.id}" in page.headers["HX-Trigger"]


def test_a_number_that_is_looked_up_is_a_search_and_a_read(browser: Browser, doctor: User, patient: User) -> None:
    browser.post(f"{NEW}/person", who=NUMBER)

    audit.flush()
    events = AuditEvent.objects(actor=browser.user.id, action__ne=Action.CREATE)
    assert {(event.action, tuple(event.subjects)) for event in events} == {
        (Action.SEARCH, ()),
        (Action.READ, (patient.id,)),
    }


def test_without_a_doctor_there_is_nothing_to_choose(browser: Browser, patient: User) -> None:
    page = browser.post(f"{NEW}/person", who=NUMBER).text

    assert "No free time." in page
    refused = browser.post(NEW, key="a-key-of-the-form", mobileNumber=NUMBER, patientId=str(patient.id))
    assert refused.status_code == 400
    assert "Please choose a time." in refused.text


@pytest.mark.parametrize("when", ["", "nonsense", "672b1234a1b2c3d4e5f60718/2026-13-01/09:00", "/", "672b/x/y"])
def test_a_time_that_no_form_sends_is_refused(browser: Browser, doctor: User, patient: User, when: str) -> None:
    assert browser.post(NEW, **form(patient, when)).status_code == 400
