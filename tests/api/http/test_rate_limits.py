"""The default rate limits of users and addresses."""

import socket
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from werkzeug.test import TestResponse

from arthomed.http.limits import OneRoundTripStorage
from dev.servers import Valkey, free_port
from tests import factories
from tests.api.http.rate_limits import REFUSAL, counters, limit_and_remaining, reset, wait_until_redis_counts
from tests.factories import error_of
from tests.stack import wait_for

ADDRESS_LIMIT = 3
USER_LIMIT = 5


@pytest.fixture(autouse=True)
def _no_counters(client: FlaskClient) -> None:
    del client  # it empties Redis


@pytest.fixture(scope="module")
def strict(app: Flask) -> Iterator[Flask]:
    """The application with low limits."""
    del app
    limits = factories.rate_limits(address=ADDRESS_LIMIT, user=USER_LIMIT)
    with factories.another_app(rate_limits=limits) as application:
        yield application


def get(app: Flask, address: str = "127.0.0.1", **headers: str) -> TestResponse:
    return app.test_client().get("/api/auth/me", headers=headers, environ_base={"REMOTE_ADDR": address})


def get_repeatedly(app: Flask, times: int, address: str = "127.0.0.1", **headers: str) -> TestResponse:
    """The last response of several requests."""
    for _ in range(times - 1):
        get(app, address, **headers)
    return get(app, address, **headers)


class TestHeaders:
    def test_every_response_has_the_remaining_requests(self, strict: Flask) -> None:
        responses = [get(strict) for _ in range(ADDRESS_LIMIT)]

        assert [limit_and_remaining(one) for one in responses] == [(3, 2), (3, 1), (3, 0)]
        assert ["Retry-After" in one.headers for one in responses] == [False] * ADDRESS_LIMIT

    def test_the_reset_is_in_seconds_from_now(self, strict: Flask) -> None:
        assert 890 <= reset(get(strict)) <= 900

    def test_each_header_is_sent_once(self, client: FlaskClient) -> None:
        headers = client.get("/api/auth/me").headers

        assert [len(headers.getlist(f"RateLimit-{name}")) for name in ("Limit", "Remaining", "Reset")] == [1, 1, 1]

    def test_an_address_has_a_hundred_requests_by_default(self, client: FlaskClient) -> None:
        assert limit_and_remaining(client.get("/api/auth/me"))[0] == 100

    def test_a_refusal_by_an_otp_quota_keeps_its_own_retry_after(self, client: FlaskClient) -> None:
        factories.request_code(client, "9876543210")

        response = factories.request_code(client, "9876543210")

        assert error_of(response) == REFUSAL
        assert int(response.headers["Retry-After"]) <= 60
        assert limit_and_remaining(response)[1] > 0


class TestRefusal:
    def test_a_request_over_the_limit_is_refused_in_the_envelope(self, strict: Flask) -> None:
        response = get_repeatedly(strict, ADDRESS_LIMIT + 1)

        assert error_of(response) == REFUSAL
        assert factories.envelope_of(response)["errors"] == []
        assert response.headers["X-Request-ID"]

    def test_an_address_and_a_session_are_refused_in_words_of_their_own(self, strict: Flask) -> None:
        person = factories.sign_in(strict)

        of_address = get_repeatedly(strict, ADDRESS_LIMIT + 1)
        of_session = get_repeatedly(strict, USER_LIMIT + 1, **person.headers)

        assert [factories.envelope_of(one)["message"] for one in (of_address, of_session)] == [
            "Too many requests from this IP, please try again later.",
            "Too many requests, please try again later",
        ]

    def test_a_sign_in_is_refused_in_the_words_for_an_address(self) -> None:
        with factories.another_app(rate_limits=factories.rate_limits(auth=1)) as hasty:
            responses = [factories.request_code(hasty.test_client(), "98765") for _ in range(2)]

        assert error_of(responses[1]) == REFUSAL
        assert factories.envelope_of(responses[1])["message"].startswith("Too many requests from this IP,")

    def test_retry_after_is_the_rest_of_the_window(self, strict: Flask) -> None:
        response = get_repeatedly(strict, ADDRESS_LIMIT + 1)

        assert 890 <= int(response.headers["Retry-After"]) <= 900
        assert limit_and_remaining(response)[1] == 0

    def test_requests_are_accepted_again_after_retry_after(self) -> None:
        limits = factories.rate_limits(address=1, window=timedelta(seconds=1))
        with factories.another_app(rate_limits=limits) as hasty:
            refusal = get_repeatedly(hasty, 2)
            seconds = int(refusal.headers["Retry-After"])

            assert refusal.status_code == 429
            assert wait_for(lambda: get(hasty).status_code == 401, seconds=seconds + 0.5, what="an accepted request")

    def test_refused_requests_do_not_extend_the_window(self, strict: Flask) -> None:
        first = get_repeatedly(strict, ADDRESS_LIMIT + 1)

        assert reset(get_repeatedly(strict, 10)) <= reset(first)


