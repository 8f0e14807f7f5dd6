"""The doctors and times that the desk offers."""

import re

import pytest

from arthomed.config import settings
from arthomed.core import clock
from arthomed.users import service as users
from arthomed.users.models import User
from tests import factories
from tests.api.dashboard.booking import ALL_DAY, NEW, NUMBER, at, checked, choices
from tests.browser import clinic
from tests.factories import Browser


@pytest.fixture
def other(doctor: User) -> User:
    found = factories.make_doctor(ALL_DAY, name="Dr Arjun Rao", fee=800)
    users.update(found.id, {"doctor_info": {"specialization": "Orthopaedics"}}, by=factories.actor_of(found))
    return found


def test_whoever_is_free_first_is_the_doctor_with_the_shortest_queue(
    browser: Browser, doctor: User, other: User
) -> None:
    clinic.Doctor(doctor).add("Ravi Kumar", "confirm", "arrive")

    page = browser.post(f"{NEW}/times").text

    assert checked(page) == str(other.id)
    assert "Now · Dr Arjun Rao · Orthopaedics · ₹800" in page


def test_each_doctor_is_shown_with_specialization_and_queue_in_the_order_of_the_day(
    browser: Browser, doctor: User, other: User, patient: User
) -> None:
    clinic.Doctor(doctor).add("Ravi Kumar", "confirm", "arrive")

    page = browser.post(f"{NEW}/person", who=NUMBER).text

    select = page[page.index('<select id="booking-doctors"') :]
    options = re.findall(r"<option[^>]*>([^<]*)</option>", select[: select.index("</select>")])
    assert options == [
        "Whoever is free first",
        "Any doctor of Cardiology",
        "Any doctor of Orthopaedics",
        "Dr Arjun Rao · Orthopaedics",
        "Dr Meera Iyer · Cardiology · 1 waiting",
    ]


def test_now_never_names_a_time_that_has_passed(browser: Browser, doctor: User) -> None:
    now = clock.now().astimezone(settings().policy.timezone)
    begun = f"{now.hour:02}:{now.minute // 30 * 30:02}"

    page = browser.post(f"{NEW}/times").text

    assert "joins the queue" in page
    assert begun not in page


def test_a_full_day_is_said_and_the_next_times_are_not_chosen(browser: Browser, patient: User) -> None:
    doctor = factories.make_doctor(factories.every_day("09:00", "09:30"), name="Dr Meera Iyer")
    factories.make_appointment(None, doctor)

    page = browser.post(f"{NEW}/times", onDate=str(factories.tomorrow())).text

    assert "has no free time. The next ones:" in page
    assert len(choices(page)) == 6
    assert "when-chosen" not in page


def test_a_time_without_a_day_is_of_today(browser: Browser, doctor: User) -> None:
    page = browser.post(f"{NEW}/times", atTime="23:30").text

    today = clock.today(settings().policy.timezone)
    assert at(doctor, today, "23:30") in choices(page) or "23:30 is not free" in page


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
    of_time = browser.post(f"{NEW}/times", onDate=str(day), atTime="10:00").text
    not_free = browser.post(f"{NEW}/times", onDate=str(day), atTime="10:10", when=at(doctor, day, "10:00")).text

    assert choices(of_day) == [at(doctor, day, f"{hour:02}:{minute}") for hour in range(24) for minute in ("00", "30")]
    assert checked(of_time) == at(doctor, day, "10:00")
    assert "10:10 is not free" in not_free
    assert "when-chosen" not in not_free


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
        page = browser.client.post(f"{NEW}/person", data={"who": NUMBER}, headers=headers).text
        return checked(page)

    assert chosen("http://localhost/dashboard/day") == str(doctor.id)
    assert chosen(f"http://localhost/dashboard/day?doctor={other.id}") == str(other.id)


def test_of_several_doctors_no_time_of_a_day_is_chosen_beforehand(browser: Browser, doctor: User, other: User) -> None:
    page = browser.post(f"{NEW}/times", onDate=str(factories.tomorrow())).text

    assert choices(page)[:2] == [at(one, factories.tomorrow(), "00:00") for one in (other, doctor)]
    assert "when-chosen" not in page


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_a_day_at_the_end_of_the_calendar_is_none(browser: Browser, doctor: User, day: str) -> None:
    del doctor  # who is offered

    assert len(choices(browser.post(f"{NEW}/times", onDate=day, atTime="10:00").text)) > 1
