"""The place in the queue in responses other than the list of the day."""

import json
from typing import Any

import pytest
from mongoengine.connection import get_db

from arthomed.users import service as users
from tests import factories
from tests.api.frontdesk.waiting_room import WaitingRoom
from tests.factories import data_of
from tests.migrations.plans import profiled

MINE, ALL = "/api/appointments/my-appointments", "/api/appointments"


def own_queue(room: WaitingRoom, number: int, path: str, at: str) -> Any:
    """The place in the queue that the patient of a number reads."""
    appointment = room.appointments[number]
    with room.at(at):
        headers = factories.sign_in(room.app, users.get(appointment.patient_id)).headers
        found = data_of(room.app.test_client().get(path.format(appointment.id), headers=headers))
    return (found["appointment"] if "appointment" in found else found["items"][0]).get("queue")


def stages(room: WaitingRoom, at: str) -> dict[int, str]:
    """The stages of those who have a token, by number, in the reception's list of appointments."""
    numbers = {str(one.id): number for number, one in enumerate(room.appointments)}
    with room.at(at):
        items = data_of(room.app.test_client().get(ALL, headers=room.sign_in().headers))["items"]
    return {numbers[one["_id"]]: one["queue"]["stage"] for one in items if "queue" in one}


@pytest.mark.parametrize("path", ["/api/appointments/{}", MINE])
def test_patient_reads_the_own_stage(room: WaitingRoom, path: str) -> None:
    before = own_queue(room, 0, path, "08:30")
    room.step("arrive", 0, "08:50")
    waiting = own_queue(room, 0, path, "08:55")
    room.step("call", 0, "09:00")
    called = own_queue(room, 0, path, "09:01")

    assert before is None
    assert (waiting["token"], waiting["stage"], called["stage"]) == (1, "waiting", "called")


@pytest.mark.parametrize("path", ["/api/appointments/{}", MINE])
def test_skipped_patient_waits_again_once_the_others_were_called(room: WaitingRoom, path: str) -> None:
    for number in range(3):
        room.step("arrive", number, "08:50")
    room.step("skip", 0, "09:00")
    skipped = own_queue(room, 0, path, "09:01")
    for number in (1, 2):
        room.step("call", number, "09:02")
        room.status(number, "in-progress", "09:03")
        room.status(number, "completed", "09:05")

    assert skipped["stage"] == "skipped"
    assert own_queue(room, 0, path, "09:06")["stage"] == "waiting"


def test_one_whose_arrival_was_undone_goes_before_nobody(room: WaitingRoom) -> None:
    for number in range(2):
        room.step("arrive", number, "08:50")
    room.step("skip", 0, "08:51")
    before = stages(room, "08:52")

    room.step("undo", 1, "08:55")

    assert (before, stages(room, "08:56")) == ({0: "skipped", 1: "waiting"}, {0: "waiting", 1: "expected"})


def test_list_reads_those_who_go_before_skipped_patients_in_one_query(room: WaitingRoom) -> None:
    for number in range(4):
        room.step("arrive", number, "08:50")
    headers = room.sign_in().headers
    client = room.app.test_client()
    with profiled(get_db()) as without:
        client.get(ALL, headers=headers)
    for number in (0, 1):
        room.step("skip", number, "09:00")

    with profiled(get_db()) as with_skipped:
        client.get(ALL, headers=headers)

    assert stages(room, "09:01") == {0: "skipped", 1: "skipped", 2: "waiting", 3: "waiting"}
    assert len(queries(with_skipped)) == len(queries(without)) + 1


def queries(operations: list[Any]) -> list[Any]:
    return [one for one in operations if one["ns"].endswith((".appointments", ".users", ".files"))]


def test_answers_to_changes_of_the_status_have_the_stage(room: WaitingRoom) -> None:
    room.step("arrive", 0, "08:50")
    room.step("call", 0, "09:00")

    started = data_of(room.status(0, "in-progress", "09:01"))["appointment"]["queue"]
    done = data_of(room.status(0, "completed", "09:20"))["appointment"]["queue"]

    assert (started["stage"], done["stage"]) == ("in-progress", "done")
    assert (done["startedAt"][:16], done["completedAt"][:16]) == ("2026-12-01T03:31", "2026-12-01T03:50")


def test_export_has_the_place_in_the_queue_with_the_reason_of_the_priority(room: WaitingRoom) -> None:
    room.step("arrive", 0, "08:50", priority="elderly", priorityReason="83 years old")
    room.step("arrive", 1, "08:51")
    room.step("skip", 0, "08:55")
    room.step("recall", 0, "08:56")
    room.step("call", 0, "09:00")
    data_of(room.status(0, "in-progress", "09:01"))

    with room.at("09:10"):
        headers = factories.sign_in(room.app, users.get(room.appointments[0].patient_id)).headers
        exported = json.loads(room.app.test_client().get("/api/users/profile/export", headers=headers).data)

    [queue] = [one["queue"] for one in exported["appointments"]]
    times = {name: (queue.pop(name) or "")[:16] for name in ("arrivedAt", "calledAt", "startedAt", "completedAt")}
    assert times == {
        "arrivedAt": "2026-12-01T03:20",
        "calledAt": "2026-12-01T03:30",
        "startedAt": "2026-12-01T03:31",
        "completedAt": "",
    }
    assert queue == {
        "token": 1,
        "stage": "in-progress",
        "priority": "elderly",
        "priorityReason": "83 years old",
        "skips": 1,
        "expectedWait": None,
    }