class TestCallers:
    def test_each_address_has_its_own_limit(self, strict: Flask) -> None:
        get_repeatedly(strict, ADDRESS_LIMIT + 1)

        assert get(strict, "198.51.100.1").status_code == 401

    @pytest.mark.parametrize(
        ("another", "status"),
        [("2001:db8:1:2:ffff::9", 429), ("2001:db8:1:3::1", 401), ("::1", 401)],
        ids=["same network", "next network", "another"],
    )
    def test_an_ipv6_network_shares_one_limit(self, strict: Flask, another: str, status: int) -> None:
        get_repeatedly(strict, ADDRESS_LIMIT + 1, "2001:db8:1:2::1")

        assert get(strict, another).status_code == status

    def test_an_ipv4_address_mapped_to_ipv6_has_the_limit_of_the_ipv4_address(self, strict: Flask) -> None:
        get_repeatedly(strict, ADDRESS_LIMIT + 1, "::ffff:198.51.100.1")

        responses = [get(strict, address).status_code for address in ("198.51.100.1", "::ffff:198.51.100.2")]

        assert responses == [429, 401]

    @pytest.mark.parametrize(
        ("method", "path"), [("GET", "/api/nowhere"), ("GET", "/"), ("POST", "/api/auth/me"), ("PUT", "/api/auth/me/")]
    )
    def test_requests_without_a_route_are_counted(self, strict: Flask, method: str, path: str) -> None:
        responses = [strict.test_client().open(path, method=method).status_code for _ in range(ADDRESS_LIMIT + 1)]

        assert responses[ADDRESS_LIMIT] == 429
        assert set(responses[:ADDRESS_LIMIT]) <= {404, 405}

    def test_a_session_has_a_limit_apart_from_the_address(self, strict: Flask) -> None:
        person = factories.sign_in(strict)
        get_repeatedly(strict, ADDRESS_LIMIT + 1)

        assert limit_and_remaining(get(strict, **person.headers)) == (USER_LIMIT, USER_LIMIT - 1)

    def test_all_addresses_of_a_session_share_one_limit(self, strict: Flask) -> None:
        phone = factories.sign_in(strict)
        get(strict, **phone.headers)

        assert limit_and_remaining(get(strict, "198.51.100.1", **phone.headers))[1] == USER_LIMIT - 2

    def test_a_stolen_token_uses_up_no_other_session_of_its_user(self, strict: Flask) -> None:
        stolen = factories.sign_in(strict)

        assert error_of(get_repeatedly(strict, USER_LIMIT + 1, **stolen.headers)) == REFUSAL
        assert get(strict, **factories.sign_in(strict, stolen.user).headers).status_code == 200

    def test_requests_of_an_ended_session_count_for_the_address(self, strict: Flask) -> None:
        person = factories.sign_in(strict)
        strict.test_client().post("/api/auth/logout", headers=person.headers)

        responses = [get(strict, **person.headers) for _ in range(ADDRESS_LIMIT + 1)]

        assert [error_of(one) for one in responses] == [(401, "SESSION_REVOKED")] * ADDRESS_LIMIT + [REFUSAL]
        assert 890 <= int(responses[ADDRESS_LIMIT].headers["Retry-After"]) <= 900
        assert factories.envelope_of(responses[ADDRESS_LIMIT])["message"].startswith("Too many requests from this IP,")
        assert error_of(get(strict)) == REFUSAL

    def test_refreshes_of_an_ended_session_count_for_the_address(self, strict: Flask) -> None:
        person = factories.sign_in(strict)
        strict.test_client().post("/api/auth/logout", headers=person.headers)
        body = {"refreshToken": person.refresh_token}

        for _ in range(ADDRESS_LIMIT):
            strict.test_client().post("/api/auth/refresh-token", json=body)

        assert error_of(strict.test_client().post("/api/auth/refresh-token", json=body)) == REFUSAL

    def test_an_invalid_token_counts_for_the_address(self, strict: Flask) -> None:
        for number in range(ADDRESS_LIMIT):
            get(strict, Authorization=f"Bearer {number}")

        assert get(strict, Authorization="Bearer another").status_code == 429

    def test_x_forwarded_for_is_ignored_without_a_trusted_proxy(self, strict: Flask) -> None:
        headers = [{"X-Forwarded-For": f"198.51.100.{one}"} for one in range(ADDRESS_LIMIT + 1)]

        assert [get(strict, **one).status_code for one in headers] == [401] * ADDRESS_LIMIT + [429]

    @pytest.mark.parametrize(
        "path", ["/health", "/health/ready", "/api/openapi.json", "/api/docs", "/dev/mailbox.json"]
    )
    def test_health_documentation_and_mailbox_are_exempt(self, strict: Flask, path: str) -> None:
        get_repeatedly(strict, ADDRESS_LIMIT + 1)

        response = strict.test_client().get(path)

        assert response.status_code != 429
        assert "RateLimit-Limit" not in response.headers


