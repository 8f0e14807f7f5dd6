"""Somebody new at the desk: a patient, or a member of a family."""

from datetime import date

import pytest

from arthomed.appointments.models import Appointment
from arthomed.core import clock
from arthomed.core.permissions import Role
from arthomed.users import family
from arthomed.users import service as users
from arthomed.users.models import User
from tests import factories
from tests.api.dashboard.booking import NEW, NUMBER, form
from tests.factories import Browser


def test_an_unknown_number_becomes_a_patient_with_a_name(browser: Browser, doctor: User) -> None:
    page = browser.post(f"{NEW}/person", who=NUMBER).text
    sent = {"key": "a-key-of-the-form", "mobileNumber": NUMBER, "person": "self", "when": str(doctor.id)}
    unnamed, named = browser.post(NEW, **sent), browser.post(NEW, **sent, name="Ravi Kumar")

    assert "This number is new." in page
    assert (unnamed.status_code, named.status_code) == (400, 200)
    assert 'id="booking-name-error"' in unnamed.text
    found = users.find_by_mobile(NUMBER)
    assert found is not None
    assert (found.name, Appointment.objects.get().patient_id) == ("Ravi Kumar", found.id)


def test_likely_duplicates_are_shown_and_block_nothing(browser: Browser, doctor: User) -> None:
    factories.make_user(name="Ravi Kumar", mobile_number="9000003210")

    shown = browser.post(f"{NEW}/duplicates", mobileNumber=NUMBER, name="Ravi Kumaar").text
    sent = {
        "key": "a-key-of-the-form",
        "mobileNumber": NUMBER,
        "person": "self",
        "when": str(doctor.id),
        "name": "Ravi Kumaar",
    }
    booked = browser.post(NEW, **sent)

    assert "9000003210" in shown
    assert booked.status_code == 200
    assert "9000003210" in booked.text
    assert browser.post(f"{NEW}/duplicates", mobileNumber=NUMBER, name="").text == ""


def test_a_family_member_is_booked_for(browser: Browser, doctor: User, patient: User) -> None:
    actor = factories.actor_of(patient)
    member = family.add(actor, patient.id, {"name": "Aarav Verma", "relationship": "son"}).dependent

    page = browser.post(NEW, **form(patient, str(doctor.id), person=str(member.id))).text

    assert Appointment.objects.get().dependent_id == member.id
    assert "Aarav Verma" in page


@pytest.mark.parametrize("number", ["known", "unknown"])
def test_a_new_family_member_is_added_once(browser: Browser, doctor: User, number: str) -> None:
    sent = {"key": "a-key-of-the-form", "mobileNumber": NUMBER, "person": "new", "when": str(doctor.id)}
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


def test_one_of_the_staff_is_booked_for_without_a_family(browser: Browser, doctor: User) -> None:
    colleague = factories.make_user(Role.RECEPTIONIST, name="Joseph Mathew")

    page = browser.post(f"{NEW}/person", who=colleague.mobile_number).text

    assert "Joseph Mathew" in page
    assert "Another member of the family" not in page
    assert browser.post(NEW, **form(colleague, str(doctor.id))).status_code == 200


def test_a_deactivated_account_is_refused_at_the_number(browser: Browser, patient: User) -> None:
    User.objects(id=patient.id).update(set__is_active=False)

    response = browser.post(f"{NEW}/person", who=NUMBER)

    assert response.status_code == 404
    assert "The account of this number is deactivated" in response.text


@pytest.mark.parametrize(
    ("typed", "born"),
    [
        ({"dateOfBirth": "1988-04-02"}, date(1988, 4, 2)),
        ({"age": "35"}, date(clock.now().year - 35, 1, 1)),
        ({"dateOfBirth": "1988-04-02", "age": "7"}, date(1988, 4, 2)),
        ({}, None),
    ],
)
def test_of_a_new_patient(browser: Browser, doctor: User, typed: dict[str, str], born: date | None) -> None:
    sent = {"key": "a-key-of-the-form", "mobileNumber": NUMBER, "person": "self", "when": str(doctor.id)}

    pages = [browser.post(NEW, **sent, name="Ravi Kumar", gender="male", **typed) for _ in range(2)]

    assert [page.status_code for page in pages] == [200, 200]
    found = users.find_by_mobile(NUMBER)
    assert found is not None
    assert found.profile.gender == "male"
    assert (found.profile.date_of_birth and found.profile.date_of_birth.date()) == born
    assert Appointment.objects.count() == 1


def test_of_a_new_member_and_not_of_the_patient(browser: Browser, doctor: User) -> None:
    sent = {"key": "a-key-of-the-form", "mobileNumber": NUMBER, "person": "new", "when": str(doctor.id)}
    member = {"memberName": "Aarav Verma", "relationship": "son", "age": "5", "gender": "male"}

    browser.post(NEW, **sent, name="Asha Verma", **member)

    owner = users.find_by_mobile(NUMBER)
    assert owner is not None
    [stored] = family.members(owner.id)
    assert (stored.gender, stored.date_of_birth.date()) == ("male", date(clock.now().year - 5, 1, 1))
    assert (owner.profile.gender, owner.profile.date_of_birth) == (None, None)


@pytest.mark.parametrize("age", ["0", "121", "five", "3.5"])
def test_an_age_that_is_none_is_refused_beside_its_field(browser: Browser, doctor: User, age: str) -> None:
    sent = {"key": "a-key-of-the-form", "mobileNumber": NUMBER, "person": "self", "when": str(doctor.id)}

    response = browser.post(NEW, **sent, name="Ravi Kumar", age=age)

    assert response.status_code == 400
    assert 'id="booking-age-error"' in response.text
    assert users.find_by_mobile(NUMBER) is None


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ({}, "Please fill this in."),
        ({"name": " "}, "Please fill this in."),
        ({"name": "Ravi Kumar", "reason": "x" * 501}, "At most 500 characters."),
        ({"name": "Ravi Kumar", "dateOfBirth": "2999-01-01"}, "Please enter a date from 1900 until today."),
        ({"name": "Ravi Kumar", "gender": "unknown"}, "Please choose one of the list."),
    ],
)
def test_what_is_wrong_is_said_in_plain_words(browser: Browser, doctor: User, typed: dict[str, str], says: str) -> None:
    sent = {"key": "a-key-of-the-form", "mobileNumber": NUMBER, "person": "self", "when": str(doctor.id)}

    assert says in browser.post(NEW, **sent, **typed).text
