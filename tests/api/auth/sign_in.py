"""Requests of a client that signs in: codes and tokens over HTTP."""

from datetime import timedelta
from typing import Any

import time_machine
from flask.testing import FlaskClient
from redis import Redis
from werkzeug.test import TestResponse

from tests.factories import code_for, data_of, error_of, request_code, submit_code, wrong_code

MOBILE = "9876543210"


class Now:
    """A clock that a test can set forward; the OTP quotas in Redis age with it."""

    def __init__(self, traveller: time_machine.Traveller, redis_url: str) -> None:
        self.move_to = traveller.move_to
        self._traveller, self._redis_url = traveller, redis_url

    def shift(self, by: timedelta) -> None:
        self._traveller.shift(by)
        with Redis.from_url(self._redis_url) as redis:
            for key in redis.scan_iter("quota:*"):
                redis.pexpire(key, redis.pttl(key) - by // timedelta(milliseconds=1))


def used_quotas(redis: Any) -> dict[bytes, int]:
    """The uses of each OTP quota by its key."""
    return {key: int(redis.get(key) or 0) for key in redis.scan_iter("quota:*")}


def retry_after(response: TestResponse) -> int:
    return int(response.headers["Retry-After"])


def code_sent(client: FlaskClient, mobile: str = MOBILE) -> str:
    """Request a code; returns it."""
    data_of(request_code(client, mobile))
    return code_for(mobile)


def fail(client: FlaskClient, times: int, mobile: str = MOBILE) -> None:
    """Send a wrong code."""
    wrong = wrong_code(code_for(mobile))
    for _ in range(times):
        assert error_of(submit_code(client, mobile, wrong)) == (400, "OTP_INVALID")


def lock(client: FlaskClient, now: Now, mobile: str = MOBILE) -> str:
    """Lock a number with five failures over two codes; returns the second code, which has one attempt left."""
    for failures in (3, 2):
        code = code_sent(client, mobile)
        fail(client, failures, mobile)
        now.shift(timedelta(seconds=61))
    return code


def me(client: FlaskClient, token: str) -> TestResponse:
    return client.get("/api/auth/me", headers={"Authorization": f"Bearer {token}"})


def devices_of(client: FlaskClient, token: str) -> list[dict[str, Any]]:
    """The listed sessions of the token's user."""
    response = client.get("/api/auth/sessions", headers={"Authorization": f"Bearer {token}"})
    items: list[dict[str, Any]] = data_of(response)["items"]
    return items


def refresh(client: FlaskClient, token: object) -> TestResponse:
    return client.post("/api/auth/refresh-token", json={"refreshToken": token})


def refreshed(client: FlaskClient, token: str) -> dict[str, str]:
    """Refresh; returns the new tokens."""
    pair: dict[str, str] = data_of(refresh(client, token))
    return pair
