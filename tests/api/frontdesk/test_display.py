"""Displays in waiting rooms: what a secret key shows, and who makes and revokes keys."""

from typing import Any

import pytest

from arthomed.audit.models import AuditEvent
from arthomed.core.permissions import Role
from arthomed.users import service as users
from tests import factories
from tests.api.frontdesk.waiting_room import TUESDAY, WaitingRoom
from tests.factories import Records, data_of


def make_key(room: WaitingRoom) -> Any:
    body = {"name": "Hall", "rooms": [{"doctorId": str(room.doctor.id), "room": "Room 3"}]}
    headers = room.sign_in(Role.ADMIN).headers
    return data_of(room.app.test_client().post("/api/display-keys", json=body, headers=headers), 201)


def show(room: WaitingRoom, key: str, at: str = "09:00", **headers: str) -> Any:
    with room.at(at):
        return room.app.test_client().get(f"/api/display/{key}", headers=headers)


def test_display_shows_tokens_rooms_and_stages_of_those_who_arrived(room: WaitingRoom) -> None:
    for number in range(3):
        room.step("arrive", number, "08:50")
    room.step("call", 0, "09:00")

    shown = show(room, make_key(room)["key"])

    assert data_of(shown) == {
        "date": f"{TUESDAY}",
        "items": [
            {"token": 1, "room": "Room 3", "stage": "called"},
            {"token": 2, "room": "Room 3", "stage": "waiting"},
            {"token": 3, "room": "Room 3", "stage": "waiting"},
        ],
    }


def test_display_shows_nothing_about_anybody(room: WaitingRoom) -> None:
    room.step("arrive", 0, "08:50")

    text = show(room, make_key(room)["key"]).text

    patient, doctor = users.get(room.appointments[0].patient_id), room.doctor
    assert not [one for one in (patient.name, patient.mobile_number, str(patient.id), doctor.name) if one in text]
    assert str(room.appointments[0].id) not in text


def test_unchanged_display_is_not_sent_again(room: WaitingRoom) -> None:
    room.step("arrive", 0, "08:50")
    key = make_key(room)["key"]
    etag = show(room, key).headers["ETag"]

    assert show(room, key, "09:01", **{"If-None-Match": etag}).status_code == 304
    room.step("call", 0, "09:02")
    assert show(room, key, "09:02", **{"If-None-Match": etag}).status_code == 200


def test_key_is_shown_once_and_stored_as_a_digest(room: WaitingRoom, database: Records) -> None:
    made = make_key(room)

    listed = room.app.test_client().get("/api/display-keys", headers=room.sign_in(Role.ADMIN).headers)

    assert data_of(listed)["items"] == [made["displayKey"]]
    assert made["key"] not in listed.text
    assert made["key"] not in str(database.display_keys.find_one())


@pytest.mark.parametrize("key", ["wrong", "x" * 43, "%00", "ä" * 43])
def test_wrong_key_is_not_found(room: WaitingRoom, key: str) -> None:
    make_key(room)

    assert factories.error_of(show(room, key)) == (404, "NOT_FOUND")


def test_revoked_key_shows_nothing_any_more(room: WaitingRoom) -> None:
    made, headers = make_key(room), room.sign_in(Role.ADMIN).headers
    path = f"/api/display-keys/{made['displayKey']['_id']}"

    data_of(room.app.test_client().delete(path, headers=headers))

    assert factories.error_of(show(room, made["key"])) == (404, "NOT_FOUND")
    assert factories.error_of(room.app.test_client().delete(path, headers=headers)) == (404, "NOT_FOUND")
    events = AuditEvent.objects(kind="display-key").order_by("at")
    assert [(str(event.action), event.actor) for event in events] == [
        ("create", room.admin.id),
        ("delete", room.admin.id),
    ]


def test_key_needs_rooms_of_doctors(room: WaitingRoom) -> None:
    client, headers = room.app.test_client(), room.sign_in(Role.ADMIN).headers
    of_nobody = {"name": "Hall", "rooms": [{"doctorId": str(room.desk.id), "room": "Room 3"}]}

    assert factories.error_of(client.post("/api/display-keys", json=of_nobody, headers=headers)) == (404, "NOT_FOUND")
    response = client.post("/api/display-keys", json={"name": "Hall", "rooms": []}, headers=headers)
    assert factories.invalid_fields(response) == ["rooms"]


def test_display_with_a_valid_key_is_not_limited_by_its_address_and_guesses_are(room: WaitingRoom) -> None:
    key = make_key(room)["key"]

    assert "RateLimit-Limit" not in show(room, key).headers
    assert "RateLimit-Limit" in show(room, "wrong").headers
