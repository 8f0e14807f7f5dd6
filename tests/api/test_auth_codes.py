"""Asking for one-time codes and answering with them."""

import json
import re
import socket
import time
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from pymongo.database import Database
from redis import Redis
from werkzeug.test import TestResponse

from arthomed.auth.models import Budget
from arthomed.config import settings
from arthomed.core import clock, jobs
from arthomed.infra.queue import CeleryJobs
from arthomed.notifications import service as notifications
from arthomed.notifications.models import Notification
from arthomed.users.models import User
from dev.servers import free_port
from tests import factories
from tests.factories import answer_with, ask_for_code, code_for, other_than, refused, told
from tests.stack import Stack

MOBILE = "9876543210"
Data = Database[dict[str, Any]]
Now = time_machine.Traveller


@pytest.fixture
def now() -> Iterator[Now]:
    """A clock that a test can set forward; it goes on from the real time."""
    with time_machine.travel(clock.now(), tick=True) as traveller:
        yield traveller


def shift(now: Now, **span: float) -> None:
    now.shift(timedelta(**span))


def retry_after(answer: TestResponse) -> int:
    return int(answer.headers["Retry-After"])


def code_sent(client: FlaskClient, mobile: str = MOBILE) -> str:
    told(ask_for_code(client, mobile))
    return code_for(mobile)


def fail(client: FlaskClient, times: int, mobile: str = MOBILE) -> None:
    wrong = other_than(code_for(mobile))
    for _ in range(times):
        assert refused(answer_with(client, mobile, wrong)) == (400, "OTP_INVALID")


def locked(client: FlaskClient, now: Now, mobile: str = MOBILE) -> None:
    """Five failures, which take two codes."""
    for failures in (3, 2):
        code_sent(client, mobile)
        fail(client, failures, mobile)
        shift(now, seconds=61)


def at_once(count: int, work: Callable[[int], TestResponse]) -> list[tuple[int, str]]:
    """Status and code of answers to requests that are sent at the same time."""
    with ThreadPoolExecutor(count) as pool:
        answers = list(pool.map(work, range(count)))
    return [refused(answer) for answer in answers]


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

        notifications.send(Notification.objects.get().id)

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
        shift(now, seconds=61)
        code_sent(client)

        assert refused(answer_with(client, MOBILE, old)) == (400, "OTP_INVALID")

    def test_the_sms_of_a_code_that_was_replaced_is_not_sent(self, client: FlaskClient, now: Now) -> None:
        code_sent(client)
        first = Notification.objects.get()
        shift(now, seconds=61)
        code_sent(client)

        assert notifications.send(first.id) == "dropped"


class TestSecrecy:
    def test_the_clear_code_is_not_in_the_database(self, client: FlaskClient, database: Data) -> None:
        code = code_sent(client)

        stored = "".join(repr(one) for name in database.list_collection_names() for one in database[name].find())

        assert MOBILE in stored
        assert code not in stored

    def test_a_task_message_carries_an_id_and_nothing_else(self, client: FlaskClient) -> None:
        code_sent(client)
        with Redis.from_url(settings().redis_url, decode_responses=True) as redis:
            messages = [json.loads(one) for one in redis.lrange("sms", 0, -1)]

        args, kwargs, _ = json.loads(b64decode(messages[0]["body"]))

        assert (args, kwargs) == ([str(Notification.objects.get().id)], {})

    def test_the_clear_code_is_not_in_redis(self, client: FlaskClient) -> None:
        code = code_sent(client)
        with Redis.from_url(settings().redis_url) as redis:
            kept = [redis.dump(key) or b"" for key in redis.scan_iter()]
            messages = b"".join(b64decode(json.loads(one)["body"]) for one in redis.lrange("sms", 0, -1))

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
        shift(now, seconds=297)

        assert answer_with(client, MOBILE, code).status_code == 200

    def test_a_code_is_dead_after_five_minutes_though_it_is_still_stored(
        self, client: FlaskClient, database: Data, now: Now
    ) -> None:
        code = code_sent(client)
        shift(now, seconds=300)

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

        assert Counter(answers) == {(400, "OTP_INVALID"): 3, (400, "OTP_MAX_ATTEMPTS"): 97}
        assert database.otps.find_one({}, {"attempts": 1, "_id": 0}) == {"attempts": 3}

    def test_of_fifty_right_answers_at_once_one_signs_in(self, app: Flask, client: FlaskClient, database: Data) -> None:
        code = code_sent(client)

        answers = at_once(50, lambda one: answer_with(app.test_client(), MOBILE, code, address=f"198.51.100.{one}"))

        assert Counter(status for status, _ in answers) == {200: 1, 400: 49}
        assert (database.sessions.count_documents({}), database.users.count_documents({})) == (1, 1)


