"""Signing in and out in the audit trail."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pymongo.database import Database

from arthomed.appointments.service import staff
from tests import factories
from tests.factories import SignedIn, answer_with, ask_for_code, at_once, refused, told
from tests.api.auth.sign_in import MOBILE, Now, code_sent, fail, refresh, refreshed

Data = Database[dict[str, Any]]
REQUEST = {"X-Request-ID": "request-of-a-test"}


def events(database: Data, action: str) -> list[dict[str, Any]]:
    return list(database.audit_events.find({"kind": "session", "action": action}))


def ended(database: Data) -> dict[str, Any]:
    """The one event of an end."""
    (event,) = events(database, "delete")
    return event


@pytest.mark.parametrize(("path", "more"), [("verify-otp", {}), ("register", {"name": "Asha Verma"})])
def test_signing_in_is_noted_with_its_origin_and_platform(
    client: FlaskClient, database: Data, path: str, more: dict[str, str]
) -> None:
    body = {"mobileNumber": MOBILE, "otp": code_sent(client), "device": {"name": "Pixel", "platform": "android"}}

    client.post(f"/api/auth/{path}", json={**body, **more}, headers=REQUEST)

    (event,), session = events(database, "create"), database.sessions.find_one()
    assert session is not None
    assert (event["actor"], event["session"], event["records"]) == (session["user"], session["_id"], [session["_id"]])
    assert (event["subjects"], event["role"]) == ([session["user"]], "patient")
    assert (event["address"], event["requestId"]) == ("127.0.0.1", REQUEST["X-Request-ID"])
    assert event["changes"] == [{"field": "platform", "from": None, "to": "android"}]


def test_a_refused_code_opens_and_notes_nothing(client: FlaskClient, database: Data) -> None:
    code_sent(client)
    fail(client, 1)

    assert events(database, "create") == []


def test_somebody_deactivated_opens_and_notes_nothing(client: FlaskClient, database: Data, admin: SignedIn) -> None:
    user = factories.make_user()
    staff.set_active(factories.acting(admin.user), user.id, is_active=False)

    answer = answer_with(client, user.mobile_number, code_sent(client, user.mobile_number))

    assert refused(answer) == (401, "USER_INACTIVE")
    assert [one["records"] for one in events(database, "create")] == [[admin.session_id]]


def test_signing_out_is_noted(client: FlaskClient, database: Data, person: SignedIn) -> None:
    told(client.post("/api/auth/logout", headers={**person.headers, **REQUEST}))

    event = ended(database)
    assert (event["actor"], event["subjects"]) == (person.user.id, [person.user.id])
    assert (event["session"], event["records"]) == (person.session_id, [person.session_id])
    assert event["requestId"] == REQUEST["X-Request-ID"]


def test_signing_another_device_out_is_noted_with_both(
    app: Flask, client: FlaskClient, database: Data, person: SignedIn
) -> None:
    other = factories.sign_in(app, person.user)

    told(client.delete(f"/api/auth/sessions/{other.session_id}", headers=person.headers))

    assert (ended(database)["session"], ended(database)["records"]) == (person.session_id, [other.session_id])


def test_a_device_of_somebody_else_notes_nothing(
    app: Flask, client: FlaskClient, database: Data, person: SignedIn
) -> None:
    somebody = factories.sign_in(app)

    refused(client.delete(f"/api/auth/sessions/{somebody.session_id}", headers=person.headers))

    assert events(database, "delete") == []


def test_signing_all_devices_out_is_one_event_that_names_each(
    app: Flask, client: FlaskClient, database: Data, person: SignedIn
) -> None:
    other = factories.sign_in(app, person.user)

    told(client.post("/api/auth/logout-all", headers=person.headers))

    assert set(ended(database)["records"]) == {person.session_id, other.session_id}


def test_a_device_that_is_signed_out_twice_at_once_is_noted_once(app: Flask, database: Data, person: SignedIn) -> None:
    at_once(4, lambda _: app.test_client().post("/api/auth/logout", headers=person.headers))

    assert ended(database)["records"] == [person.session_id]


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("/status", {"isActive": False, "reason": "Moved away"}),
        ("", {"role": "receptionist"}),
        ("", {"mobileNumber": "9876500000"}),
    ],
)
def test_who_is_signed_out_by_an_admin_finds_the_admin_in_the_trail(
    client: FlaskClient, database: Data, admin: SignedIn, person: SignedIn, path: str, change: dict[str, Any]
) -> None:
    told(client.put(f"/api/users/{person.user.id}{path}", json=change, headers=admin.headers))

    event = ended(database)
    assert (event["actor"], event["session"]) == (admin.user.id, admin.session_id)
    assert (event["subjects"], event["records"]) == ([person.user.id], [person.session_id])


def test_who_had_no_device_leaves_no_event(client: FlaskClient, database: Data, admin: SignedIn) -> None:
    staff.set_active(factories.acting(admin.user), factories.make_user().id, is_active=False)

    assert events(database, "delete") == []


def test_a_spent_refresh_token_ends_the_session_in_the_name_of_the_system(
    client: FlaskClient, database: Data, person: SignedIn, now: Now
) -> None:
    refreshed(client, person.refresh_token)
    now.shift(timedelta(seconds=31))
    client.environ_base["REMOTE_ADDR"] = "203.0.113.66"
    refresh(client, person.refresh_token)

    event = ended(database)
    assert (event["actor"], event["session"], event["address"]) == (None, None, "203.0.113.66")
    assert (event["subjects"], event["records"]) == ([person.user.id], [person.session_id])
    assert event["changes"] == [{"field": "reason", "from": None, "to": "spent refresh token"}]


def test_a_refresh_and_a_lost_answer_are_not_noted(client: FlaskClient, database: Data, person: SignedIn) -> None:
    before = database.audit_events.count_documents({})
    refreshed(client, person.refresh_token)
    refreshed(client, person.refresh_token)

    assert database.audit_events.count_documents({}) == before


def test_neither_code_nor_number_nor_token_is_noted(client: FlaskClient, database: Data) -> None:
    code = code_sent(client)
    tokens = told(answer_with(client, MOBILE, code))["tokens"]
    told(client.post("/api/auth/logout", headers={"Authorization": f"Bearer {tokens['accessToken']}"}))

    noted = repr([{**one, "_id": None, "records": None} for one in database.audit_events.find({"kind": "session"})])

    assert [one for one in (f"'{code}'", MOBILE, tokens["accessToken"], tokens["refreshToken"]) if one in noted] == []


def test_asking_for_a_code_is_not_noted(client: FlaskClient, database: Data) -> None:
    told(ask_for_code(client, MOBILE))

    assert database.audit_events.count_documents({}) == 0
