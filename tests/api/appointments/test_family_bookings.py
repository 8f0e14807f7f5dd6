"""Appointments for family members: each is about the right person, for everybody who reads it."""

from typing import Any

import pytest
from flask import Flask
from icalendar import Calendar
from werkzeug.test import TestResponse

from arthomed.appointments import messages
from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import consistency
from arthomed.core.permissions import Role
from arthomed.files.models import File
from arthomed.notifications.gateways import Email, Sms
from arthomed.notifications.models import Notification
from arthomed.users import family
from arthomed.users.dependents import Dependent
from arthomed.users.models import User
from tests import factories
from tests.api.appointments.bookings import EVERY_MORNING, MORNING, TUESDAY, book
from tests.api.appointments.clinic import move, sign_in_staff
from tests.api.appointments.desk import book_at_desk, by_id, by_number, tuesday_at, walk_in
from tests.api.appointments.moves import reschedule
from tests.factories import SignedIn, data_of, error_of

pytestmark = pytest.mark.usefixtures("database", "monday_evening")


@pytest.fixture
def asha(app: Flask) -> SignedIn:
    return factories.sign_in(app, factories.make_user(name="Asha Verma", email="asha@example.com"))


def make_member(owner: User, name: str = "Aarav Verma") -> Dependent:
    return family.add(factories.actor_of(owner), owner.id, {"name": name, "relationship": "son"}).dependent


def book_for(app: Flask, caller: SignedIn, member: Dependent, doctor: User, **fields: Any) -> TestResponse:
    return book(app, caller, doctor, dependentId=str(member.id), **fields)


def booked_for(app: Flask, caller: SignedIn, member: Dependent, doctor: User, **fields: Any) -> Any:
    return data_of(book_for(app, caller, member, doctor, **fields), 201)["appointment"]


def get(app: Flask, caller: SignedIn, path: str, **query: Any) -> Any:
    return data_of(app.test_client().get(f"/api{path}", query_string=query, headers=caller.headers))


def test_appointment_names_the_member_and_the_patient(app: Flask, asha: SignedIn) -> None:
    doctor, member = factories.make_doctor(MORNING), make_member(asha.user)
    staff = sign_in_staff(app)

    booked = booked_for(app, asha, member, doctor)

    assert booked["patient"]["name"] == "Asha Verma"
    assert booked["dependent"] == {
        "_id": str(member.id),
        "name": "Aarav Verma",
        "relationship": "son",
        "dateOfBirth": None,
        "gender": None,
    }
    readers = [get(app, one, f"/appointments/{booked['_id']}") for one in (asha, staff, factories.sign_in(app, doctor))]
    assert [one["appointment"]["dependent"]["name"] for one in readers] == ["Aarav Verma"] * 3
    [own], [listed] = (
        get(app, asha, "/appointments/my-appointments")["items"],
        get(app, staff, "/appointments")["items"],
    )
    assert own["dependent"]["name"] == listed["dependent"]["name"] == "Aarav Verma"
    assert "dependent" not in data_of(book(app, asha, factories.make_doctor(MORNING)), 201)["appointment"]
    assert list(consistency.violations()) == []


def test_two_members_may_see_one_doctor_on_one_day_and_be_seen_at_one_time(app: Flask, asha: SignedIn) -> None:
    doctor, other = factories.make_doctor(MORNING), factories.make_doctor(MORNING)
    member, sister = make_member(asha.user), make_member(asha.user, "Anika Verma")

    data_of(book(app, asha, doctor), 201)
    booked_for(app, asha, member, doctor, appointmentTime="09:30")
    booked_for(app, asha, sister, doctor, appointmentTime="10:00")
    booked_for(app, asha, sister, other, appointmentTime="09:30")

    assert error_of(book_for(app, asha, member, doctor, appointmentTime="10:30")) == (400, "DUPLICATE_VALUE")
    refused = book_for(app, asha, member, other, appointmentTime="09:30")
    assert error_of(refused) == (400, "SLOT_UNAVAILABLE")  # the sister has it
    same_time = book_for(app, asha, member, factories.make_doctor(MORNING), appointmentTime="09:30")
    assert error_of(same_time) == (400, "DUPLICATE_VALUE")
    assert factories.envelope_of(same_time)["message"] == "The patient already has an appointment at that time"


