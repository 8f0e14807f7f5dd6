"""The queue of the day: arrivals, calls, skips, recalls, undo, and two desks at once."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from werkzeug.test import TestResponse

from arthomed.appointments.models import Appointment
from arthomed.appointments.service import consistency, transitions
from arthomed.audit.models import AuditEvent
from arthomed.core.permissions import Role
from tests import factories
from tests.api.frontdesk.waiting_room import TUESDAY, WaitingRoom
from tests.factories import Records, data_of

REFUSED = (400, "INVALID_STATUS_TRANSITION")


def message_of(response: TestResponse) -> str:
    assert factories.error_of(response) == REFUSED, response.text
    return str(factories.envelope_of(response)["message"])


class TestArrival:
    def test_tokens_count_arrivals_from_one(self, room: WaitingRoom) -> None:
        arrived = [room.step("arrive", number, at) for number, at in ((2, "08:40"), (0, "08:50"), (1, "09:20"))]

        assert [queue["token"] for queue in arrived] == [1, 2, 3]
        assert {queue["stage"] for queue in arrived} == {"waiting"}
        assert arrived[0]["arrivedAt"].startswith("2026-12-01T03:10")

    def test_tokens_of_each_doctor_count_from_one(self, room: WaitingRoom) -> None:
        room.step("arrive", 0, "08:40")
        room.doctor = factories.make_doctor(factories.every_day("09:00", "12:00")[1:2])
        room.book("09:00")

        assert room.step("arrive", 4, "08:45")["token"] == 1

    def test_patient_is_called_at_the_time_of_the_slot_if_not_too_late(self, room: WaitingRoom) -> None:
        room.step("arrive", 2, "08:30")
        room.step("arrive", 1, "08:40")
        room.step("arrive", 0, "09:09")

        assert room.line("09:10")[:3] == [(0, "waiting"), (1, "waiting"), (2, "waiting")]

    def test_late_patient_waits_one_slot_from_the_arrival(self, room: WaitingRoom) -> None:
        room.step("arrive", 1, "08:40")
        room.step("arrive", 2, "08:40")
        room.step("arrive", 0, "09:11")  # due at 09:41

        assert [number for number, _ in room.line("09:15")] == [1, 0, 2, 3]

    def test_priority_goes_first_with_its_reason_in_the_audit_trail(self, room: WaitingRoom) -> None:
        room.step("arrive", 0, "08:40")
        room.step("arrive", 1, "08:41", priority="elderly", priorityReason="83 years old")
        room.step("arrive", 2, "08:42", priority="emergency")

        assert [number for number, _ in room.line("08:45")] == [2, 1, 0, 3]
        changes = {one["field"]: one["to"] for event in AuditEvent.objects(action="change") for one in event.changes}
        assert (changes["queue"]["token"], changes["queue"]["priority"]) == (3, "emergency")
        room.step("arrive", 0, "08:45", priority="disabled", priorityReason="Wheelchair")
        event = AuditEvent.objects(action="change").order_by("-at").first()
        assert {"field": "queue.priorityReason", "from": None, "to": "Wheelchair"} in event.changes
        assert event.actor == room.desk.id

    def test_arriving_again_changes_the_priority_only(self, room: WaitingRoom) -> None:
        first = room.step("arrive", 0, "08:40")

        again = room.step("arrive", 0, "08:50", priority="pregnant", priorityReason="Seventh month")
        unchanged = room.step("arrive", 0, "08:51")
        removed = room.step("arrive", 0, "08:52", priority=None)

        assert again == unchanged == {**first, "priority": "pregnant", "expectedWait": again["expectedWait"]}
        assert removed["priority"] is None
        stored = Appointment.objects.get(id=room.appointments[0].id).queue
        assert (stored.token, stored.priority, stored.priority_reason) == (1, None, None)

    def test_reason_needs_a_priority(self, room: WaitingRoom) -> None:
        response = room.put("arrive", 0, "08:40", priorityReason="83 years old")

        assert factories.invalid_fields(response) == ["priorityReason"]
        assert factories.invalid_fields(room.put("arrive", 0, "08:40", priority="vip")) == ["priority"]

    def test_only_a_confirmed_appointment_of_today_can_arrive(self, room: WaitingRoom) -> None:
        pending = factories.make_appointment(None, room.doctor, day=TUESDAY, time="12:00")
        room.appointments.append(pending)

        assert "confirm" in message_of(room.put("arrive", 4, "08:40"))
        assert message_of(room.put("arrive", 0, "13:31")).startswith("The appointment is over")
        data_of(room.status(2, "cancelled", "08:00"))
        assert message_of(room.put("arrive", 2, "08:40")) == "The appointment is cancelled"

    def test_nobody_arrives_on_the_day_before(self, room: WaitingRoom) -> None:
        with time_machine.travel(factories.at_clinic(TUESDAY, "00:00"), tick=True) as now:
            now.shift(-60)
            assert message_of(room.put("arrive", 0)) == "The appointment is on a later day"
            now.shift(61)
            assert room.step("arrive", 0)["token"] == 1


class TestCalls:
    def test_called_patient_is_started_and_completed(self, room: WaitingRoom) -> None:
        room.step("arrive", 0, "08:50")
        called = room.step("call", 0, "09:00")
        assert (called["stage"], called["calledAt"][:16]) == ("called", "2026-12-01T03:30")

        data_of(room.status(0, "in-progress", "09:02"))
        assert room.line("09:03")[0] == (0, "in-progress")
        data_of(room.status(0, "completed", "09:20"))

        [*_, last] = room.day("09:30")["items"]
        assert (last["queue"]["stage"], last["queue"]["startedAt"][:16], last["queue"]["completedAt"][:16]) == (
            "done",
            "2026-12-01T03:32",
            "2026-12-01T03:50",
        )
        assert list(consistency.violations()) == []

    def test_second_patient_cannot_be_called(self, room: WaitingRoom) -> None:
        for number in range(2):
            room.step("arrive", number, "08:50")
        room.step("call", 0, "09:00")

        assert message_of(room.put("call", 1, "09:01")).startswith("Token 1 of this doctor is called now")
        assert message_of(room.put("call", 0, "09:01")) == "The patient is called"

    def test_next_patient_can_be_called_once_the_first_is_in_the_room(self, room: WaitingRoom) -> None:
        for number in range(2):
            room.step("arrive", number, "08:50")
        room.step("call", 0, "09:00")
        data_of(room.status(0, "in-progress", "09:01"))

        assert room.step("call", 1, "09:02")["stage"] == "called"

    @pytest.mark.parametrize(
        ("status", "message"),
        [
            ("expected", "The patient has not arrived"),
            ("in-progress", "The consultation has begun"),
            ("no-show", "The appointment is marked as a no-show"),
        ],
    )
    def test_refused_call_says_where_the_patient_is(self, room: WaitingRoom, status: str, message: str) -> None:
        if status != "expected":
            data_of(room.status(0, status, "09:00"))

        for step in ("call", "skip", "recall"):
            assert message_of(room.put(step, 0, "09:05")) == message

    def test_patient_cannot_be_called_before_the_consultation_may_start(self, room: WaitingRoom) -> None:
        room.step("arrive", 3, "08:40")

        assert "one hour before" in message_of(room.put("call", 3, "09:29"))
        assert room.step("call", 3, "09:31")["stage"] == "called"

    def test_patient_who_has_waited_for_hours_is_still_called(self, room: WaitingRoom) -> None:
        room.step("arrive", 0, "08:50")

        assert room.step("call", 0, "14:00")["stage"] == "called"
        data_of(room.status(0, "in-progress", "14:01"))
        assert room.line("14:02")[0] == (0, "in-progress")

    def test_doctor_calls_own_patients_only(self, room: WaitingRoom) -> None:
        room.step("arrive", 0, "08:50", Role.DOCTOR)
        own, room.doctor = room.doctor, factories.make_doctor([])

        for step in ("arrive", "call", "skip", "recall", "undo"):
            assert factories.error_of(room.put(step, 0, "09:00", Role.DOCTOR)) == (404, "NOT_FOUND")
        room.doctor = own
        assert room.step("call", 0, "09:00", Role.DOCTOR)["stage"] == "called"


class TestSkips:
    @pytest.fixture
    def waiting(self, room: WaitingRoom) -> WaitingRoom:
        for number in range(4):
            room.step("arrive", number, f"08:5{number}")
        return room

    def test_skipped_patient_waits_again_after_the_next_two_were_called(self, waiting: WaitingRoom) -> None:
        waiting.step("call", 0, "09:00")
        skipped = waiting.step("skip", 0, "09:05")

        assert (skipped["stage"], skipped["skips"], skipped["calledAt"]) == ("skipped", 1, None)
        assert waiting.line("09:06") == [(1, "waiting"), (2, "waiting"), (0, "skipped"), (3, "waiting")]
        assert message_of(waiting.put("call", 0, "09:06")).startswith("The patient was skipped")
        waiting.step("call", 1, "09:06")
        data_of(waiting.status(1, "in-progress", "09:07"))
        assert waiting.line("09:08")[:3] == [(1, "in-progress"), (2, "waiting"), (0, "skipped")]
        waiting.step("call", 2, "09:20")
        assert waiting.line("09:21") == [(1, "in-progress"), (2, "called"), (0, "waiting"), (3, "waiting")]
        assert list(consistency.violations()) == []

    def test_recalled_patient_waits_at_the_place_after_the_skip(self, waiting: WaitingRoom) -> None:
        waiting.step("call", 0, "09:00")
        waiting.step("skip", 0, "09:05")

        assert waiting.step("recall", 0, "09:06")["stage"] == "waiting"
        assert waiting.line("09:07") == [(1, "waiting"), (2, "waiting"), (0, "waiting"), (3, "waiting")]
        assert message_of(waiting.put("recall", 0, "09:07")) == "The patient is waiting"
        assert waiting.step("call", 0, "09:08")["stage"] == "called"

    def test_each_patient_is_called_although_all_are_skipped_in_turn(self, waiting: WaitingRoom) -> None:
        called = []
        for _ in range(6):
            called.append(next(one for one, stage in waiting.line("09:45") if stage == "waiting"))
            waiting.step("call", called[-1], "09:45")
            waiting.step("skip", called[-1], "09:46")

        assert set(called) == {0, 1, 2, 3}

    def test_skipped_patient_waits_again_when_the_next_two_leave(self, waiting: WaitingRoom) -> None:
        waiting.step("call", 0, "09:00")
        waiting.step("skip", 0, "09:05")
        data_of(waiting.status(1, "cancelled", "09:06"))
        data_of(waiting.status(2, "cancelled", "09:06"))

        assert waiting.line("09:07")[0] == (0, "waiting")


class TestUndo:
    def test_undone_arrival_keeps_its_token(self, room: WaitingRoom) -> None:
        room.step("arrive", 0, "08:40")

        undone = room.step("undo", 0, "08:49")
        room.step("arrive", 1, "08:50")
        again = room.step("arrive", 0, "08:55")

        assert (undone["stage"], undone["arrivedAt"]) == ("expected", None)
        assert (again["token"], again["stage"]) == (1, "waiting")
        assert list(consistency.violations()) == []

    def test_undone_call_lets_another_patient_be_called(self, room: WaitingRoom) -> None:
        for number in range(2):
            room.step("arrive", number, "08:50")
        room.step("call", 0, "09:00")

        assert room.step("undo", 0, "09:05")["stage"] == "waiting"
        assert room.step("call", 1, "09:05")["stage"] == "called"

    def test_undone_skip_is_a_call_again(self, room: WaitingRoom) -> None:
        for number in range(3):
            room.step("arrive", number, "08:50")
        called = room.step("call", 0, "09:00")
        room.step("skip", 0, "09:01")

        assert room.step("undo", 0, "09:02") == called
        room.step("skip", 0, "09:03")
        room.step("call", 1, "09:04")
        assert message_of(room.put("undo", 0, "09:05")).startswith("Token 2 of this doctor is called now")

    def test_start_is_undone_by_the_doctor_and_the_patient_is_called_as_before(self, room: WaitingRoom) -> None:
        room.step("arrive", 0, "08:50")
        room.step("call", 0, "09:00")
        data_of(room.status(0, "in-progress", "09:01"))

        assert factories.error_of(room.put("undo", 0, "09:02")) == (403, "PERMISSION_DENIED")
        undone = room.step("undo", 0, "09:02", Role.DOCTOR)

        assert (undone["stage"], undone["startedAt"]) == ("called", None)
        stored = Appointment.objects.get(id=room.appointments[0].id)
        assert [str(one.target) for one in stored.history] == ["pending", "confirmed", "in-progress", "confirmed"]
        assert message_of(room.put("undo", 0, "09:03")) == "There is nothing to undo"

    def test_start_cannot_be_undone_once_notes_are_written(self, room: WaitingRoom) -> None:
        data_of(room.status(0, "in-progress", "09:01"))
        with room.at("09:02"):
            path, headers = f"/api/appointments/{room.appointments[0].id}", room.sign_in(Role.DOCTOR).headers
            data_of(room.app.test_client().put(path, json={"notes": "120/80"}, headers=headers))

        assert "written" in message_of(room.put("undo", 0, "09:03", Role.DOCTOR))

    def test_start_cannot_be_undone_while_another_patient_is_called(self, room: WaitingRoom) -> None:
        for number in range(2):
            room.step("arrive", number, "08:50")
        room.step("call", 0, "09:00")
        data_of(room.status(0, "in-progress", "09:01"))
        room.step("call", 1, "09:02")

        assert message_of(room.put("undo", 0, "09:03", Role.DOCTOR)).startswith("Another patient")

    @pytest.mark.parametrize("step", ["arrive", "call", "skip", "in-progress"])
    def test_step_can_be_undone_for_ten_minutes(self, room: WaitingRoom, step: str) -> None:
        for number in (3, 0):
            room.step("arrive", number, "08:50")
        for before in {"arrive": (), "call": ("call",), "skip": ("call", "skip"), "in-progress": ("call",)}[step]:
            room.step(before, 0, "08:50")
        if step == "in-progress":
            data_of(room.status(0, step, "08:50"))

        assert factories.error_of(room.put("undo", 0, "09:01", Role.ADMIN)) == REFUSED

    def test_undo_works_once(self, room: WaitingRoom) -> None:
        room.step("arrive", 0, "08:50")
        room.step("call", 0, "08:55")
        room.step("undo", 0, "08:56")

        assert message_of(room.put("undo", 0, "08:56")) == "There is nothing to undo"

    def test_undone_no_show_waits_again_and_is_not_called(self, room: WaitingRoom) -> None:
        for number in range(2):
            room.step("arrive", number, "08:50")
        room.step("call", 0, "09:00")
        data_of(room.status(0, "no-show", "09:10"))
        room.step("call", 1, "09:11")

        assert room.step("undo", 0, "09:20")["stage"] == "waiting"

    def test_completed_consultation_cannot_be_undone(self, room: WaitingRoom) -> None:
        room.step("arrive", 0, "08:50")
        for status in ("in-progress", "completed"):
            data_of(room.status(0, status, "09:00"))

        assert message_of(room.put("undo", 0, "09:01", Role.ADMIN)) == "The consultation is over"


class TestTwoDesks:
    def put_at_once(self, room: WaitingRoom, steps: list[tuple[str, int]], **body: Any) -> list[TestResponse]:
        def put(number: int) -> TestResponse:
            step, patient = steps[number]
            path = f"/api/appointments/{room.appointments[patient].id}/{step}"
            return room.app.test_client().put(path, json=body, headers=headers[number])

        with room.at("09:40"):
            headers = [room.sign_in().headers for _ in steps]
            return factories.in_parallel(len(steps), put)

    @pytest.mark.parametrize("patients", [(0, 1), (0, 0), (0, 1, 2, 3)], ids=str)
    def test_one_patient_is_called_and_the_other_desks_are_refused(
        self, room: WaitingRoom, patients: tuple[int, ...]
    ) -> None:
        for number in range(4):
            room.step("arrive", number, "08:50")

        responses = self.put_at_once(room, [("call", number) for number in patients])

        refused = [message_of(one) for one in responses if one.status_code != 200]
        assert len(refused) == len(patients) - 1
        assert all("called" in text for text in refused), refused
        assert [stage for _, stage in room.line("09:41")].count("called") == 1
        assert list(consistency.violations()) == []

    def test_parallel_arrivals_get_tokens_without_gaps(self, room: WaitingRoom) -> None:
        responses = self.put_at_once(room, [("arrive", number % 4) for number in range(8)])

        tokens = [data_of(one)["appointment"]["queue"]["token"] for one in responses]
        assert sorted(tokens) == [1, 1, 2, 2, 3, 3, 4, 4]
        assert list(consistency.violations()) == []

    @pytest.mark.parametrize("step", ["skip", "undo"])
    def test_one_of_two_equal_steps_succeeds(self, room: WaitingRoom, step: str) -> None:
        for number in range(4):
            room.step("arrive", number, "08:50")
        room.step("call", 0, "09:39")

        responses = self.put_at_once(room, [(step, 0), (step, 0)])

        assert sorted(one.status_code for one in responses) == [200, 400]

    def test_patient_who_arrives_while_the_system_marks_no_shows_is_no_no_show(self, room: WaitingRoom) -> None:
        room.step("arrive", 0, "08:50")
        with room.at("11:00"):
            assert transitions.mark_no_shows() == 1  # the patient of half past nine, who never came

        assert [stage for number, stage in room.line("11:01") if number < 2] == ["waiting", "no-show"]


class TestSystem:
    def test_consultation_that_nobody_completed_is_completed_at_three_of_the_next_day(self, room: WaitingRoom) -> None:
        room.step("arrive", 0, "08:50")
        data_of(room.status(0, "in-progress", "09:00"))
        three = factories.at_clinic(TUESDAY + timedelta(days=1), "03:00")
        with time_machine.travel(three - timedelta(seconds=1), tick=False) as traveller:
            assert transitions.complete_forgotten() == 0
            traveller.shift(1)
            assert transitions.complete_forgotten() == 1
            assert transitions.complete_forgotten() == 0

        last = Appointment.objects.get(id=room.appointments[0].id).history[-1]
        assert (str(last.target), last.by) == ("completed", None)
        assert list(consistency.violations()) == []


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "gap": ({"$set": {"queue.token": 7}}, "the last is 7, the counter says 2"),
    "no token": ({"$unset": {"queue": ""}}, "1 patients have tokens, the last is 2, the counter says 2"),
    "wrong status": ({"$set": {"status": "rejected"}}, "has arrived, but is not confirmed"),
    "called from afar": ({"$unset": {"queue.arrivedAt": ""}}, "called or skipped, but has not arrived"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_audit_finds_a_queue_that_is_inconsistent(room: WaitingRoom, database: Records, name: str) -> None:
    for number in range(2):
        room.step("arrive", number, "08:50")
    room.step("call", 0, "09:00")
    update, found = BROKEN[name]
    database.appointments.update_one({"_id": room.appointments[0].id}, update)

    assert any(found in line for line in consistency.violations())


def test_audit_finds_a_counter_without_patients(room: WaitingRoom, database: Records) -> None:
    room.step("arrive", 0, "08:50")
    times = {"createdAt": room.appointments[0].created_at, "updatedAt": room.appointments[0].created_at}
    database.counters.insert_one({"_id": "tokens:nobody", "value": 1, **times})

    assert list(consistency.violations()) == ["tokens:nobody: the counter says 1, but nobody has a token"]
