"""Answers that are kept for a moment: the same for whoever may ask, and another one once something has changed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from functools import partial
from itertools import count
from typing import Any, TypeVar

import pytest
import time_machine
from arthomed.infra.versions import RedisVersions
from flask import Flask
from flask.testing import FlaskClient
from mongoengine.connection import get_db

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import reading, staff, transitions
from arthomed.auth.service import sessions
from arthomed.core import clock
from arthomed.core.actor import Actor
from arthomed.core.permissions import Role
from arthomed.infra import versions
from arthomed.scheduling import service as scheduling
from arthomed.users import service as users
from arthomed.users.models import User
from tests import factories
from tests.factories import SignedIn, told
from tests.stack import wait_for

T = TypeVar("T")
Change = Callable[[User, SignedIn], object]


@pytest.fixture(autouse=True)
def _slow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time between two questions ends no copy; that is tested with Redis, and would hide what isn't called off."""
    monkeypatch.setattr(versions, "_MOST_SILENT_SECONDS", 60)


@pytest.fixture
def doctor(client: FlaskClient) -> User:
    del client  # it empties the database
    return factories.make_doctor(factories.every_day("09:00", "13:00"))


def slots_path(doctor: User) -> str:
    return f"/api/appointments/slots?doctorId={doctor.id}&date={factories.tomorrow()}"


def doctors_path(_: User) -> str:
    return "/api/users/doctors"


PATHS = pytest.mark.parametrize("path", [slots_path, doctors_path])


@contextmanager
def watched() -> Iterator[list[Any]]:
    """What is asked of MongoDB meanwhile."""
    database, asked = get_db(), list[Any]()
    database.command("profile", 2)
    try:
        yield asked
    finally:
        database.command("profile", 0)
        asked.extend(database["system.profile"].find({"command.profile": {"$exists": False}}))
        database["system.profile"].drop()


def told_by_a_copy(ask: Callable[[], T]) -> T:
    """What is told without asking the database; the first time may be too long after the last that Redis was asked."""

    def asked_nothing() -> list[T] | None:
        with watched() as asked:
            answer = ask()
        return None if asked else [answer]

    return wait_for(asked_nothing, what="an answer from a copy")[0]


@PATHS
def test_the_same_is_told_to_all_who_may_ask_without_asking_the_database(
    app: Flask, client: FlaskClient, doctor: User, path: Callable[[User], str]
) -> None:
    people = [factories.sign_in(app), factories.sign_in(app, factories.make_user(Role.RECEPTIONIST))]
    first = [told(client.get(path(doctor), headers=one.headers)) for one in people]

    again = told_by_a_copy(lambda: [told(client.get(path(doctor), headers=one.headers)) for one in people])

    assert again == first == [first[0]] * 2


@PATHS
def test_a_copy_is_for_those_only_who_may_ask(
    app: Flask, client: FlaskClient, doctor: User, person: SignedIn, path: Callable[[User], str]
) -> None:
    told(client.get(path(doctor), headers=person.headers))
    gone = factories.sign_in(app)
    told(client.get(path(doctor), headers=gone.headers))
    told(client.post("/api/auth/logout", headers=gone.headers))

    assert factories.refused(client.get(path(doctor))) == (401, "NO_TOKEN")
    assert factories.refused(client.get(path(doctor), headers=gone.headers)) == (401, "SESSION_REVOKED")