def test_limit_of_open_appointments_is_one_for_the_family(app: Flask, asha: SignedIn) -> None:
    member = make_member(asha.user)
    for number in range(10):
        who = {"dependentId": str(member.id)} if number % 2 else {}
        data_of(
            book(app, asha, factories.make_doctor(EVERY_MORNING), appointmentTime="09:00", **who, **_day(number)), 201
        )

    assert error_of(book_for(app, asha, member, factories.make_doctor(MORNING))) == (400, "BOOKING_LIMIT_REACHED")


def _day(number: int) -> dict[str, str]:
    return {"appointmentDate": f"2026-12-{number + 1:02}"}


@pytest.mark.parametrize("whose", ["another family", "nobody", "removed"])
def test_nobody_books_for_a_member_of_another_family(app: Flask, asha: SignedIn, whose: str) -> None:
    doctor, member = factories.make_doctor(MORNING), make_member(asha.user)
    if whose == "removed":
        family.remove(factories.actor_of(asha.user), asha.user.id, member.id)
    caller = factories.sign_in(app) if whose == "another family" else asha
    body = {"dependentId": str(factories.UNKNOWN_ID if whose == "nobody" else member.id)}

    assert error_of(book(app, caller, doctor, **body)) == (404, "NOT_FOUND")
    desk = sign_in_staff(app)
    assert error_of(book_at_desk(app, desk, {**by_id(caller.user), **body}, doctor)) == (404, "NOT_FOUND")
    assert error_of(book_at_desk(app, desk, {**by_number(), **body}, doctor)) == (404, "NOT_FOUND")
    assert Appointment.objects.count() == 0
    assert User.objects.count() == (4 if whose == "another family" else 3)  # the number did not become a patient


def test_desk_books_and_takes_walk_ins_for_members(app: Flask, asha: SignedIn) -> None:
    doctor, member, desk = factories.make_doctor(MORNING), make_member(asha.user), sign_in_staff(app)
    of_member = {**by_id(asha.user), "dependentId": str(member.id)}

    booked = data_of(book_at_desk(app, desk, of_member, doctor), 201)["appointment"]
    with tuesday_at("10:05"):
        later = sign_in_staff(app)
        walked = data_of(walk_in(app, later, factories.make_doctor(MORNING), of_member), 201)["appointment"]

    assert [one["dependent"]["name"] for one in (booked, walked)] == ["Aarav Verma"] * 2
    assert walked["queue"]["token"] == 1


def test_repeated_booking_with_its_key_is_one_for_the_member(app: Flask, asha: SignedIn) -> None:
    doctor, member = factories.make_doctor(MORNING), make_member(asha.user)

    first = booked_for(app, asha, member, doctor, key="a-key-of-mine")

    assert booked_for(app, asha, member, doctor, key="a-key-of-mine") == first
    assert error_of(book(app, asha, doctor, key="a-key-of-mine")) == (422, "IDEMPOTENCY_KEY_REUSED")


def test_moved_appointment_stays_the_members(app: Flask, asha: SignedIn) -> None:
    doctor, member = factories.make_doctor(MORNING), make_member(asha.user)
    booked = booked_for(app, asha, member, doctor)
    booked_for(
        app, asha, make_member(asha.user, "Anika Verma"), factories.make_doctor(MORNING), appointmentTime="10:00"
    )

    moved = data_of(reschedule(app, asha, Appointment.objects.get(id=booked["_id"]), "10:00"))["appointment"]

    assert (moved["dependent"]["name"], moved["appointmentTime"]) == ("Aarav Verma", "10:00")


def test_lists_are_filtered_by_member(app: Flask, asha: SignedIn) -> None:
    doctor, member, staff = factories.make_doctor(MORNING), make_member(asha.user), sign_in_staff(app)
    data_of(book(app, asha, doctor), 201)
    wanted = booked_for(app, asha, member, doctor, appointmentTime="09:30")["_id"]
    query = {"dependentId": str(member.id)}

    own = get(app, asha, "/appointments/my-appointments", **query)["items"]
    of_staff = get(app, staff, "/appointments", patientId=str(asha.user.id), **query)["items"]

    assert [one["_id"] for one in own] == [one["_id"] for one in of_staff] == [wanted]
    alone = app.test_client().get("/api/appointments", query_string=query, headers=staff.headers)
    assert factories.invalid_fields(alone) == ["dependentId"]