class TestBudgets:
    def test_a_number_gets_one_code_a_minute(self, client: FlaskClient) -> None:
        code_sent(client)

        answer = ask_for_code(client, MOBILE)

        assert refused(answer) == (429, "RATE_LIMIT_EXCEEDED")
        assert 55 <= retry_after(answer) <= 60

    def test_a_number_may_ask_again_when_retry_after_says_so(self, client: FlaskClient, now: Now) -> None:
        code_sent(client)
        shift(now, seconds=retry_after(ask_for_code(client, MOBILE)))

        assert ask_for_code(client, MOBILE).status_code == 200

    def test_a_refused_request_leaves_the_code_alive(self, client: FlaskClient) -> None:
        code = code_sent(client)
        ask_for_code(client, MOBILE)

        assert answer_with(client, MOBILE, code).status_code == 200

    def test_signing_in_does_not_shorten_the_minute(self, client: FlaskClient) -> None:
        told(answer_with(client, MOBILE, code_sent(client)))

        assert refused(ask_for_code(client, MOBILE)) == (429, "RATE_LIMIT_EXCEEDED")

    def test_of_twenty_requests_for_one_number_at_once_one_gets_a_code(self, app: Flask, database: Data) -> None:
        answers = at_once(20, lambda one: ask_for_code(app.test_client(), MOBILE, address=f"198.51.100.{one}"))

        assert Counter(status for status, _ in answers) == {200: 1, 429: 19}
        assert database.notifications.count_documents({}) == 1

    def test_a_number_gets_ten_codes_an_hour(self, client: FlaskClient, now: Now) -> None:
        for _ in range(10):
            code_sent(client)
            shift(now, seconds=61)

        answer = ask_for_code(client, MOBILE)

        assert refused(answer) == (429, "RATE_LIMIT_EXCEEDED")
        assert 3600 - 620 <= retry_after(answer) <= 3600 - 610

    def test_another_number_is_not_concerned(self, client: FlaskClient) -> None:
        code_sent(client)

        assert ask_for_code(client, factories.new_mobile()).status_code == 200

    def test_an_address_gets_twenty_codes_an_hour(self, client: FlaskClient) -> None:
        for _ in range(20):
            code_sent(client, factories.new_mobile())

        answer = ask_for_code(client, MOBILE)

        assert refused(answer) == (429, "RATE_LIMIT_EXCEEDED")
        assert 3590 <= retry_after(answer) <= 3600

    def test_what_a_client_claims_to_be_its_address_is_not_believed(self, client: FlaskClient) -> None:
        def claimed(one: int) -> TestResponse:
            body, headers = {"mobileNumber": factories.new_mobile()}, {"X-Forwarded-For": f"198.51.100.{one}"}
            return client.post("/api/auth/send-otp", json=body, headers=headers)

        answers = [claimed(one).status_code for one in range(21)]

        assert answers == [200] * 20 + [429]

    def test_a_number_that_an_address_asked_too_often_for_can_ask_from_elsewhere(self, client: FlaskClient) -> None:
        for _ in range(20):
            code_sent(client, factories.new_mobile())
        ask_for_code(client, MOBILE)

        assert ask_for_code(client, MOBILE, address="198.51.100.1").status_code == 200

    def test_the_clinic_has_a_budget_for_a_day(self, client: FlaskClient) -> None:
        exhaust_the_clinic(lasting=timedelta(hours=5))

        answer = ask_for_code(client, MOBILE)

        assert refused(answer) == (429, "RATE_LIMIT_EXCEEDED")
        assert 5 * 3600 - 10 <= retry_after(answer) <= 5 * 3600

    def test_what_the_clinic_s_budget_refuses_is_charged_to_nobody(self, client: FlaskClient, database: Data) -> None:
        exhaust_the_clinic(lasting=timedelta(hours=5))

        ask_for_code(client, MOBILE)

        charged = {one["_id"]: one["used"] for one in database.budgets.find()}
        assert charged == {"clinic": settings().codes.per_clinic_a_day}

    def test_a_refusal_does_not_shorten_the_minute_of_the_next_code(self, client: FlaskClient, now: Now) -> None:
        exhaust_the_clinic(lasting=timedelta(seconds=50))
        ask_for_code(client, MOBILE)
        shift(now, seconds=50)
        code_sent(client)
        shift(now, seconds=30)

        assert refused(ask_for_code(client, MOBILE)) == (429, "RATE_LIMIT_EXCEEDED")


def exhaust_the_clinic(*, lasting: timedelta) -> None:
    Budget(id="clinic", used=settings().codes.per_clinic_a_day, ends_at=clock.now() + lasting).save()