class TestKilledBeforeItTold:
    """Whoever asks again, as people do who got no answer, is acknowledged, and then it counts."""

    @pytest.fixture(autouse=True)
    def _untold(self, monkeypatch: pytest.MonkeyPatch) -> None:
        forget, calls = RedisVersions.forget, count()
        monkeypatch.setattr(RedisVersions, "forget", lambda *it: forget(*it) if next(calls) else None)

    def test_a_deactivation(self, client: FlaskClient, person: SignedIn, admin: SignedIn) -> None:
        ask = partial(client.get, "/api/users/doctors", headers=person.headers)
        told_by_a_copy(lambda: told(ask()))
        for _ in range(2):
            told(client.delete(f"/api/users/{person.user.id}", headers=admin.headers))

        assert factories.refused(ask()) == (401, "USER_INACTIVE")

    def test_signing_out_everywhere(self, app: Flask, client: FlaskClient, person: SignedIn) -> None:
        another = factories.sign_in(app, person.user)
        ask = partial(client.get, "/api/users/doctors", headers=another.headers)
        told_by_a_copy(lambda: told(ask()))
        first = [sessions.end_all_sessions(factories.acting(person.user), person.user.id) for _ in range(2)]

        assert [len(ended) for ended in first] == [2, 0]
        assert factories.refused(ask()) == (401, "SESSION_REVOKED")

    def test_a_booking(self, client: FlaskClient, person: SignedIn, doctor: User) -> None:
        def free() -> list[str]:
            found = told(client.get(slots_path(doctor), headers=person.headers))["availableSlots"]
            return [slot["startTime"] for slot in found]

        told_by_a_copy(free)
        body, headers = factories.booking_body(doctor), {**person.headers, "Idempotency-Key": "tried-twice"}
        for _ in range(2):
            told(client.post("/api/appointments/book", json=body, headers=headers), 201)

        assert body["appointmentTime"] not in free()


def book(doctor: User, admin: SignedIn) -> None:
    del admin
    factories.make_visit(doctor=doctor, time="10:00")


def cancel(doctor: User, admin: SignedIn) -> None:
    del doctor
    visit = Appointment.objects.get()
    transitions.cancel(factories.acting(admin.user), visit.id, reason=None)


def change_the_hours(doctor: User, admin: SignedIn) -> None:
    week = [{**one, "is_available": True} for one in factories.every_day("09:00", "10:00")]
    scheduling.save_schedule(factories.acting(admin.user), doctor.id, week)


def raise_the_fee(doctor: User, admin: SignedIn) -> None:
    staff.update(factories.acting(admin.user), doctor.id, {"doctor_info": {"consultation_fee": 900}})


def rename(doctor: User, admin: SignedIn) -> None:
    users.update(doctor.id, {"name": "Dr Another Name"}, by=factories.acting(admin.user))


def make_a_patient_of(doctor: User, admin: SignedIn) -> None:
    staff.update(factories.acting(admin.user), doctor.id, {"role": "patient"})


def deactivate(doctor: User, admin: SignedIn) -> None:
    staff.set_active(factories.acting(admin.user), doctor.id, is_active=False)


def add_a_doctor(doctor: User, admin: SignedIn) -> None:
    del doctor, admin
    factories.make_doctor([])


@pytest.mark.parametrize(
    ("path", "change"),
    [
        *((slots_path, one) for one in (book, cancel, change_the_hours, raise_the_fee, rename, deactivate)),
        *((doctors_path, one) for one in (change_the_hours, raise_the_fee, rename, deactivate, add_a_doctor)),
        (slots_path, make_a_patient_of),
        (doctors_path, make_a_patient_of),
    ],
)
def test_the_next_answer_knows_of_a_change(
    client: FlaskClient, doctor: User, person: SignedIn, admin: SignedIn, path: Callable[[User], str], change: Change
) -> None:
    factories.make_visit(doctor=doctor, time="12:00")
    before: list[Any] = [client.get(path(doctor), headers=person.headers).json for _ in range(2)]
    change(doctor, admin)

    after: Any = client.get(path(doctor), headers=person.headers).json

    assert before[0]["data"] == before[1]["data"] != after.get("data")


def test_a_slot_that_begins_is_not_free_in_a_copy(client: FlaskClient, app: Flask, doctor: User) -> None:
    path, begins = slots_path(doctor), factories.at_clinic(factories.tomorrow(), "09:30")

    def first_free(person: SignedIn) -> str:
        found: str = told(client.get(path, headers=person.headers))["availableSlots"][0]["startTime"]
        return found

    with time_machine.travel(begins - timedelta(seconds=1), tick=False) as traveller:
        person = factories.sign_in(app)
        before = [first_free(person) for _ in range(2)]
        traveller.shift(1)

        assert (before, first_free(person)) == (["09:30", "09:30"], "10:00")


def test_searches_for_doctors_who_are_free_are_not_copied(client: FlaskClient, doctor: User, person: SignedIn) -> None:
    path = f"/api/users/doctors?date={clock.now():%Y-%m-%d}"
    answers = []
    for _ in range(2):
        with watched() as asked:
            answers.append(told(client.get(path, headers=person.headers)))
        assert asked


