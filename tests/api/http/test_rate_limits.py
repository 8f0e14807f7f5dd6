"""How many requests one caller may make."""

import socket
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import takewhile
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from werkzeug.test import TestResponse

from arthomed.config import settings
from dev.servers import free_port
from tests import factories
from tests.factories import refused
from tests.stack import wait_for

MOST = 3
MOST_OF_A_USER = 5


@pytest.fixture(autouse=True)
def _nothing_counted_yet(client: FlaskClient) -> None:
    del client


@pytest.fixture(scope="module")
def strict(app: Flask) -> Iterator[Flask]:
    """The application with few requests for everybody."""
    del app
    with factories.another_app(rate_limit_anonymous=MOST, rate_limit_user=MOST_OF_A_USER) as application:
        yield application


def ask(app: Flask, address: str = "127.0.0.1", **headers: str) -> TestResponse:
    return app.test_client().get("/api/auth/me", headers=headers, environ_base={"REMOTE_ADDR": address})


def ask_often(app: Flask, times: int, address: str = "127.0.0.1", **headers: str) -> TestResponse:
    """The last of several responses."""
    for _ in range(times - 1):
        ask(app, address, **headers)
    return ask(app, address, **headers)


def rate(response: TestResponse) -> tuple[int, int, int]:
    """Limit, remaining and reset of an response."""
    limit, remaining, reset = (int(response.headers[f"RateLimit-{name}"]) for name in ("Limit", "Remaining", "Reset"))
    return limit, remaining, reset


