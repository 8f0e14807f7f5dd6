"""Asking for one-time codes, and answering with them."""

import json
import re
from base64 import b64decode
from collections import Counter
from datetime import timedelta
from typing import Any
from unittest.mock import DEFAULT, Mock

import httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient
from pymongo.database import Database
from redis import Redis

from arthomed.auth.models import Otp
from arthomed.config import settings
from arthomed.notifications import service as notifications
from arthomed.users.models import User
from tests import factories
from tests.factories import (
    answer_with,
    ask_for_code,
    at_once,
    message_of_code,
    other_than,
    refused,
    told,
)
from tests.api.auth.sign_in import MOBILE, Now, budgets, code_sent, fail
from tests.stack import Stack

Data = Database[dict[str, Any]]


class TestAsking:
    def test_the_answer_tells_how_long_the_code_is_good_and_when_to_ask_again(self, client: FlaskClient) -> None:
        assert told(ask_for_code(client, MOBILE)) == {"expiresIn": 300, "resendAfter": 60}

    @pytest.mark.parametrize("is_active", [True, False], ids=["active", "deactivated"])
    def test_the_answer_does_not_tell_whether_the_number_is_known(
        self, client: FlaskClient, *, is_active: bool
    ) -> None:
        user = factories.make_user()
        User.objects(id=user.id).update(set__is_active=is_active)

        known = factories.envelope_of(ask_for_code(client, user.mobile_number))
        unknown = factories.envelope_of(ask_for_code(client, factories.new_mobile()))

        assert {**known, "timestamp": ""} == {**unknown, "timestamp": ""}

    def test_a_code_has_six_digits_in_its_sms(self, client: FlaskClient) -> None:
        code = code_sent(client)

        notifications.send(message_of_code(MOBILE).id)

        caught = client.get(f"/dev/mailbox.json?to={MOBILE}")
        assert re.match(r"[0-9]{6} is your Arthomed code", factories.envelope_of(caught)["items"][0]["text"])
        assert factories.envelope_of(caught)["items"][0]["text"].startswith(code)

    @pytest.mark.parametrize("purpose", ["login", "registration"])
    def test_a_purpose_may_be_told(self, client: FlaskClient, purpose: str) -> None:
        assert ask_for_code(client, MOBILE, purpose=purpose).status_code == 200

    def test_an_unknown_purpose_is_refused(self, client: FlaskClient) -> None:
        assert refused(ask_for_code(client, MOBILE, purpose="admin")) == (400, "VALIDATION_ERROR")

    @pytest.mark.parametrize("mobile", ["+91 98765-43210", "09876543210", "919876543210"])
    def test_all_notations_of_a_number_are_one_number(self, client: FlaskClient, mobile: str) -> None:
        code_sent(client)

        assert refused(ask_for_code(client, mobile)) == (429, "RATE_LIMIT_EXCEEDED")

    def test_a_new_code_kills_the_old_one(self, client: FlaskClient, now: Now) -> None:
        old = code_sent(client)
        now.shift(timedelta(seconds=61))
        code_sent(client)

        assert refused(answer_with(client, MOBILE, old)) == (400, "OTP_INVALID")

    def test_the_sms_of_a_code_that_was_replaced_is_not_sent(self, client: FlaskClient, now: Now) -> None:
        code_sent(client)
        first = message_of_code(MOBILE)
        now.shift(timedelta(seconds=61))
        code_sent(client)

        assert notifications.send(first.id) == "dropped"