def test_changed_name_is_shown_at_once(app: Flask, asha: SignedIn) -> None:
    doctor, member = factories.make_doctor(MORNING), make_member(asha.user)
    booked_for(app, asha, member, doctor)
    for _ in range(2):
        get(app, asha, "/appointments/my-appointments")

    family.update(factories.actor_of(asha.user), asha.user.id, member.id, {"name": "Aarav Rao"})

    [own] = get(app, asha, "/appointments/my-appointments")["items"]
    assert own["dependent"]["name"] == "Aarav Rao"


def test_appointment_of_a_removed_member_still_names_them(app: Flask, asha: SignedIn) -> None:
    member = make_member(asha.user)
    booked = booked_for(app, asha, member, factories.make_doctor(MORNING))

    family.remove(factories.actor_of(asha.user), asha.user.id, member.id)

    assert get(app, asha, f"/appointments/{booked['_id']}")["appointment"]["dependent"]["name"] == "Aarav Verma"


@pytest.mark.parametrize("language", ["en", "hi", "mr"])
@pytest.mark.parametrize("status", [Status.PENDING, Status.CONFIRMED, Status.CANCELLED, Status.REJECTED])
def test_messages_name_the_member_and_address_the_patient(
    app: Flask, asha: SignedIn, status: Status, language: str
) -> None:
    User.objects(id=asha.user.id).update(set__profile__language=language)
    doctor, member = factories.make_doctor(MORNING, name="Dr Meera Iyer"), make_member(asha.user)
    appointment = Appointment.objects.get(id=booked_for(app, asha, member, doctor)["_id"])
    if status is not Status.PENDING:
        move(appointment, status)

    latest = max(one.version for one in Notification.objects)
    sent = [messages.render(one) for one in Notification.objects(subject=appointment.id, version=latest)]

    [sms] = [one for one in sent if isinstance(one, Sms)]
    assert "Aarav Verma" in sms.text
    assert "Asha" not in sms.text
    emails = [one for one in sent if isinstance(one, Email)]
    assert [("Aarav Verma" in one.subject, *_who(one.text)) for one in emails] == [(True, True, True)] * len(emails)
    assert bool(emails) is (status is not Status.REJECTED)


def _who(text: str) -> tuple[bool, bool]:
    """Whether a letter greets Asha, and is about Aarav."""
    greeting, about, _ = text.split("\n\n")
    return "Asha Verma" in greeting, "Aarav Verma" in about


def test_list_of_messages_names_the_member(app: Flask, asha: SignedIn) -> None:
    member = make_member(asha.user)
    booked_for(app, asha, member, factories.make_doctor(MORNING))
    data_of(book(app, asha, factories.make_doctor(MORNING)), 201)

    titles = [one["title"] for one in get(app, asha, "/notifications")["items"]]

    assert sorted(titles) == ["We have your request", "We have your request for Aarav Verma"]


def test_calendar_names_the_member(app: Flask, asha: SignedIn) -> None:
    doctor, member = factories.make_doctor(MORNING, name="Dr Meera Iyer"), make_member(asha.user)
    booked = booked_for(app, asha, member, doctor)

    summaries = []
    for reader in (asha, factories.sign_in(app, doctor)):
        response = app.test_client().get(f"/api/appointments/{booked['_id']}/calendar.ics", headers=reader.headers)
        [event] = Calendar.from_ical(response.data).walk("VEVENT")
        summaries.append(str(event["SUMMARY"]))

    assert summaries == ["Appointment of Aarav Verma with Dr Meera Iyer", "Appointment of Aarav Verma"]