class TestOwnVisits:
    PATH = "/api/appointments/my-appointments"

    @pytest.fixture
    def visit(self, person: SignedIn, doctor: User) -> Appointment:
        return factories.make_visit(person.user, doctor, time="10:00")

    def mine(self, client: FlaskClient, who: SignedIn, query: str = "") -> Any:
        return told(client.get(self.PATH + query, headers=who.headers))

    @pytest.mark.parametrize("query", ["", "?when=upcoming"])
    def test_are_told_again_without_asking_the_database(
        self, client: FlaskClient, person: SignedIn, visit: Appointment, query: str
    ) -> None:
        before = self.mine(client, person, query)

        again = told_by_a_copy(lambda: self.mine(client, person, query))

        assert [one["_id"] for one in again["items"]] == [str(visit.id)]
        assert again == before

    def test_are_told_to_nobody_else(
        self, app: Flask, client: FlaskClient, person: SignedIn, visit: Appointment
    ) -> None:
        another = factories.sign_in(app)
        told_twice = [[len(self.mine(client, one)["items"]) for one in (person, another)] for _ in range(2)]

        assert told_twice == [[1, 0]] * 2
        assert visit.patient_id == person.user.id

    @pytest.mark.parametrize(
        "change",
        [
            lambda visit, _: factories.make_visit(visit.patient, visit.doctor, day=later(), time="11:00"),
            lambda visit, admin: transitions.cancel(factories.acting(admin), visit.id, reason=None),
            lambda visit, admin: transitions.change_status(factories.acting(admin), visit.id, Status.CONFIRMED),
            lambda visit, _: reading.edit(factories.acting(visit.patient), visit.id, {"reason": "Another"}),
            lambda visit, admin: users.update(visit.doctor_id, {"name": "Dr Else"}, by=factories.acting(admin)),
            lambda visit, admin: rename_a_former_doctor(visit.doctor, factories.acting(admin)),
            lambda visit, _: users.update(visit.patient_id, {"name": "Asha"}, by=factories.acting(visit.patient)),
        ],
        ids=["book", "cancel", "confirm", "edit", "rename the doctor", "rename a former doctor", "rename oneself"],
    )
    def test_know_of_a_change(
        self,
        client: FlaskClient,
        person: SignedIn,
        admin: SignedIn,
        visit: Appointment,
        change: Callable[[Appointment, User], object],
    ) -> None:
        before = [self.mine(client, person) for _ in range(2)]
        change(visit, admin.user)

        assert before[0] == before[1] != self.mine(client, person)

    def test_know_of_a_first_file(self, client: FlaskClient, person: SignedIn, visit: Appointment) -> None:
        before = [self.mine(client, person)["items"][0]["images"] for _ in range(2)]
        form = {"appointmentId": str(visit.id), "category": "reports", "files": [factories.picture()]}
        told(client.post("/api/files/upload/appointments", data=form, headers=person.headers))

        assert (before, len(self.mine(client, person)["items"][0]["images"])) == ([[], []], 1)

    def test_with_files_are_read_each_time_because_workers_look_at_those(
        self, client: FlaskClient, person: SignedIn, visit: Appointment
    ) -> None:
        factories.make_file(visit, person.user)
        for _ in range(2):
            with watched() as asked:
                self.mine(client, person)
            assert asked

    def test_that_begin_are_no_coming_ones_in_a_copy(self, app: Flask, client: FlaskClient, visit: Appointment) -> None:
        with time_machine.travel(visit.starts_at - timedelta(seconds=1), tick=False) as traveller:
            person = factories.sign_in(app, visit.patient)
            before = [len(self.mine(client, person, "?when=upcoming")["items"]) for _ in range(2)]
            traveller.shift(2)

            assert (before, self.mine(client, person, "?when=upcoming")["items"]) == ([1, 1], [])


def rename_a_former_doctor(doctor: User, admin: Actor) -> None:
    users.update(doctor.id, {"role": "receptionist"}, by=admin)
    users.update(doctor.id, {"name": "Another Name"}, by=admin)


def later() -> date:
    return factories.tomorrow() + timedelta(days=1)
