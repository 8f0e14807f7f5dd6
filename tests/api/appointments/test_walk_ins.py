"""One who walks in gets the next free slot of today, or an overflow place after the doctor's last slot."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from icalendar import Calendar

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import OVERFLOW_SEAT, Status
from arthomed.appointments.service import consistency, transitions
from arthomed.core.permissions import Role
from arthomed.scheduling.models import Slot
from arthomed.users import service as users
from arthomed.users.models import User
from tests import factories
from tests.api.appointments.bookings import MORNING, alternatives
from tests.api.appointments.clinic import sign_in_staff
from tests.api.appointments.desk import TUESDAY, book_at_desk, by_id, by_number, tuesday_at, walk_in
from tests.factories import Records, SignedIn, data_of, error_of

pytestmark = pytest.mark.usefixtures("database", "tuesday_at_seven")

HOUR = factories.every_day("09:00", "10:00")[1:2]  # two slots on Tuesdays
LATE = factories.every_day("23:00", "24:00")[1:2]


@pytest.fixture
def desk(app: Flask, database: Records) -> SignedIn:
    del database  # it is emptied first
    return sign_in_staff(app)


def booked(app: Flask, desk: SignedIn, doctor: User, at: str = "07:00", **more: Any) -> Any:
    """The appointment of a walk-in at a time of Tuesday."""
    with tuesday_at(at):
        caller = factories.sign_in(app, desk.user)
        return data_of(walk_in(app, caller, doctor, **more), 201)["appointment"]


def stored(appointment: Any) -> Appointment:
    found: Appointment = Appointment.objects.get(id=appointment["_id"])
    return found


def overflow(app: Flask, desk: SignedIn, doctor: User, at: str = "09:40") -> Any:
    """An overflow place of a doctor with the hours HOUR."""
    while (found := booked(app, desk, doctor, at))["appointmentTime"] != "10:00":
        pass
    return found


def put_status(app: Flask, user: User, appointment: Any, status: str, at: str) -> tuple[int, str]:
    with tuesday_at(at):
        path = f"/api/appointments/{appointment['_id']}/status"
        return error_of(
            app.test_client().put(path, json={"status": status}, headers=factories.sign_in(app, user).headers)
        )


def test_walk_in_is_confirmed_and_has_arrived(app: Flask, desk: SignedIn) -> None:
    appointment = booked(app, desk, factories.make_doctor(HOUR))

    assert (appointment["status"], appointment["source"]) == ("confirmed", "walk-in")
    assert (appointment["appointmentDate"], appointment["appointmentTime"]) == ("2026-12-01", "09:00")
    arrived_at = appointment["queue"].pop("arrivedAt")
    assert arrived_at.startswith("2026-12-01T01:30:")
    times = dict.fromkeys(["calledAt", "startedAt", "completedAt"])
    assert appointment["queue"] == {
        **times,
        "token": 1,
        "stage": "waiting",
        "priority": None,
        "skips": 0,
        "expectedWait": None,
    }
    assert stored(appointment).seat == 1


@pytest.mark.parametrize(
    ("at", "time"), [("07:00", "09:00"), ("09:00", "09:00"), ("09:29", "09:00"), ("09:30", "09:30"), ("09:59", "09:30")]
)
def test_slot_that_has_begun_counts_until_its_end(app: Flask, desk: SignedIn, at: str, time: str) -> None:
    assert booked(app, desk, factories.make_doctor(HOUR), at)["appointmentTime"] == time


def test_walk_in_gets_the_first_slot_with_a_free_seat(app: Flask, desk: SignedIn) -> None:
    doctor = factories.make_doctor(factories.every_day("09:00", "10:30", max_patients=2)[1:2])
    for time in ("09:00", "09:00", "10:00"):
        factories.make_appointment(doctor=doctor, day=TUESDAY, time=time)

    times = [booked(app, desk, doctor)["appointmentTime"] for _ in range(4)]

    assert times == ["09:30", "09:30", "10:00", "10:30"]
    assert list(consistency.violations()) == []


def test_walk_in_on_a_full_day_gets_an_overflow_place_after_the_last_slot(app: Flask, desk: SignedIn) -> None:
    doctor = factories.make_doctor(HOUR, fee=700)
    places = [booked(app, desk, doctor) for _ in range(4)]

    assert [one["appointmentTime"] for one in places] == ["09:00", "09:30", "10:00", "10:00"]
    assert [one["queue"]["token"] for one in places] == [1, 2, 3, 4]
    last = stored(places[-1])
    assert (last.slot, last.seat) == (None, OVERFLOW_SEAT + 4)
    assert (last.starts_at, last.ends_at) == tuple(factories.at_clinic(TUESDAY, time) for time in ("10:00", "10:30"))
    assert (places[-1]["appointmentDate"], places[-1]["paymentInfo"]["amount"]) == ("2026-12-01", 700)
    assert not {"slot", "seat"} & set(places[-1])
    assert list(consistency.violations()) == []


def test_tokens_count_from_one_for_each_doctor_and_day(app: Flask, desk: SignedIn) -> None:
    doctors = [factories.make_doctor(factories.every_day("09:00", "10:00")) for _ in range(2)]

    assert [booked(app, desk, doctor)["queue"]["token"] for doctor in (*doctors, *doctors)] == [1, 1, 2, 2]
    with time_machine.travel(factories.at_clinic(TUESDAY + timedelta(days=1), "07:00"), tick=True):
        response = walk_in(app, factories.sign_in(app, desk.user), doctors[0])
    assert data_of(response, 201)["appointment"]["queue"]["token"] == 1


def test_blocked_slots_are_left_out(app: Flask, desk: SignedIn) -> None:
    doctor = factories.make_doctor(HOUR)
    Slot.objects(doctor=doctor.id, start_time="09:30").update(set__is_blocked=True, set__is_available=False)

    assert [booked(app, desk, doctor)["appointmentTime"] for _ in range(2)] == ["09:00", "09:30"]
    Slot.objects(doctor=doctor.id).update(set__is_blocked=True, set__is_available=False)
    assert error_of(walk_in(app, desk, doctor)) == (400, "SLOT_UNAVAILABLE")


def test_doctor_without_hours_today_has_no_overflow_places(app: Flask, desk: SignedIn, database: Records) -> None:
    doctor, mobile = factories.make_doctor(factories.every_day("09:00", "10:00")[2:3]), factories.new_mobile()

    refused = walk_in(app, desk, doctor, by_number(mobile))

    assert error_of(refused) == (400, "SLOT_UNAVAILABLE")
    assert alternatives(refused)[:2] == ["2026-12-02 09:00", "2026-12-02 09:30"]
    assert users.find_by_mobile(mobile) is None
    assert database.counters.count_documents({}) == 0


@pytest.mark.parametrize(("at", "expected"), [("14:29", (201, "")), ("14:31", (400, "SLOT_UNAVAILABLE"))])
def test_no_overflow_place_is_given_that_could_not_be_started(
    app: Flask, desk: SignedIn, at: str, expected: tuple[int, str]
) -> None:
    doctor = factories.make_doctor(HOUR)

    with tuesday_at(at):
        assert error_of(walk_in(app, factories.sign_in(app, desk.user), doctor)) == expected


def test_overflow_place_after_hours_until_midnight_is_at_24_00(app: Flask, client: FlaskClient, desk: SignedIn) -> None:
    doctor = factories.make_doctor(LATE)
    place = [booked(app, desk, doctor, "23:05") for _ in range(3)][-1]

    assert (place["appointmentDate"], place["appointmentTime"]) == ("2026-12-01", "24:00")
    assert place["startsAt"] == "2026-12-01T18:30:00.000Z"
    patient = factories.sign_in(app, users.get(stored(place).patient_id))
    event_file = client.get(f"/api/appointments/{place['_id']}/calendar.ics", headers=patient.headers)
    [event] = Calendar.from_ical(event_file.data).walk("VEVENT")
    assert event.decoded("dtstart") == factories.at_clinic(TUESDAY + timedelta(days=1), "00:00")
    assert put_status(app, doctor, place, "in-progress", "23:50") == (200, "")


def test_overflow_place_can_be_started_from_arrival(app: Flask, desk: SignedIn) -> None:
    doctor = factories.make_doctor(factories.every_day("09:00", "17:00")[1:2])
    for time in [f"{hour:02}:{minute}" for hour in range(9, 17) for minute in ("00", "30")]:
        factories.make_appointment(doctor=doctor, day=TUESDAY, time=time)
    place = booked(app, desk, doctor, "09:10")

    assert place["appointmentTime"] == "17:00"
    assert put_status(app, doctor, place, "in-progress", "09:11") == (200, "")


@pytest.mark.parametrize("target", [Status.CANCELLED, Status.NO_SHOW])
def test_leaving_an_overflow_place_frees_no_slot(app: Flask, desk: SignedIn, target: Status) -> None:
    doctor = factories.make_doctor(HOUR)
    place = overflow(app, desk, doctor)
    before = [slot.to_mongo() for slot in Slot.objects(doctor=doctor.id)]

    assert put_status(app, desk.user, place, str(target), "10:10") == (200, "")

    assert [slot.to_mongo() for slot in Slot.objects(doctor=doctor.id)] == before
    assert list(consistency.violations()) == []


def test_no_show_in_an_overflow_place_is_undone_without_a_slot(app: Flask, desk: SignedIn) -> None:
    doctor = factories.make_doctor(HOUR)
    place = overflow(app, desk, doctor)
    put_status(app, desk.user, place, "no-show", "10:10")
    other = booked(app, desk, doctor, "10:11")

    assert put_status(app, desk.user, place, "confirmed", "10:12") == (200, "")

    assert (stored(place).slot, stored(place).seat) == (None, OVERFLOW_SEAT + place["queue"]["token"])
    assert stored(place).seat != stored(other).seat
    assert list(consistency.violations()) == []


def test_token_and_number_of_a_cancelled_place_are_not_given_again(app: Flask, desk: SignedIn) -> None:
    doctor = factories.make_doctor(HOUR)
    place = overflow(app, desk, doctor)
    admin = factories.actor_of(factories.make_user(Role.ADMIN))
    transitions.cancel(admin, stored(place).id, reason=None)

    again = booked(app, desk, doctor, "09:45")

    assert again["queue"]["token"] == place["queue"]["token"] + 1
    assert stored(again).seat == stored(place).seat + 1


def test_freed_slot_comes_before_an_overflow_place(app: Flask, desk: SignedIn) -> None:
    doctor = factories.make_doctor(HOUR)
    first, second, _ = (booked(app, desk, doctor) for _ in range(3))
    transitions.cancel(factories.actor_of(desk.user), stored(second).id, reason=None)

    assert booked(app, desk, doctor)["appointmentTime"] == second["appointmentTime"]
    assert first["appointmentTime"] == "09:00"


def test_walk_in_of_a_patient_with_an_appointment_that_day_is_refused(app: Flask, desk: SignedIn) -> None:
    doctor, patient = factories.make_doctor(MORNING), factories.make_user()
    data_of(book_at_desk(app, desk, by_id(patient), doctor, appointmentDate=TUESDAY.isoformat()), 201)

    assert error_of(walk_in(app, desk, doctor, by_id(patient))) == (400, "DUPLICATE_VALUE")


def test_refused_walk_in_takes_no_token(app: Flask, desk: SignedIn) -> None:
    doctor, patient = factories.make_doctor(MORNING), factories.make_user()
    data_of(walk_in(app, desk, doctor, by_id(patient)), 201)
    assert error_of(walk_in(app, desk, doctor, by_id(patient))) == (400, "DUPLICATE_VALUE")

    assert booked(app, desk, doctor)["queue"]["token"] == 2


def test_repeated_walk_in_with_its_key_takes_one_token(app: Flask, desk: SignedIn, database: Records) -> None:
    doctor, patient = factories.make_doctor(HOUR), by_number()

    responses = [walk_in(app, desk, doctor, patient, "a-key-of-the-desk") for _ in range(3)]

    assert len({data_of(one, 201)["appointment"]["_id"] for one in responses}) == 1
    assert database.counters.find_one({}, {"_id": 0, "value": 1}) == {"value": 1}


def test_walk_in_gets_one_confirmation(app: Flask, desk: SignedIn, database: Records) -> None:
    booked(app, desk, factories.make_doctor(HOUR))

    [message] = database.notifications.find()
    assert (message["kind"], message["channel"]) == ("appointment-confirmed", "sms")


def test_parallel_walk_ins_and_bookings_of_the_same_slots_share_no_seat(app: Flask, desk: SignedIn) -> None:
    doctor = factories.make_doctor(factories.every_day("09:00", "11:00")[1:2])
    times = ["09:00", "09:30", "10:00", "10:30"]

    def send(at: int) -> Any:
        if at % 2:
            return walk_in(app, desk, doctor)
        day = TUESDAY.isoformat()
        return book_at_desk(app, desk, by_number(), doctor, appointmentDate=day, appointmentTime=times[at // 2])

    responses = factories.in_parallel(8, send)

    assert {error_of(one) for one in responses} <= {(201, ""), (400, "SLOT_UNAVAILABLE")}
    assert [one.status_code for one in responses[1::2]] == [201] * 4
    tokens = [one.json["data"]["appointment"]["queue"]["token"] for one in responses[1::2]]
    assert sorted(tokens) == [1, 2, 3, 4]
    assert [slot.taken_seats for slot in factories.slots_of(doctor, TUESDAY)] == [[1]] * 4
    assert list(consistency.violations()) == []


def test_refused_walk_ins_take_no_seat_from_those_who_arrive_at_the_same_moment(app: Flask, desk: SignedIn) -> None:
    doctor = factories.make_doctor(factories.every_day("09:00", "10:00", max_patients=4)[1:2])
    nobody = {"patientId": str(factories.UNKNOWN_ID)}

    responses = factories.in_parallel(8, lambda nth: walk_in(app, desk, doctor, nobody if nth % 2 else None))

    assert sorted(one.status_code for one in responses) == [201] * 4 + [404] * 4
    assert [slot.taken_seats for slot in factories.slots_of(doctor, TUESDAY)] == [[1, 2, 3, 4], []]
    assert list(consistency.violations()) == []


def test_patient_has_overflow_places_of_two_doctors_that_end_at_the_same_time(app: Flask, desk: SignedIn) -> None:
    patient, doctors = factories.make_user(), [factories.make_doctor(HOUR) for _ in range(2)]
    for doctor in doctors:
        overflow(app, desk, doctor)

    places = [booked(app, desk, doctor, "09:45", patient=by_id(patient)) for doctor in doctors]

    assert {one["appointmentTime"] for one in places} == {"10:00"}
    assert list(consistency.violations()) == []


def test_patient_of_an_overflow_place_may_have_an_appointment_at_its_time(app: Flask, desk: SignedIn) -> None:
    patient, doctor = factories.make_user(), factories.make_doctor(HOUR)
    other = factories.make_doctor(factories.every_day("10:00", "10:30")[1:2])
    factories.make_appointment(patient, other, day=TUESDAY, time="10:00")
    overflow(app, desk, doctor)

    assert booked(app, desk, doctor, "09:45", patient=by_id(patient))["appointmentTime"] == "10:00"


def test_patient_has_one_overflow_place_of_a_doctor_and_day(app: Flask, desk: SignedIn) -> None:
    patient, doctor = factories.make_user(), factories.make_doctor(HOUR)
    overflow(app, desk, doctor)
    booked(app, desk, doctor, "09:45", patient=by_id(patient))

    with tuesday_at("09:50"):
        again = walk_in(app, factories.sign_in(app, desk.user), doctor, by_id(patient))

    assert error_of(again) == (400, "DUPLICATE_VALUE")
