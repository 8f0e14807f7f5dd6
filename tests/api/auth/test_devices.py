"""Name, platform, address and last use of a signed-in device."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from arthomed.auth.rules import USE_NOTED_AFTER
from arthomed.core import clock
from tests import factories
from tests.api.auth.sign_in import MOBILE, Now, code_sent, devices_of, me, refreshed
from tests.factories import Records, SignedIn, data_of, error_of, invalid_fields, submit_code

PIXEL = {"name": "Asha's Pixel 9", "platform": "android"}
ELSEWHERE = "203.0.113.9"
LONGER = USE_NOTED_AFTER + timedelta(seconds=1)


def signed_in_from(client: FlaskClient, agent: str, path: str = "verify-otp", **more: Any) -> dict[str, Any]:
    """Sign in with this User-Agent; returns the device as it is listed."""
    body = {"mobileNumber": MOBILE, "otp": code_sent(client), **more}
    response = client.post(f"/api/auth/{path}", json=body, headers={"User-Agent": agent})
    assert response.status_code in {200, 201}, response.text
    (device,) = devices_of(client, data_of(response, response.status_code)["tokens"]["accessToken"])
    return device


def request_from(client: FlaskClient, person: SignedIn, address: str) -> TestResponse:
    return client.get("/api/auth/me", headers=person.headers, environ_base={"REMOTE_ADDR": address})


class TestNames:
    @pytest.mark.parametrize(("path", "more"), [("verify-otp", {}), ("register", {"name": "Asha Verma"})])
    def test_a_device_has_the_name_and_platform_that_the_app_sends(
        self, client: FlaskClient, path: str, more: dict[str, str]
    ) -> None:
        device = signed_in_from(client, "Mozilla/5.0", path, device=PIXEL, **more)

        assert {"name": device["name"], "platform": device["platform"]} == PIXEL
        assert device["address"] == "127.0.0.1"

    @pytest.mark.parametrize(
        ("path", "sent", "stored"),
        [("verify-otp", "macos", "other"), ("register", "windows", "other"), ("verify-otp", "iOS\u200b", "ios")],
    )
    def test_an_unknown_platform_is_stored_as_other(
        self, client: FlaskClient, path: str, sent: str, stored: str
    ) -> None:
        device = signed_in_from(client, "Mozilla/5.0", path, name="Asha", device={"name": "Mac", "platform": sent})

        assert device["platform"] == stored

    @pytest.mark.parametrize(
        ("agent", "expected"), [("okhttp/4.12", ("okhttp/4.12", "android")), ("", (None, "other"))]
    )
    def test_a_device_without_a_description_is_named_by_its_user_agent(
        self, client: FlaskClient, agent: str, expected: tuple[str | None, str]
    ) -> None:
        device = signed_in_from(client, agent)

        assert (device["name"], device["platform"]) == expected

    @pytest.mark.parametrize(
        ("device", "expected"),
        [
            ({}, (None, "other")),
            ({"name": " ", "platform": None}, (None, "other")),
            ({"name": "Pixel"}, ("Pixel", "other")),
            ({"platform": "ios", "name": ""}, (None, "ios")),
        ],
    )
    def test_what_the_app_leaves_out_or_blank_is_taken_from_the_user_agent(
        self, client: FlaskClient, device: dict[str, str | None], expected: tuple[str | None, str]
    ) -> None:
        client.environ_base["HTTP_USER_AGENT"] = ""

        response = submit_code(client, MOBILE, code_sent(client), device=device)

        [shown] = devices_of(client, data_of(response)["tokens"]["accessToken"])
        assert (shown["name"], shown["platform"]) == expected

    @pytest.mark.parametrize(
        "device",
        [
            {**PIXEL, "name": "x" * 101},
            {**PIXEL, "name": "a\x00b"},
            {**PIXEL, "name": {"$ne": None}},
            {**PIXEL, "platform": "x" * 101},
            {**PIXEL, "platform": "a\x00b"},
            {**PIXEL, "platform": ["ios"]},
            {**PIXEL, "platform": 5},
            {**PIXEL, "address": "127.0.0.1"},
            [PIXEL],
            "android",
        ],
        ids=repr,
    )
    def test_an_invalid_device_is_refused_before_the_code_is_compared(
        self, client: FlaskClient, database: Records, device: object
    ) -> None:
        response = submit_code(client, MOBILE, code_sent(client), device=device)

        assert {one.partition(".")[0] for one in invalid_fields(response)} == {"device"}
        assert database.otps.find_one({}, {"attempts": 1, "_id": 0}) == {"attempts": 0}


class TestUse:
    def test_a_request_updates_address_and_last_use(self, client: FlaskClient, person: SignedIn, now: Now) -> None:
        now.shift(LONGER)
        at = clock.now()
        data_of(request_from(client, person, ELSEWHERE))

        (device,) = devices_of(client, person.access_token)

        assert device["address"] == ELSEWHERE
        assert clock.iso(at) <= device["lastUsedAt"] <= clock.iso(at + timedelta(seconds=30))

    def test_last_use_is_not_written_again_within_five_minutes(
        self, client: FlaskClient, database: Records, person: SignedIn, now: Now
    ) -> None:
        before = database.sessions.find_one()
        now.shift(USE_NOTED_AFTER - timedelta(seconds=30))

        data_of(request_from(client, person, ELSEWHERE))

        assert database.sessions.find_one() == before

    def test_a_refresh_updates_address_and_last_use(
        self, client: FlaskClient, database: Records, person: SignedIn, now: Now
    ) -> None:
        now.shift(timedelta(seconds=10))
        at = clock.now()
        client.environ_base["REMOTE_ADDR"] = ELSEWHERE

        refreshed(client, person.refresh_token)

        stored = database.sessions.find_one()
        assert stored is not None
        assert (stored["address"], stored["lastUsedAt"] >= at) == (ELSEWHERE, True)

    def test_a_request_of_another_device_does_not_update_this_one(
        self, app: Flask, client: FlaskClient, database: Records, person: SignedIn, now: Now
    ) -> None:
        before = database.sessions.find_one()
        other = factories.sign_in(app, person.user)
        now.shift(LONGER)

        data_of(request_from(client, other, ELSEWHERE))

        assert database.sessions.find_one({"_id": person.session_id}) == before

    def test_the_device_with_the_latest_request_is_listed_first(
        self, app: Flask, client: FlaskClient, person: SignedIn, now: Now
    ) -> None:
        now.shift(timedelta(minutes=1))
        factories.sign_in(app, person.user)
        now.shift(LONGER)

        assert [one["isCurrent"] for one in devices_of(client, person.access_token)] == [True, False]

    def test_requests_during_a_logout_get_200_or_401_and_the_session_ends(
        self, app: Flask, client: FlaskClient, person: SignedIn, now: Now
    ) -> None:
        now.shift(LONGER)

        def send(number: int) -> TestResponse:
            if number == 0:
                return app.test_client().post("/api/auth/logout", headers=person.headers)
            return me(app.test_client(), person.access_token)

        responses = Counter(response.status_code for response in factories.in_parallel(12, send))

        assert responses[200] + responses[401] == 12
        assert error_of(me(client, person.access_token)) == (401, "SESSION_REVOKED")
