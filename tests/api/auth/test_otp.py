"""One-time codes: requested, kept secret, and verified."""

import json
import re
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from werkzeug.test import TestResponse

from arthomed.auth.models import Otp
from arthomed.config import settings
from arthomed.notifications import service as notifications
from arthomed.users.models import User
from tests import factories
from tests.api.auth.sign_in import MOBILE, Now, code_sent, fail
from tests.factories import (
    Records,
    code_for,
    data_of,
    error_of,
    in_parallel,
    otp_message,
    request_code,
    submit_code,
    wrong_code,
)
from tests.stack import Stack


@contextmanager
def refusing_sessions(database: Records) -> Iterator[None]:
    """A database whose validator refuses every new session."""
    [sessions] = database.list_collections(filter={"name": "sessions"})
    database.command("collMod", "sessions", validator={"platform": None})
    try:
        yield
    finally:
        database.command("collMod", "sessions", validator=sessions["options"]["validator"])


class TestRequest:
    def test_the_response_has_the_lifetime_of_the_code_and_the_wait_before_the_next(self, client: FlaskClient) -> None:
        assert data_of(request_code(client, MOBILE)) == {"expiresIn": 300, "resendAfter": 60}

    def test_ten_concurrent_first_codes_of_a_number_leave_one_valid_code(self, app: Flask, redis: Any) -> None:
        """The quota of a minute is removed as often as it is used, so that the requests meet at the unique index."""

        def request(_: int) -> TestResponse:
            redis.delete(f"quota:resend:{MOBILE}")
            return request_code(app.test_client(), MOBILE)

        responses = in_parallel(10, request)

        assert {one.status_code for one in responses} <= {200, 429, 503}
        assert Otp.objects.count() == 1
        assert submit_code(app.test_client(), MOBILE, code_for(MOBILE)).status_code == 200

    @pytest.mark.parametrize("is_active", [True, False], ids=["active", "deactivated"])
    def test_the_response_is_the_same_for_known_and_unknown_numbers(
        self, client: FlaskClient, *, is_active: bool
    ) -> None:
        user = factories.make_user()
        User.objects(id=user.id).update(set__is_active=is_active)

        known = factories.envelope_of(request_code(client, user.mobile_number))
        unknown = factories.envelope_of(request_code(client, factories.new_mobile()))

        assert {**known, "timestamp": ""} == {**unknown, "timestamp": ""}

    def test_the_sms_starts_with_the_six_digits_of_the_code(self, client: FlaskClient) -> None:
        code = code_sent(client)

        notifications.send(otp_message(MOBILE).id)

        caught = client.get(f"/dev/mailbox.json?to={MOBILE}")
        assert re.match(r"[0-9]{6} is your Arthomed code", factories.envelope_of(caught)["items"][0]["text"])
        assert factories.envelope_of(caught)["items"][0]["text"].startswith(code)

    @pytest.mark.parametrize("purpose", ["login", "registration"])
    def test_the_purposes_login_and_registration_are_accepted(self, client: FlaskClient, purpose: str) -> None:
        assert request_code(client, MOBILE, purpose=purpose).status_code == 200

    def test_an_unknown_purpose_is_refused(self, client: FlaskClient) -> None:
        assert error_of(request_code(client, MOBILE, purpose="admin")) == (400, "VALIDATION_ERROR")

    @pytest.mark.parametrize("mobile", ["+91 98765-43210", "09876543210", "919876543210"])
    def test_all_notations_of_a_number_share_its_quota(self, client: FlaskClient, mobile: str) -> None:
        code_sent(client)

        assert error_of(request_code(client, mobile)) == (429, "RATE_LIMIT_EXCEEDED")

    def test_a_new_code_invalidates_the_older_one(self, client: FlaskClient, now: Now) -> None:
        old = code_sent(client)
        now.shift(timedelta(seconds=61))
        code_sent(client)

        assert error_of(submit_code(client, MOBILE, old)) == (400, "OTP_INVALID")

    def test_the_sms_of_a_replaced_code_is_dropped(self, client: FlaskClient, now: Now) -> None:
        code_sent(client)
        first = otp_message(MOBILE)
        now.shift(timedelta(seconds=61))
        code_sent(client)

        assert notifications.send(first.id) == "dropped"


