"""A doctor's slots of one day, and the availability of up to 42 days."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from bson import ObjectId
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from arthomed.auth.service import sessions
from arthomed.core.actor import SYSTEM
from arthomed.users.models import User
from tests import factories
from tests.factories import Records

TUESDAY = date(2026, 12, 1)
MORNING = factories.every_day("09:00", "11:00")


@pytest.fixture(autouse=True)
def quarter_to_ten() -> Iterator[None]:
    with time_machine.travel(datetime(2026, 12, 1, 4, 15, tzinfo=UTC), tick=True):
        yield


def slots(client: FlaskClient, app: Flask, doctor: User, day: date) -> Any:
    query = {"doctorId": str(doctor.id), "date": day.isoformat()}
    return factories.data_of(
        client.get("/api/appointments/slots", query_string=query, headers=factories.sign_in(app).headers)
    )


def times(found: list[dict[str, Any]]) -> list[str]:
    return [slot["startTime"] for slot in found]


def test_response_has_doctor_date_and_free_slots_in_order(app: Flask, client: FlaskClient) -> None:
    doctor = factories.make_doctor(MORNING)

    found = slots(client, app, doctor, TUESDAY + timedelta(days=1))

    assert (found["doctor"]["_id"], found["date"]) == (str(doctor.id), "2026-12-02")
    assert times(found["availableSlots"]) == ["09:00", "09:30", "10:00", "10:30"]
    assert found["bookedSlots"] == []


def test_slot_that_starts_now_is_not_available(app: Flask, client: FlaskClient) -> None:
    doctor = factories.make_doctor(MORNING)
    with time_machine.travel(factories.at_clinic(TUESDAY, "10:00"), tick=False):
        assert times(slots(client, app, doctor, TUESDAY)["availableSlots"]) == ["10:30"]


def test_booked_slot_does_not_reveal_the_patient(app: Flask, client: FlaskClient) -> None:
    doctor = factories.make_doctor(MORNING)
    factories.make_appointment(doctor=doctor, day=TUESDAY, time="10:00")

    found = slots(client, app, doctor, TUESDAY)

    assert times(found["availableSlots"]) == ["10:30"]
    [booked] = found["bookedSlots"]
    assert booked.pop("_id")
    assert booked == {
        "startTime": "10:00",
        "endTime": "10:30",
        "isAvailable": False,
        "consultationFee": 500,
        "maxPatients": 1,
        "bookedPatients": 1,
    }


def test_slot_for_two_patients_is_available_until_both_seats_are_booked(app: Flask, client: FlaskClient) -> None:
    doctor = factories.make_doctor(factories.every_day("10:00", "10:30", max_patients=2))
    factories.make_appointment(doctor=doctor, day=TUESDAY, time="10:00")
    assert [slot["bookedPatients"] for slot in slots(client, app, doctor, TUESDAY)["availableSlots"]] == [1]
    factories.make_appointment(doctor=doctor, day=TUESDAY, time="10:00")

    found = slots(client, app, doctor, TUESDAY)

    assert (times(found["availableSlots"]), times(found["bookedSlots"])) == ([], ["10:00"])


def test_reading_slots_writes_nothing(app: Flask, client: FlaskClient, database: Records) -> None:
    doctor = factories.make_doctor([])
    slots(client, app, doctor, TUESDAY)

    assert database.slots.count_documents({}) == 0


@pytest.mark.parametrize(
    "query", [{}, {"date": "2026-12-01"}, {"date": "1 Dec"}, {"date": "2026-02-30"}, {"who": "me"}], ids=str
)
def test_invalid_query_is_refused(app: Flask, client: FlaskClient, query: dict[str, str]) -> None:
    headers = factories.sign_in(app).headers
    answer = client.get("/api/appointments/slots", query_string=query, headers=headers)

    assert factories.error_of(answer) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("parts", [{"is_active": False}, {"is_verified": False}], ids=str)
def test_slots_of_a_doctor_who_is_not_bookable_are_not_found(
    app: Flask, client: FlaskClient, parts: dict[str, bool]
) -> None:
    doctor = factories.make_doctor(MORNING, **parts)
    query = {"doctorId": str(doctor.id), "date": "2026-12-01"}

    answer = client.get("/api/appointments/slots", query_string=query, headers=factories.sign_in(app).headers)

    assert factories.error_of(answer) == (404, "NOT_FOUND")
    assert availability(client, app, doctor.id, TUESDAY, TUESDAY).status_code == 404


def availability(client: FlaskClient, app: Flask, doctor_id: ObjectId, first: date, last: date) -> Any:
    return client.get(
        f"/api/users/doctors/{doctor_id}/availability",
        query_string={"from": first.isoformat(), "to": last.isoformat()},
        headers=factories.sign_in(app).headers,
    )


def test_availability_counts_free_and_all_slots_of_each_day(app: Flask, client: FlaskClient) -> None:
    doctor = factories.make_doctor([{"day": "tuesday", "start_time": "09:00", "end_time": "11:00"}])
    factories.make_appointment(doctor=doctor, day=TUESDAY, time="10:00")
    factories.make_appointment(doctor=doctor, day=TUESDAY + timedelta(days=7), time="09:00")

    days = factories.data_of(availability(client, app, doctor.id, TUESDAY, TUESDAY + timedelta(days=7)))["days"]

    assert days == [
        {"date": "2026-12-01", "free": 1, "total": 2},
        *[{"date": f"2026-12-0{day}", "free": 0, "total": 0} for day in range(2, 8)],
        {"date": "2026-12-08", "free": 3, "total": 4},
    ]


def test_availability_counts_started_slots_as_not_free(app: Flask, client: FlaskClient) -> None:
    doctor = factories.make_doctor(MORNING)
    with time_machine.travel(factories.at_clinic(TUESDAY, "10:10"), tick=True):
        days = factories.data_of(availability(client, app, doctor.id, TUESDAY, TUESDAY))["days"]

    assert days == [{"date": "2026-12-01", "free": 1, "total": 2}]


@pytest.mark.parametrize(("ahead", "status"), [(-1, 400), (0, 200), (41, 200), (42, 400)])
def test_availability_spans_at_most_42_days(app: Flask, client: FlaskClient, ahead: int, status: int) -> None:
    doctor = factories.make_doctor([])

    answer = availability(client, app, doctor.id, TUESDAY, TUESDAY + timedelta(days=ahead))

    assert answer.status_code == status


def test_availability_of_42_days_is_one_query(app: Flask, client: FlaskClient, database: Records) -> None:
    doctor = factories.make_doctor(MORNING)
    before = uses_of_indexes(database)

    factories.data_of(availability(client, app, doctor.id, TUESDAY, TUESDAY + timedelta(days=41)))

    assert uses_of_indexes(database) - before == 1


def uses_of_indexes(database: Records) -> int:
    """The number of index accesses on `slots` so far, as MongoDB counts them."""
    return sum(int(index["accesses"]["ops"]) for index in database.slots.aggregate([{"$indexStats": {}}]))


class TestConditionalRequests:
    """Apps poll a day's slots with `If-None-Match`."""

    @pytest.fixture
    def get_slots(self, app: Flask, client: FlaskClient) -> Callable[..., TestResponse]:
        doctor, patient = factories.make_doctor(MORNING), factories.sign_in(app)
        path = f"/api/appointments/slots?doctorId={doctor.id}&date={TUESDAY + timedelta(days=1)}"

        def get(**headers: str) -> TestResponse:
            return client.get(path, headers={**patient.headers, **headers})

        return get

    def test_unchanged_slots_return_not_modified(self, get_slots: Callable[..., TestResponse]) -> None:
        first = get_slots()

        again = get_slots(**{"If-None-Match": first.headers["ETag"]})

        assert (again.status_code, again.data) == (304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]
        assert first.headers["Cache-Control"] == again.headers["Cache-Control"] == "private, no-cache"

    def test_changed_slots_are_sent(self, get_slots: Callable[..., TestResponse]) -> None:
        known = get_slots().headers["ETag"]
        factories.make_appointment(
            doctor=User.objects.get(role="doctor"), day=TUESDAY + timedelta(days=1), time="10:00"
        )

        assert get_slots(**{"If-None-Match": known}).status_code == 200

    def test_ended_session_is_refused_despite_a_matching_etag(
        self, get_slots: Callable[..., TestResponse], database: Records
    ) -> None:
        known = get_slots().headers["ETag"]
        sessions.end_all_sessions(SYSTEM, database.sessions.find_one({})["user"])  # type: ignore[index]

        assert factories.error_of(get_slots(**{"If-None-Match": known})) == (401, "SESSION_REVOKED")