class TestSecrecy:
    def test_a_code_that_could_not_be_stored_is_not_told_as_sent_and_charged_to_nobody(
        self, client: FlaskClient, redis: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Otp, "replace_older", lambda made, **_: {*made})  # others were quicker, twice

        assert factories.refused(factories.ask_for_code(client, MOBILE)) == (503, "SERVICE_UNAVAILABLE")
        assert budgets(redis) == {}

    def test_a_code_that_is_stored_at_the_second_try_is_charged_once(
        self, client: FlaskClient, redis: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = Mock(wraps=Otp.replace_older, side_effect=[{MOBILE}, DEFAULT])
        monkeypatch.setattr(Otp, "replace_older", store)

        told(ask_for_code(client, MOBILE))

        assert store.call_count == 2
        assert set(budgets(redis).values()) == {1}

    def test_the_clear_code_is_not_in_the_database(self, client: FlaskClient, database: Data) -> None:
        code = code_sent(client)

        stored = "".join(repr(one) for name in database.list_collection_names() for one in database[name].find())

        assert MOBILE in stored
        assert code not in stored

    def test_a_task_message_carries_an_id_and_nothing_else(self, client: FlaskClient) -> None:
        code_sent(client)
        with Redis.from_url(settings().redis_url, decode_responses=True) as redis:
            messages = [json.loads(one) for one in redis.lrange("codes", 0, -1)]

        args, kwargs, _ = json.loads(b64decode(messages[0]["body"]))

        assert (args, kwargs) == ([str(Otp.objects.get().issue)], {})

    def test_the_clear_code_is_not_in_redis(self, client: FlaskClient) -> None:
        code = code_sent(client)
        with Redis.from_url(settings().redis_url) as redis:
            kept = [redis.dump(key) or b"" for key in redis.scan_iter()]
            messages = b"".join(b64decode(json.loads(one)["body"]) for one in redis.lrange("codes", 0, -1))

        assert code.encode() not in b"".join(kept) + messages

    def test_the_web_process_logs_neither_code_nor_number_nor_token(self, stack: Stack) -> None:
        mobile = "9000000031"
        with httpx.Client(base_url=f"{stack.url}/api/auth", timeout=10) as api:
            api.post("/send-otp", json={"mobileNumber": mobile})
            code = stack.code_sent_to(mobile)
            wrong = api.post("/verify-otp", json={"mobileNumber": mobile, "otp": other_than(code)})
            right = api.post("/verify-otp", json={"mobileNumber": mobile, "otp": code, "name": "Quite Secret"})
        tokens = right.json()["data"]["tokens"]
        secrets = [mobile, "Quite Secret", tokens["accessToken"], tokens["refreshToken"]]

        logged = "".join(file.read_text() for file in stack.folder.glob("web-*.log"))

        assert wrong.headers["X-Request-ID"] in logged
        assert not re.search(rf"(?<![0-9a-f.]){code}(?![0-9a-f])", logged)
        assert [one for one in secrets if one in logged] == []


class TestAnswering:
    def test_a_code_works_once(self, client: FlaskClient) -> None:
        code = code_sent(client)
        told(answer_with(client, MOBILE, code))

        assert refused(answer_with(client, MOBILE, code)) == (400, "OTP_EXPIRED")

    def test_a_code_works_until_five_minutes_have_passed(self, client: FlaskClient, now: Now) -> None:
        code = code_sent(client)
        now.shift(timedelta(seconds=297))

        assert answer_with(client, MOBILE, code).status_code == 200

    def test_a_code_is_dead_after_five_minutes_though_it_is_still_stored(
        self, client: FlaskClient, database: Data, now: Now
    ) -> None:
        code = code_sent(client)
        now.shift(timedelta(seconds=300))

        assert refused(answer_with(client, MOBILE, code)) == (400, "OTP_EXPIRED")
        assert database.otps.count_documents({}) == 1

    def test_a_number_without_a_code_is_told_as_one_whose_code_expired(self, client: FlaskClient) -> None:
        assert refused(answer_with(client, MOBILE, "123456")) == (400, "OTP_EXPIRED")

    def test_a_code_of_another_number_is_wrong(self, client: FlaskClient) -> None:
        code_sent(client)
        others = code_sent(client, factories.new_mobile())

        assert refused(answer_with(client, MOBILE, others)) == (400, "OTP_INVALID")

    def test_the_third_try_may_still_be_right(self, client: FlaskClient) -> None:
        code = code_sent(client)
        fail(client, 2)

        assert answer_with(client, MOBILE, code).status_code == 200

    def test_three_wrong_tries_kill_the_code(self, client: FlaskClient) -> None:
        code = code_sent(client)
        fail(client, 3)

        assert refused(answer_with(client, MOBILE, code)) == (400, "OTP_MAX_ATTEMPTS")

    def test_of_a_hundred_guesses_at_once_three_are_compared(
        self, app: Flask, client: FlaskClient, database: Data
    ) -> None:
        wrong = other_than(code_sent(client))

        answers = at_once(100, lambda one: answer_with(app.test_client(), MOBILE, wrong, address=f"198.51.100.{one}"))

        assert Counter(map(refused, answers)) == {(400, "OTP_INVALID"): 3, (400, "OTP_MAX_ATTEMPTS"): 97}
        assert database.otps.find_one({}, {"attempts": 1, "_id": 0}) == {"attempts": 3}

    def test_of_fifty_right_answers_at_once_one_signs_in(self, app: Flask, client: FlaskClient, database: Data) -> None:
        code = code_sent(client)

        answers = at_once(50, lambda one: answer_with(app.test_client(), MOBILE, code, address=f"198.51.100.{one}"))

        assert Counter(answer.status_code for answer in answers) == {200: 1, 400: 49}
        assert (database.sessions.count_documents({}), database.users.count_documents({})) == (1, 1)
