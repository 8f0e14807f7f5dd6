"""The list of the day: what its rows show, who gets which, its ETag, and the audit trail of its readers."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from arthomed.appointments.models import Appointment
from arthomed.audit import service as audit
from arthomed.audit.models import AuditEvent
from arthomed.core import clock
from arthomed.core.actor import SYSTEM
from arthomed.core.permissions import Role
from arthomed.http import cache as http_cache
from arthomed.http import tokens
from arthomed.notifications.models import Notification, State
from arthomed.scheduling import single_slots
from arthomed.scheduling.bookability import BlockReason
from arthomed.scheduling.models import Slot
from arthomed.users import service as users
from arthomed.users.models import User
from tests import factories
from tests.api.frontdesk.waiting_room import HOURS, TUESDAY, WaitingRoom
from tests.factories import Records, SignedIn, data_of
from tests.migrations.plans import profiled

PATH = f"/api/appointments/day?date={TUESDAY}"


def reads(actor: SignedIn) -> list[AuditEvent]:
    audit.flush()
    return list(AuditEvent.objects(actor=actor.user.id, action="read").order_by("at"))


def access_token(room: WaitingRoom, desk: SignedIn) -> str:
    """A new token of a session."""
    with room.app.app_context():
        return tokens.pair(desk.user.id, desk.session_id, 0, desk.user.role).access_token


def block(doctor: User, slot: Slot) -> None:
    single_slots.set_blocked(factories.actor_of(doctor), slot.id, is_blocked=True, reason=BlockReason.PERSONAL)


class TestRows:
    def test_row_shows_the_appointment_its_place_its_message_and_whether_it_is_the_first(
        self, room: WaitingRoom
    ) -> None:
        Notification.objects(subject=room.appointments[0].id).update(set__state=State.SENT)
        room.step("arrive", 0, "08:50")

        day = room.day("08:50")

        row = day["items"][0]
        assert row["_id"] == str(room.appointments[0].id)
        assert row["patient"]["name"] == "Test Patient"
        assert (row["messageState"], row["isFirstAppointment"]) == ("sent", True)
        assert row["queue"] == {
            "token": 1,
            "stage": "waiting",
            "arrivedAt": row["queue"]["arrivedAt"],
            "calledAt": None,
            "startedAt": None,
            "completedAt": None,
            "priority": None,
            "skips": 0,
            "expectedWait": {"fromMinutes": 0, "toMinutes": 10},
        }
        assert day["items"][1]["queue"]["token"] is None
        [doctor] = day["doctors"]
        assert (doctor["name"], doctor["delayMinutes"], doctor["onLeave"]) == ("Test Doctor", 0, False)
        assert doctor["counts"] == {
            **dict.fromkeys(("in-progress", "called", "skipped", "done", "no-show", "cancelled"), 0),
            "waiting": 1,
            "expected": 3,
        }

    def test_a_doctor_whose_slots_of_the_day_are_all_blocked_is_on_leave(self, room: WaitingRoom) -> None:
        def on_leave() -> bool:
            return bool(room.day("08:50")["doctors"][0]["onLeave"])

        first, *others = factories.slots_of(room.doctor, TUESDAY)
        with room.at("08:40"):
            for slot in others:
                block(room.doctor, slot)
        before = on_leave()
        with room.at("08:40"):
            block(room.doctor, first)

        assert (before, on_leave()) == (False, True)

    def test_queues_of_all_doctors_follow_each_other_by_name(self, room: WaitingRoom) -> None:
        first = factories.make_doctor(HOURS, name="Dr Asha Rao")
        patient = factories.make_appointment(None, first, day=TUESDAY, time="11:00")

        day = room.day("08:50")

        assert [doctor["name"] for doctor in day["doctors"]] == ["Dr Asha Rao", "Test Doctor"]
        assert day["items"][0]["_id"] == str(patient.id)
        assert len(room.day("08:50", doctorId=str(room.doctor.id))["items"]) == 4

    def test_doctor_sees_the_own_queue_only(self, room: WaitingRoom) -> None:
        other = factories.make_doctor(HOURS)
        factories.make_appointment(None, other, day=TUESDAY, time="11:00")

        assert len(room.day("08:50", Role.DOCTOR)["items"]) == 4
        with room.at("08:50"):
            client, headers = room.app.test_client(), room.sign_in(Role.DOCTOR).headers
            for doctor in (other.id, factories.UNKNOWN_ID):
                assert factories.error_of(client.get(f"{PATH}&doctorId={doctor}", headers=headers)) == (
                    404,
                    "NOT_FOUND",
                )

    def test_receptionist_gets_no_notes(self, room: WaitingRoom) -> None:
        Appointment.objects(id=room.appointments[0].id).update(set__notes="120/80")

        assert "notes" not in room.day("08:50")["items"][0]
        assert room.day("08:50", Role.DOCTOR)["items"][0]["notes"] == "120/80"

    def test_user_whose_role_changes_gets_no_list_that_was_kept_for_the_former_role(
        self, room: WaitingRoom, client: FlaskClient
    ) -> None:
        Appointment.objects(id=room.appointments[0].id).update(set__notes="120/80")
        reader = factories.make_user(Role.ADMIN)
        as_admin = data_of(client.get(PATH, headers=factories.sign_in(room.app, reader).headers))

        users.update(reader.id, {"role": Role.RECEPTIONIST}, by=SYSTEM)

        as_receptionist = data_of(client.get(PATH, headers=factories.sign_in(room.app, users.get(reader.id)).headers))
        assert as_admin["items"][0]["notes"] == "120/80"
        assert "notes" not in as_receptionist["items"][0]

    def test_patient_with_an_earlier_completed_appointment_has_none_of_the_first(
        self, room: WaitingRoom, database: Records
    ) -> None:
        stored = database.appointments.find_one({"_id": room.appointments[0].id})
        assert stored is not None
        a_week = timedelta(days=7)
        times = {name: stored[name] - a_week for name in ("appointmentDate", "startsAt", "endsAt")}
        database.appointments.insert_one({**stored, **times, "_id": factories.UNKNOWN_ID, "status": "completed"})

        assert [item["isFirstAppointment"] for item in room.day("08:50")["items"]] == [False, True, True, True]

    def test_number_of_queries_does_not_grow_with_the_day(self, room: WaitingRoom, database: Records) -> None:
        def count() -> int:
            http_cache.register(room.app)  # empties the cache
            with profiled(database) as operations:
                room.day("08:50")
            return len(operations)

        few = count()
        for time in ("11:00", "11:30", "12:00"):
            room.book(time)
        assert count() <= few


class TestETag:
    @pytest.fixture
    def desk(self, room: WaitingRoom) -> SignedIn:
        return room.sign_in()

    def get(self, room: WaitingRoom, desk: SignedIn, etag: str = "") -> Any:
        return room.app.test_client().get(PATH, headers={**desk.headers, "If-None-Match": etag})

    def test_unchanged_day_is_not_sent_again(self, room: WaitingRoom, desk: SignedIn) -> None:
        first = self.get(room, desk)
        again = self.get(room, desk, first.headers["ETag"])

        assert (again.status_code, again.data) == (304, b"")
        assert first.headers["Cache-Control"] == "no-store"

    def test_day_is_sent_again_after_a_booking_a_step_a_message_and_a_new_name(
        self, room: WaitingRoom, desk: SignedIn
    ) -> None:
        etags = [self.get(room, desk).headers["ETag"]]
        changes: list[Callable[[], object]] = [
            lambda: room.book("11:00"),
            lambda: factories.make_appointment(None, room.doctor, day=TUESDAY, time="11:30"),
            lambda: room.app.test_client().put(
                f"/api/appointments/{room.appointments[0].id}/arrive", headers=desk.headers
            ),
            lambda: users.update(
                room.appointments[0].patient_id, {"name": "Meera Joshi"}, by=factories.actor_of(room.admin)
            ),
            lambda: Notification.objects(subject=room.appointments[1].id).first().finish(State.SENT, now=clock.now()),
        ]
        for change in changes:
            change()
            response = self.get(room, desk, etags[-1])
            assert response.status_code == 200, changes.index(change)
            etags.append(response.headers["ETag"])
        assert self.get(room, desk, etags[-1]).status_code == 304

    def test_expected_waits_are_told_anew_as_time_passes(self, room: WaitingRoom, desk: SignedIn) -> None:
        room.app.test_client().put(f"/api/appointments/{room.appointments[0].id}/arrive", headers=desk.headers)
        etag = self.get(room, desk).headers["ETag"]

        with room.at("07:40"):
            assert self.get(room, desk, etag).status_code == 200


class TestAudit:
    def test_reader_is_recorded_once_for_each_appointment_however_often_the_list_is_requested(
        self, room: WaitingRoom
    ) -> None:
        desk, client = room.sign_in(), room.app.test_client()
        for _ in range(3):
            data_of(client.get(PATH, headers=desk.headers))
        new = room.book("11:00")
        data_of(client.get(PATH, headers=desk.headers))

        first, second = reads(desk)
        assert set(first.records) == {one.id for one in room.appointments[:4]}
        assert second.records == [new.id]
        [search] = AuditEvent.objects(action="search")
        assert (search.search.filters, search.search.found) == ({"date": f"{TUESDAY}"}, 4)

    @pytest.mark.parametrize(("at", "recorded"), [("08:00", 1), ("08:59", 1), ("09:01", 2)])
    def test_session_that_goes_on_reading_is_recorded_again_after_an_hour(
        self, room: WaitingRoom, at: str, recorded: int
    ) -> None:
        client = room.app.test_client()
        with room.at("08:00"):
            desk = factories.sign_in(room.app, room.desk)
            data_of(client.get(PATH, headers=desk.headers))
        with room.at(at):
            same_session = replace(desk, access_token=access_token(room, desk))
            data_of(client.get(PATH, headers=same_session.headers))

        assert len(reads(desk)) == recorded

    def test_each_session_is_recorded(self, room: WaitingRoom) -> None:
        for _ in range(2):
            data_of(room.app.test_client().get(PATH, headers=room.sign_in().headers))

        assert len(reads(room.sign_in())) == 2