class TestHeaders:
    def test_every_answer_tells_what_is_left(self, strict: Flask) -> None:
        told = [rate(ask(strict))[:2] for _ in range(MOST)]

        assert told == [(3, 2), (3, 1), (3, 0)]

    def test_the_reset_is_in_seconds_from_now(self, strict: Flask) -> None:
        assert 890 <= rate(ask(strict))[2] <= 900

    def test_each_header_comes_once(self, client: FlaskClient) -> None:
        headers = client.get("/api/auth/me").headers

        assert [len(headers.getlist(f"RateLimit-{name}")) for name in ("Limit", "Remaining", "Reset")] == [1, 1, 1]

    def test_only_a_refusal_says_when_to_try_again(self, strict: Flask) -> None:
        responses = [ask(strict) for _ in range(MOST + 1)]

        assert ["Retry-After" in response.headers for response in responses] == [False, False, False, True]

    def test_an_anonymous_caller_has_the_hundred_of_the_contract(self, client: FlaskClient) -> None:
        assert rate(client.get("/api/auth/me"))[0] == 100

    @pytest.mark.parametrize("name", ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"])
    def test_there_are_no_headers_of_another_kind(self, client: FlaskClient, name: str) -> None:
        assert name not in client.get("/api/auth/me").headers

    def test_a_refusal_by_another_rule_keeps_its_own_retry_after(self, client: FlaskClient) -> None:
        factories.ask_for_code(client, "9876543210")

        response = factories.ask_for_code(client, "9876543210")

        assert refused(response) == (429, "RATE_LIMIT_EXCEEDED")
        assert int(response.headers["Retry-After"]) <= 60
        assert rate(response)[1] > 0


class TestRefusing:
    def test_one_more_is_refused_in_the_envelope(self, strict: Flask) -> None:
        response = ask_often(strict, MOST + 1)

        assert refused(response) == (429, "RATE_LIMIT_EXCEEDED")
        assert factories.envelope_of(response)["errors"] == []
        assert response.headers["X-Request-ID"]

    def test_a_refusal_says_after_how_many_seconds_to_try_again(self, strict: Flask) -> None:
        response = ask_often(strict, MOST + 1)

        assert 890 <= int(response.headers["Retry-After"]) <= 900
        assert rate(response)[1] == 0

    def test_who_waits_as_told_is_let_in_again(self, app: Flask, client: FlaskClient) -> None:
        del app, client
        with factories.another_app(rate_limit_anonymous=1, rate_limit_window=timedelta(seconds=1)) as hasty:
            refusal = ask_often(hasty, 2)
            told = int(refusal.headers["Retry-After"])

            assert refusal.status_code == 429
            assert wait_for(lambda: ask(hasty).status_code == 401, seconds=told + 0.5, what="being let in")

    def test_refused_requests_do_not_prolong_the_wait(self, strict: Flask) -> None:
        first = ask_often(strict, MOST + 1)

        assert rate(ask_often(strict, 10))[2] <= rate(first)[2]


class TestCallers:
    def test_addresses_have_budgets_of_their_own(self, strict: Flask) -> None:
        ask_often(strict, MOST + 1)

        assert ask(strict, "198.51.100.1").status_code == 401

    @pytest.mark.parametrize(
        ("another", "status"),
        [("2001:db8:1:2:ffff::9", 429), ("2001:db8:1:3::1", 401), ("::1", 401)],
        ids=["same network", "next network", "another"],
    )
    def test_an_ipv6_network_has_one_budget(self, strict: Flask, another: str, status: int) -> None:
        ask_often(strict, MOST + 1, "2001:db8:1:2::1")

        assert ask(strict, another).status_code == status

    def test_ipv4_addresses_written_as_ipv6_have_budgets_of_their_own(self, strict: Flask) -> None:
        ask_often(strict, MOST + 1, "::ffff:198.51.100.1")

        responses = [ask(strict, address).status_code for address in ("198.51.100.1", "::ffff:198.51.100.2")]

        assert responses == [429, 401]

    @pytest.mark.parametrize(
        ("method", "path"), [("GET", "/api/nowhere"), ("GET", "/"), ("POST", "/api/auth/me"), ("PUT", "/api/auth/me/")]
    )
    def test_what_leads_nowhere_is_counted(self, strict: Flask, method: str, path: str) -> None:
        responses = [strict.test_client().open(path, method=method).status_code for _ in range(MOST + 1)]

        assert responses[MOST] == 429
        assert set(responses[:MOST]) <= {404, 405}

    def test_a_user_has_another_budget_than_the_address(self, strict: Flask) -> None:
        person = factories.sign_in(strict)
        ask_often(strict, MOST + 1)

        assert rate(ask(strict, **person.headers))[:2] == (MOST_OF_A_USER, MOST_OF_A_USER - 1)

    def test_a_user_has_one_budget_on_all_devices_and_addresses(self, strict: Flask) -> None:
        phone = factories.sign_in(strict)
        tablet = factories.sign_in(strict, phone.user)
        ask(strict, **phone.headers)

        assert rate(ask(strict, "198.51.100.1", **tablet.headers))[1] == MOST_OF_A_USER - 2

    def test_users_have_budgets_of_their_own(self, strict: Flask) -> None:
        ask_often(strict, MOST_OF_A_USER + 1, **factories.sign_in(strict).headers)

        assert ask(strict, **factories.sign_in(strict).headers).status_code == 200

    def test_a_user_is_refused_after_the_last_one(self, strict: Flask) -> None:
        person = factories.sign_in(strict)

        assert refused(ask_often(strict, MOST_OF_A_USER + 1, **person.headers)) == (429, "RATE_LIMIT_EXCEEDED")

    def test_a_token_that_is_none_gives_no_budget(self, strict: Flask) -> None:
        for number in range(MOST):
            ask(strict, Authorization=f"Bearer {number}")

        assert ask(strict, Authorization="Bearer another").status_code == 429

    def test_a_claimed_address_gives_no_budget(self, strict: Flask) -> None:
        responses = [ask(strict, **{"X-Forwarded-For": f"198.51.100.{one}"}).status_code for one in range(MOST + 1)]

        assert responses == [401] * MOST + [429]

    def test_behind_a_trusted_proxy_the_address_is_what_it_says(self, app: Flask, client: FlaskClient) -> None:
        del app, client
        with factories.another_app(rate_limit_anonymous=1, trusted_proxies=1) as proxied:
            responses = [
                ask(proxied, **{"X-Forwarded-For": said}).status_code
                for said in ("198.51.100.1", "198.51.100.2", "203.0.113.9, 198.51.100.2")
            ]

        assert responses == [401, 401, 429]

    @pytest.mark.parametrize(
        "path", ["/health", "/health/ready", "/api/openapi.json", "/api/docs", "/dev/mailbox.json"]
    )
    def test_what_machines_and_developers_read_is_not_counted(self, strict: Flask, path: str) -> None:
        ask_often(strict, MOST + 1)

        response = strict.test_client().get(path)

        assert response.status_code != 429
        assert "RateLimit-Limit" not in response.headers


class TestRedisAway:
    @pytest.fixture(params=["refusing", "silent"])
    def away(self, request: pytest.FixtureRequest, app: Flask, client: FlaskClient) -> Iterator[Flask]:
        """The application without Redis: it refuses connections, or takes them and says nothing."""
        del app, client
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1] if request.param == "silent" else free_port()
            url = f"redis://127.0.0.1:{port}/0"
            with factories.another_app(redis_url=url, rate_limit_anonymous=MOST) as application:
                yield application

    def test_requests_are_still_counted_in_memory(self, away: Flask) -> None:
        responses = [ask(away).status_code for _ in range(MOST + 1)]

        assert responses == [401] * MOST + [429]

    def test_what_is_left_is_still_told(self, away: Flask) -> None:
        assert rate(ask(away))[:2] == (MOST, MOST - 1)

    def test_nobody_waits_for_it(self, away: Flask) -> None:
        started = time.monotonic()

        ask_often(away, MOST)

        assert time.monotonic() - started < 3


