"""Sign-ins and ended sessions in the audit trail."""

import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from arthomed.appointments.service import staff
from tests import factories
from tests.api.auth.sign_in import MOBILE, Now, code_sent, fail, me, refresh, refreshed
from tests.factories import Records, SignedIn, data_of, error_of, in_parallel, request_code, submit_code

REQUEST = {"X-Request-ID": "request-of-a-test"}


def events(database: Records, action: str) -> list[dict[str, Any]]:
    return list(database.audit_events.find({"kind": "session", "action": action}))


def ended(database: Records) -> dict[str, Any]:
    """The only event of ended sessions."""
    (event,) = events(database, "delete")
    return event


@pytest.mark.parametrize(("path", "more"), [("verify-otp", {}), ("register", {"name": "Asha Verma"})])
def test_a_sign_in_is_recorded_with_its_request_and_platform(
    client: FlaskClient, database: Records, path: str, more: dict[str, str]
) -> None:
    body = {"mobileNumber": MOBILE, "otp": code_sent(client), "device": {"name": "Pixel", "platform": "android"}}

    client.post(f"/api/auth/{path}", json={**body, **more}, headers=REQUEST)

    (event,), session = events(database, "create"), database.sessions.find_one()
    assert session is not None
    assert (event["actor"], event["session"], event["records"]) == (session["user"], session["_id"], [session["_id"]])
    assert (event["subjects"], event["role"]) == ([session["user"]], "patient")
    assert (event["address"], event["requestId"]) == ("127.0.0.1", REQUEST["X-Request-ID"])
    assert event["changes"] == [{"field": "platform", "from": None, "to": "android"}]


def test_a_refused_code_is_not_recorded(client: FlaskClient, database: Records) -> None:
    code_sent(client)
    fail(client, 1)

    assert events(database, "create") == []


def test_a_deactivated_user_s_sign_in_is_not_recorded(client: FlaskClient, database: Records, admin: SignedIn) -> None:
    user = factories.make_user()
    staff.set_active(factories.actor_of(admin.user), user.id, is_active=False)

    response = submit_code(client, user.mobile_number, code_sent(client, user.mobile_number))

    assert error_of(response) == (401, "USER_INACTIVE")
    assert events(database, "create") == []


def test_a_logout_is_recorded(client: FlaskClient, database: Records, person: SignedIn) -> None:
    data_of(client.post("/api/auth/logout", headers={**person.headers, **REQUEST}))

    event = ended(database)
    assert (event["actor"], event["subjects"]) == (person.user.id, [person.user.id])
    assert (event["session"], event["records"]) == (person.session_id, [person.session_id])
    assert event["requestId"] == REQUEST["X-Request-ID"]


def test_ending_another_device_s_session_is_recorded_with_both_sessions(
    app: Flask, client: FlaskClient, database: Records, person: SignedIn
) -> None:
    other = factories.sign_in(app, person.user)

    data_of(client.delete(f"/api/auth/sessions/{other.session_id}", headers=person.headers))

    assert (ended(database)["session"], ended(database)["records"]) == (person.session_id, [other.session_id])


def test_an_attempt_to_end_another_user_s_session_is_not_recorded(
    app: Flask, client: FlaskClient, database: Records, person: SignedIn
) -> None:
    another = factories.sign_in(app)

    error_of(client.delete(f"/api/auth/sessions/{another.session_id}", headers=person.headers))

    assert events(database, "delete") == []


def test_logout_all_is_one_event_with_all_sessions(
    app: Flask, client: FlaskClient, database: Records, person: SignedIn
) -> None:
    other = factories.sign_in(app, person.user)

    data_of(client.post("/api/auth/logout-all", headers=person.headers))

    assert set(ended(database)["records"]) == {person.session_id, other.session_id}


def test_concurrent_logouts_of_a_device_are_recorded_once(app: Flask, database: Records, person: SignedIn) -> None:
    in_parallel(4, lambda _: app.test_client().post("/api/auth/logout", headers=person.headers))

    assert ended(database)["records"] == [person.session_id]


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("/status", {"isActive": False, "reason": "Moved away"}),
        ("", {"role": "receptionist"}),
        ("", {"mobileNumber": "9876500000"}),
    ],
)
def test_sessions_that_an_admin_ends_are_recorded_with_the_admin(
    client: FlaskClient, database: Records, admin: SignedIn, person: SignedIn, path: str, change: dict[str, Any]
) -> None:
    data_of(client.put(f"/api/users/{person.user.id}{path}", json=change, headers=admin.headers))

    event = ended(database)
    assert (event["actor"], event["session"]) == (admin.user.id, admin.session_id)
    assert (event["subjects"], event["records"]) == ([person.user.id], [person.session_id])


def test_deactivating_a_user_without_sessions_records_no_ended_session(
    client: FlaskClient, database: Records, admin: SignedIn
) -> None:
    staff.set_active(factories.actor_of(admin.user), factories.make_user().id, is_active=False)

    assert events(database, "delete") == []


def test_a_session_ended_by_a_reused_token_is_recorded_for_the_system(
    client: FlaskClient, database: Records, person: SignedIn, now: Now
) -> None:
    data_of(me(client, refreshed(client, person.refresh_token)["accessToken"]))
    now.shift(timedelta(seconds=31))
    client.environ_base["REMOTE_ADDR"] = "203.0.113.66"
    refresh(client, person.refresh_token)

    event = ended(database)
    assert (event.get("actor"), event.get("session"), event["address"]) == (None, None, "203.0.113.66")
    assert (event["subjects"], event["records"]) == ([person.user.id], [person.session_id])
    assert event["changes"] == [{"field": "reason", "from": None, "to": "spent refresh token"}]


def test_refreshes_are_not_recorded(client: FlaskClient, database: Records, person: SignedIn) -> None:
    before = database.audit_events.count_documents({})
    refreshed(client, person.refresh_token)
    refreshed(client, person.refresh_token)

    assert database.audit_events.count_documents({}) == before


def test_no_event_has_a_code_or_token_and_no_event_of_a_session_a_number(
    client: FlaskClient, database: Records
) -> None:
    code = code_sent(client)
    signed_in = data_of(submit_code(client, MOBILE, code))["tokens"]
    pair = refreshed(client, signed_in["refreshToken"])
    data_of(client.post("/api/auth/logout", headers={"Authorization": f"Bearer {pair['accessToken']}"}))

    recorded = list(database.audit_events.find({}, {"_id": 0, "records": 0}))
    secrets = [code, *(pair[name] for pair in (signed_in, pair) for name in ("accessToken", "refreshToken"))]
    assert {one["action"] for one in recorded} == {"create", "delete"}
    assert [one for one in secrets if re.search(rf"\b{re.escape(one)}\b", repr(recorded))] == []
    assert MOBILE not in repr([one for one in recorded if one["kind"] == "session"])


def test_a_request_for_a_code_is_not_recorded(client: FlaskClient, database: Records) -> None:
    data_of(request_code(client, MOBILE))

    assert database.audit_events.count_documents({}) == 0