class TestSecrecy:
    def test_the_clear_code_is_not_in_the_database(self, client: FlaskClient, database: Records) -> None:
        code = code_sent(client)

        stored = "".join(repr(one) for name in database.list_collection_names() for one in database[name].find())

        assert MOBILE in stored
        assert code not in stored

    def test_the_job_of_a_code_carries_only_its_id(self, client: FlaskClient) -> None:
        code_sent(client)
        with Redis.from_url(settings().redis_url, decode_responses=True) as redis:
            messages = [json.loads(one) for one in redis.lrange("strangers", 0, -1)]

        args, kwargs, _ = json.loads(b64decode(messages[0]["body"]))

        assert (args, kwargs) == ([str(Otp.objects.get().issue)], {})

    def test_the_clear_code_is_not_in_redis(self, client: FlaskClient) -> None:
        code = code_sent(client)
        with Redis.from_url(settings().redis_url) as redis:
            kept = [redis.dump(key) or b"" for key in redis.scan_iter()]
            messages = b"".join(b64decode(json.loads(one)["body"]) for one in redis.lrange("strangers", 0, -1))

        assert code.encode() not in b"".join(kept) + messages

    def test_the_log_has_no_code_number_name_or_token(self, stack: Stack) -> None:
        mobile = "9000000031"
        with httpx.Client(base_url=f"{stack.url}/api/auth", timeout=10) as api:
            api.post("/send-otp", json={"mobileNumber": mobile})
            code = stack.code_sent_to(mobile)
            wrong = api.post("/verify-otp", json={"mobileNumber": mobile, "otp": wrong_code(code)})
            right = api.post("/verify-otp", json={"mobileNumber": mobile, "otp": code, "name": "Quite Secret"})
        tokens = right.json()["data"]["tokens"]
        secrets = [mobile, "Quite Secret", tokens["accessToken"], tokens["refreshToken"]]

        logged = "".join(file.read_text() for file in stack.folder.glob("web-*.log"))

        assert wrong.headers["X-Request-ID"] in logged
        assert not re.search(rf"(?<![0-9a-f.]){code}(?![0-9a-f])", logged)
        assert [one for one in secrets if one in logged] == []


class TestVerify:
    def test_a_code_works_once(self, client: FlaskClient) -> None:
        code = code_sent(client)
        data_of(submit_code(client, MOBILE, code))

        assert error_of(submit_code(client, MOBILE, code)) == (400, "OTP_EXPIRED")

    def test_a_code_works_until_five_minutes_have_passed(self, client: FlaskClient, now: Now) -> None:
        code = code_sent(client)
        now.shift(timedelta(seconds=297))

        assert submit_code(client, MOBILE, code).status_code == 200

    def test_a_code_expires_after_five_minutes_before_its_document_is_removed(
        self, client: FlaskClient, database: Records, now: Now
    ) -> None:
        code = code_sent(client)
        now.shift(timedelta(seconds=300))

        assert error_of(submit_code(client, MOBILE, code)) == (400, "OTP_EXPIRED")
        assert database.otps.count_documents({}) == 1

    def test_a_code_of_another_number_is_invalid(self, client: FlaskClient) -> None:
        code_sent(client)
        others = code_sent(client, factories.new_mobile())

        assert error_of(submit_code(client, MOBILE, others)) == (400, "OTP_INVALID")

    def test_three_wrong_attempts_use_the_code_up(self, client: FlaskClient) -> None:
        code = code_sent(client)
        fail(client, 3)

        assert error_of(submit_code(client, MOBILE, code)) == (400, "OTP_MAX_ATTEMPTS")

    def test_a_code_is_consumed_with_its_session_or_not_at_all(self, client: FlaskClient, database: Records) -> None:
        user = factories.make_user()
        code = code_sent(client, user.mobile_number)

        with refusing_sessions(database):
            assert error_of(submit_code(client, user.mobile_number, code)) == (500, "INTERNAL_ERROR")

        assert database.otps.find_one({}, {"isUsed": 1, "attempts": 1, "_id": 0}) == {"isUsed": False, "attempts": 0}
        data_of(submit_code(client, user.mobile_number, code))
        assert database.sessions.count_documents({"user": user.id}) == 1
