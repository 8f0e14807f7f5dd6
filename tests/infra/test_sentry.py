"""What Sentry is told of a request that broke."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sentry_sdk
from flask import Flask
from flask.testing import FlaskClient

from arthomed.core import faults
from arthomed.core.permissions import Permission, Role
from arthomed.http.auth import requires
from dev.servers import Mongo, Valkey
from tests import factories, sentry
from tests.factories import SignedIn
from tests.faults.clinic import Clinic
from tests.sentry import Sentry
from tests.stack import ROOT, Stack

MOBILE, NAME, CODE, ADDRESS = "9812345670", "Lakshmi", "482913", "203.0.113.7"


@pytest.fixture
def told(app: Flask, client: FlaskClient) -> Iterator[Sentry]:
    del app, client  # they wire this process and empty the database
    with sentry.running() as server:
        yield server
    faults.use(faults.nobody)
    sentry_sdk.get_client().close()


@pytest.fixture
def patient(told: Sentry) -> Iterator[tuple[SignedIn, FlaskClient]]:
    """Signed in where one route breaks over what it was sent."""
    with factories.another_app(sentry_dsn=told.dsn) as application:

        @application.post("/api/broken/<mobile>")
        @requires(Permission.PROFILE)
        def broken(mobile: str) -> str:
            known: dict[str, str] = {}
            try:
                return known[mobile]
            except KeyError as error:
                raise ValueError(f"{NAME} has {mobile}") from error

        user = factories.make_user(name=NAME, mobile_number=MOBILE)
        yield factories.sign_in(application, user), application.test_client()


def break_over(patient: tuple[SignedIn, FlaskClient]) -> SignedIn:
    person, client = patient
    answer = client.post(
        f"/api/broken/{MOBILE}?name={NAME}",
        json={"name": NAME, "otp": CODE},
        headers={**person.headers, "X-Request-ID": "the-one-that-broke", "Cookie": f"name={NAME}"},
        environ_base={"REMOTE_ADDR": ADDRESS},
    )
    assert answer.status_code == 500
    return person


def test_an_error_is_told_with_its_kind_its_place_and_who_asked(
    told: Sentry, patient: tuple[SignedIn, FlaskClient]
) -> None:
    person = break_over(patient)

    event = told.event()
    assert [error["type"] for error in event["exception"]["values"]] == ["KeyError", "ValueError"]
    assert event["exception"]["values"][-1]["stacktrace"]["frames"][-1]["function"] == "broken"
    assert (event["transaction"], event["tags"]["request_id"]) == ("/api/broken/<mobile>", "the-one-that-broke")
    assert event["user"] == {"id": str(person.user.id)}


def test_nothing_personal_goes_along(told: Sentry, patient: tuple[SignedIn, FlaskClient]) -> None:
    person = break_over(patient)

    event = told.event()
    assert set(event) <= {
        *("event_id", "timestamp", "platform", "level", "release", "environment", "transaction", "tags", "user"),
        "exception",
    }
    frames = [frame for error in event["exception"]["values"] for frame in error["stacktrace"]["frames"]]
    assert not any("vars" in frame for frame in frames)
    personal = (MOBILE, NAME, CODE, ADDRESS, person.access_token, str(person.session_id))
    assert [one for one in personal if one in told.envelopes[0]] == []


def test_a_refusal_is_no_error(told: Sentry, patient: tuple[SignedIn, FlaskClient]) -> None:
    _, client = patient
    client.get("/api/auth/me")
    break_over(patient)

    assert told.event()["transaction"] == "/api/broken/<mobile>"
    assert len(told.envelopes) == 1


@pytest.mark.long
def test_a_process_that_was_forked_tells_too(mongo: Mongo, valkey: Valkey, told: Sentry, tmp_path: Path) -> None:
    stack = Stack(
        tmp_path,
        mongodb_uri=mongo.uri("arthomed_broken"),
        redis_url=valkey.url.removesuffix("/0") + "/5",
        parts=("web",),
        demo=False,
        env={"SENTRY_DSN": told.dsn},
    )
    with stack, Clinic(stack) as clinic:
        person = clinic.person(Role.PATIENT)
        of_no_role = {"$set": {"role": "nobody"}}
        clinic.database.command(
            {
                "update": "sessions",
                "updates": [{"q": {"user": person.id}, "u": of_no_role}],
                "bypassDocumentValidation": True,
            }
        )
        assert clinic.api.get("/auth/me", headers=person.headers).status_code == 500

        assert told.event()["transaction"] == "/api/auth/me"


@pytest.mark.long
def test_where_nobody_asked_neither_sentry_nor_prometheus_is_loaded(environment: dict[str, str]) -> None:
    names = "print({'sentry_sdk', 'prometheus_client'} & set(sys.modules))"
    found = subprocess.run(
        [sys.executable, "-c", f"import sys, wsgi, workers.app; {names}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == "set()\n"