class TestLock:
    def test_five_failures_lock_the_number_for_codes(self, client: FlaskClient, now: Now) -> None:
        locked(client, now)

        answer = ask_for_code(client, MOBILE)

        assert refused(answer) == (423, "ACCOUNT_LOCKED")
        assert 1800 - 70 <= retry_after(answer) <= 1800 - 60

    def test_five_failures_lock_the_number_for_right_answers_too(self, client: FlaskClient, now: Now) -> None:
        for failures in (3, 2):
            code = code_sent(client)
            fail(client, failures)
            shift(now, seconds=61)

        answer = answer_with(client, MOBILE, code)

        assert refused(answer) == (423, "ACCOUNT_LOCKED")
        assert 1800 - 70 <= retry_after(answer) <= 1800 - 60

    def test_a_locked_number_can_not_be_registered(self, client: FlaskClient, now: Now) -> None:
        locked(client, now)

        body = {"mobileNumber": MOBILE, "otp": "123456", "name": "Asha Verma"}

        assert refused(client.post("/api/auth/register", json=body)) == (423, "ACCOUNT_LOCKED")

    def test_a_request_for_a_locked_number_is_charged_to_nobody(
        self, client: FlaskClient, database: Data, now: Now
    ) -> None:
        locked(client, now)
        before = list(database.budgets.find())

        ask_for_code(client, MOBILE)

        assert list(database.budgets.find()) == before

    def test_the_lock_ends_after_thirty_minutes(self, client: FlaskClient, now: Now) -> None:
        locked(client, now)
        shift(now, minutes=30)

        assert ask_for_code(client, MOBILE).status_code == 200

    def test_the_lock_counts_from_the_last_failure(self, client: FlaskClient, now: Now) -> None:
        code_sent(client)
        fail(client, 3)
        shift(now, minutes=29)
        code_sent(client)
        fail(client, 2)
        shift(now, minutes=2)

        assert refused(ask_for_code(client, MOBILE)) == (423, "ACCOUNT_LOCKED")

    def test_after_a_lock_failures_are_counted_anew(self, client: FlaskClient, now: Now) -> None:
        locked(client, now)
        shift(now, minutes=30)
        code_sent(client)
        fail(client, 1)

        assert answer_with(client, MOBILE, code_for(MOBILE)).status_code == 200

    def test_signing_in_forgets_the_failures(self, client: FlaskClient, now: Now) -> None:
        for _ in range(3):
            code = code_sent(client)
            fail(client, 2)
            told(answer_with(client, MOBILE, code))
            shift(now, seconds=61)

        assert ask_for_code(client, MOBILE).status_code == 200

    def test_devices_that_are_signed_in_stay_so(self, app: Flask, client: FlaskClient, now: Now) -> None:
        device = factories.sign_in(app)
        locked(client, now, device.user.mobile_number)

        assert client.get("/api/auth/me", headers=device.headers).status_code == 200

    def test_another_number_is_not_locked(self, client: FlaskClient, now: Now) -> None:
        locked(client, now)

        assert ask_for_code(client, factories.new_mobile()).status_code == 200


@dataclass
class Broker:
    """The broker's address, as the web process sees it."""

    away_url: str

    def leave(self) -> None:
        jobs.use(CeleryJobs(self.away_url))

    def come_back(self) -> None:
        jobs.use(CeleryJobs(settings().redis_url))


class TestBrokerAway:
    @pytest.fixture
    def broker(self) -> Iterator[Broker]:
        """A broker that can leave: then it refuses connections."""
        broker = Broker(f"redis://127.0.0.1:{free_port()}/0")
        yield broker
        broker.come_back()

    def test_a_broker_that_says_nothing_is_given_up_within_three_seconds(
        self, client: FlaskClient, broker: Broker
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            broker.away_url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
            broker.leave()
            started = time.monotonic()

            answer = ask_for_code(client, MOBILE)

        assert refused(answer) == (503, "SERVICE_UNAVAILABLE")
        assert time.monotonic() - started < 3

    def test_the_service_is_unavailable_within_three_seconds(self, client: FlaskClient, broker: Broker) -> None:
        broker.leave()
        started = time.monotonic()

        answer = ask_for_code(client, MOBILE)

        assert refused(answer) == (503, "SERVICE_UNAVAILABLE")
        assert time.monotonic() - started < 3

    def test_nothing_is_left_behind(self, client: FlaskClient, database: Data, broker: Broker) -> None:
        broker.leave()

        ask_for_code(client, MOBILE)

        left = {name: database[name].count_documents({}) for name in ("otps", "notifications", "budgets")}
        assert left == {"otps": 0, "notifications": 0, "budgets": 0}

    def test_another_try_works_at_once_when_the_broker_is_back(self, client: FlaskClient, broker: Broker) -> None:
        broker.leave()
        ask_for_code(client, MOBILE)
        broker.come_back()

        assert answer_with(client, MOBILE, code_sent(client)).status_code == 200

    def test_an_older_code_still_works(self, client: FlaskClient, broker: Broker, now: Now) -> None:
        code = code_sent(client)
        shift(now, seconds=61)
        broker.leave()
        ask_for_code(client, MOBILE)

        assert answer_with(client, MOBILE, code).status_code == 200

    def test_an_older_code_gets_no_more_tries_for_it(self, client: FlaskClient, broker: Broker, now: Now) -> None:
        code = code_sent(client)
        fail(client, 3)
        shift(now, seconds=61)
        broker.leave()
        ask_for_code(client, MOBILE)

        assert refused(answer_with(client, MOBILE, code)) == (400, "OTP_MAX_ATTEMPTS")