class TestRedis:
    @pytest.fixture
    def redis(self) -> Iterator[Any]:
        with Redis.from_url(settings().redis_url, decode_responses=True) as found:
            yield found

    @pytest.mark.parametrize(
        "header",
        ["", "Basic \xff", "Bearer \xff", "Bearer a*=utf-99''%ff"],
        ids=["none", "basic", "bearer", "parameter"],
    )
    def test_the_budgets_of_all_processes_are_there(self, client: FlaskClient, redis: Any, header: str) -> None:
        response = client.get("/api/auth/me", headers={"Authorization": header})

        assert response.status_code == 401
        assert len([key for key in redis.scan_iter() if "127.0.0.1" in key]) == 1

    def test_a_request_costs_one_round_trip(self, app: Flask, redis: Any) -> None:
        headers = factories.sign_in(app).headers
        ask(app, **headers)  # it hands the script over

        assert commands_of(redis, lambda: ask(app, **headers)) == ["EVALSHA"]

    def test_another_script_cache_is_filled_again(self, strict: Flask, redis: Any) -> None:
        ask(strict)
        redis.script_flush()

        assert rate(ask(strict))[1] == MOST - 2

    def test_a_window_that_lost_its_end_gets_another(self, strict: Flask, redis: Any) -> None:
        ask_often(strict, MOST)
        redis.persist(next(redis.scan_iter("*127.0.0.1*")))

        assert rate(ask(strict)) == (MOST, 0, 900)
        assert redis.ttl(next(redis.scan_iter("*127.0.0.1*"))) > 890

    def test_requests_at_once_are_each_counted(self, strict: Flask) -> None:
        responses = factories.at_once(4 * MOST, lambda _: ask(strict).status_code)

        assert sorted(responses) == [401] * MOST + [429] * 3 * MOST


def commands_of(redis: Any, work: Callable[[], object]) -> list[str]:
    """What clients ask of the first database meanwhile, without what scripts do there."""
    with redis.monitor() as monitor:
        redis.echo("begin")
        work()
        redis.echo("end")
        heard = list(takewhile(lambda one: one["command"] != "ECHO end", iter(monitor.next_command, None)))
    asked = [one["command"] for one in heard if one["db"] == 0 and one["client_type"] != "lua"]
    names = [command.split()[0] for command in asked[asked.index("ECHO begin") + 1 :]]
    return [name for name in names if name != "PING"]  # of the thread that listens whether Redis is there