class TestRedisUnavailable:
    @pytest.fixture(params=["refusing", "silent"])
    def without_redis(self, request: pytest.FixtureRequest, app: Flask) -> Iterator[Flask]:
        """The application whose Redis refuses connections, or accepts them and does not answer."""
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1] if request.param == "silent" else free_port()
            url = f"redis://127.0.0.1:{port}/0"
            limits = factories.rate_limits(address=ADDRESS_LIMIT)
            with factories.another_app(redis_url=url, rate_limits=limits) as application:
                yield application
        wait_until_redis_counts(app)

    def test_requests_are_counted_in_memory_without_delay(self, without_redis: Flask) -> None:
        started = time.monotonic()

        responses = [get(without_redis) for _ in range(ADDRESS_LIMIT + 1)]

        assert [one.status_code for one in responses] == [401] * ADDRESS_LIMIT + [429]
        assert limit_and_remaining(responses[0]) == (ADDRESS_LIMIT, ADDRESS_LIMIT - 1)
        assert time.monotonic() - started < 3


class TestRedis:
    @pytest.mark.parametrize(
        "header",
        ["", "Basic \xff", "Bearer \xff", "Bearer a*=utf-99''%ff"],
        ids=["none", "basic", "bearer", "parameter"],
    )
    def test_the_counters_of_all_processes_are_in_redis(self, client: FlaskClient, redis: Any, header: str) -> None:
        response = client.get("/api/auth/me", headers={"Authorization": header})

        assert response.status_code == 401
        assert len(counters(redis)) == 1

    def test_a_request_needs_one_round_trip(self, app: Flask, redis: Any) -> None:
        headers = factories.sign_in(app).headers
        get(app, **headers)  # it loads the script

        assert commands_during(redis, lambda: get(app, **headers)) == ["EVALSHA"]

    def test_the_script_is_loaded_again_after_redis_lost_it(self, strict: Flask, redis: Any) -> None:
        get(strict)
        redis.script_flush()

        assert limit_and_remaining(get(strict))[1] == ADDRESS_LIMIT - 2

    def test_redis_that_answers_but_cannot_count_is_not_used_again(self, tmp_path: Path) -> None:
        with Valkey(tmp_path / "valkey", tmp_path) as server:
            storage = OneRoundTripStorage(f"once+{server.url}")
            before = storage.check()
            Redis.from_url(server.url).config_set("maxmemory", 1)

            assert (before, storage.check()) == (True, False)

    def test_a_counter_without_expiry_gets_one(self, strict: Flask, redis: Any) -> None:
        get_repeatedly(strict, ADDRESS_LIMIT)
        [key] = counters(redis)
        redis.persist(key)

        assert error_of(get(strict)) == REFUSAL
        assert redis.ttl(key) > 890

    def test_concurrent_requests_are_each_counted(self, strict: Flask) -> None:
        responses = factories.in_parallel(4 * ADDRESS_LIMIT, lambda _: get(strict).status_code)

        assert sorted(responses) == [401] * ADDRESS_LIMIT + [429] * 3 * ADDRESS_LIMIT


def commands_during(redis: Any, work: Callable[[], object]) -> list[str]:
    """The commands that clients send to the first database meanwhile, without those of scripts."""
    with redis.monitor() as monitor:
        redis.echo("begin")
        work()
        redis.echo("end")
        heard = list(takewhile(lambda one: one["command"] != "ECHO end", iter(monitor.next_command, None)))
    commands = [one["command"] for one in heard if one["db"] == 0 and one["client_type"] != "lua"]
    return [command.split()[0] for command in commands[commands.index("ECHO begin") + 1 :]]