def test_each_person_has_a_file_list(app: Flask, asha: SignedIn) -> None:
    doctor, member = factories.make_doctor(MORNING), make_member(asha.user)
    own = data_of(book(app, asha, doctor), 201)["appointment"]
    of_member = booked_for(app, asha, member, doctor, appointmentTime="09:30")
    for one, name in ((own, "mine.png"), (of_member, "aaravs.png")):
        form = {"appointmentId": one["_id"], "category": "reports", "files": factories.picture(name=name)}
        data_of(app.test_client().post("/api/files/upload/appointments", data=form, headers=asha.headers))

    mine, aaravs = get(app, asha, "/files")["items"], get(app, asha, "/files", dependentId=str(member.id))["items"]

    assert [(one["originalName"], one["appointmentId"]) for one in mine] == [("mine.png", own["_id"])]
    assert [(one["originalName"], one["appointmentId"]) for one in aaravs] == [("aaravs.png", of_member["_id"])]
    stranger = factories.sign_in(app)
    assert get(app, stranger, "/files")["items"] == []
    others = app.test_client().get("/api/files", query_string={"dependentId": member.id}, headers=stranger.headers)
    assert error_of(others) == (404, "NOT_FOUND")
    assert File.objects(dependent=member.id).count() == 1


def test_doctor_of_a_member_reads_the_member_but_not_the_record_of_the_parent(app: Flask, asha: SignedIn) -> None:
    doctor, other = factories.make_doctor(MORNING), factories.make_doctor(MORNING)
    member, sister = make_member(asha.user), make_member(asha.user, "Anika Verma")
    booked = booked_for(app, asha, member, doctor)
    move(Appointment.objects.get(id=booked["_id"]), Status.CONFIRMED)
    caller, path = factories.sign_in(app, doctor), f"/api/patients/{asha.user.id}"

    assert error_of(app.test_client().get(path, headers=caller.headers)) == (404, "NOT_FOUND")
    assert get(app, caller, "/patients", search="Verma")["items"] == []
    [seen] = get(app, caller, "/appointments")["items"]
    assert seen["dependent"]["name"] == "Aarav Verma"

    move(factories.make_appointment(asha.user, other, day=TUESDAY, time="11:00"), Status.CONFIRMED)
    move(
        Appointment.objects.get(id=booked_for(app, asha, sister, other, appointmentTime="10:00")["_id"]),
        Status.CONFIRMED,
    )
    record = get(app, factories.sign_in(app, other), f"/patients/{asha.user.id}")["patient"]
    assert [one["name"] for one in record["dependents"]] == ["Anika Verma"]
    whole = get(app, sign_in_staff(app, Role.RECEPTIONIST), f"/patients/{asha.user.id}")["patient"]
    assert [one["name"] for one in whole["dependents"]] == ["Aarav Verma", "Anika Verma"]


def test_doctor_does_not_find_a_patient_by_the_name_of_a_member(app: Flask, asha: SignedIn) -> None:
    doctor = factories.make_doctor(MORNING)
    make_member(asha.user, "Zubin Rao")
    move(factories.make_appointment(asha.user, doctor, day=TUESDAY), Status.CONFIRMED)
    caller = factories.sign_in(app, doctor)

    found = [get(app, caller, "/patients", search=typed)["items"] for typed in ("zubin", "asha verma zu", "asha")]

    assert [len(items) for items in found] == [0, 0, 1]


def test_doctor_cannot_treat_the_own_family(app: Flask) -> None:
    doctor = factories.make_doctor(MORNING)
    member, caller = make_member(doctor), factories.sign_in(app, doctor)

    refused = book_for(app, caller, member, doctor)

    assert factories.invalid_fields(refused) == ["doctorId"]
    assert "family" in refused.text


def test_first_appointment_is_each_persons_own(app: Flask, asha: SignedIn) -> None:
    doctor, member, desk = factories.make_doctor(EVERY_MORNING), make_member(asha.user), sign_in_staff(app)
    earlier = factories.make_appointment(asha.user, doctor, day=TUESDAY)
    move(earlier, Status.CONFIRMED)
    Appointment.objects(id=earlier.id).update(set__status=Status.COMPLETED)
    wednesday = {"appointmentDate": "2026-12-02"}
    data_of(book(app, asha, doctor, appointmentTime="09:00", **wednesday), 201)
    booked_for(app, asha, member, doctor, appointmentTime="09:30", **wednesday)

    rows = get(app, desk, "/appointments/day", date="2026-12-02")["items"]

    assert {("dependent" in row): row["isFirstAppointment"] for row in rows} == {False: False, True: True}
