"""The error event that Sentry receives when a request fails unexpectedly."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sentry_sdk
from flask import Flask
from flask.testing import FlaskClient

from arthomed.core import error_reporting
from arthomed.core.permissions import Permission, Role
from arthomed.http.auth import requires
from dev.servers import Mongo, Valkey
from tests import factories
from tests.factories import SignedIn
from tests.faults.clinic import Clinic
from tests.infra.fake_sentry import FakeSentry
from tests.stack import ROOT, stack_with

MOBILE, NAME, CODE, ADDRESS = "9812345670", "Lakshmi", "482913", "203.0.113.7"


@pytest.fixture
def sentry(app: Flask, client: FlaskClient) -> Iterator[FakeSentry]:
    del app, client  # they wire this process and empty the database
    with FakeSentry().running() as server:
        yield server
    error_reporting.use(None)
    sentry_sdk.get_client().close()


@pytest.fixture
def patient(sentry: FakeSentry) -> Iterator[tuple[SignedIn, FlaskClient]]:
    """A patient who is signed in to an application with a route that raises an error about its input."""
    with factories.another_app(sentry_dsn=sentry.dsn) as application:

        @application.post("/api/broken/<mobile>")
        @requires(Permission.PROFILE)
        def broken(mobile: str) -> str:
            known: dict[str, str] = {}
            try:
                return known[mobile]
            except KeyError as error:
                raise ValueError(f"{NAME} has {mobile}") from error

        setattr(application.view_functions["broken"], "has_query", True)  # noqa: B010  `requires` refuses others
        user = factories.make_user(name=NAME, mobile_number=MOBILE)
        yield factories.sign_in(application, user), application.test_client()


def call_broken_route(patient: tuple[SignedIn, FlaskClient]) -> SignedIn:
    person, client = patient
    response = client.post(
        f"/api/broken/{MOBILE}?name={NAME}",
        json={"name": NAME, "otp": CODE},
        headers={**person.headers, "X-Request-ID": "the-one-that-broke", "Cookie": f"name={NAME}"},
        environ_base={"REMOTE_ADDR": ADDRESS},
    )
    assert response.status_code == 500
    return person


def test_an_event_names_the_type_and_place_of_the_error_and_the_user(
    sentry: FakeSentry, patient: tuple[SignedIn, FlaskClient]
) -> None:
    person = call_broken_route(patient)

    event = sentry.event()
    assert [error["type"] for error in event["exception"]["values"]] == ["KeyError", "ValueError"]
    assert event["exception"]["values"][-1]["stacktrace"]["frames"][-1]["function"] == "broken"
    assert (event["transaction"], event["tags"]["request_id"]) == ("/api/broken/<mobile>", "the-one-that-broke")
    assert event["user"] == {"id": str(person.user.id)}


def test_an_event_holds_no_personal_data(sentry: FakeSentry, patient: tuple[SignedIn, FlaskClient]) -> None:
    person = call_broken_route(patient)

    event = sentry.event()
    assert set(event) <= {
        *("event_id", "timestamp", "platform", "level", "release", "environment", "transaction", "tags", "user"),
        "exception",
    }
    frames = [frame for error in event["exception"]["values"] for frame in error["stacktrace"]["frames"]]
    assert not any("vars" in frame for frame in frames)
    personal = (MOBILE, NAME, CODE, ADDRESS, person.access_token, str(person.session_id))
    assert [one for one in personal if one in sentry.envelopes[0]] == []


def test_a_client_error_is_not_reported(sentry: FakeSentry, patient: tuple[SignedIn, FlaskClient]) -> None:
    _, client = patient
    client.get("/api/auth/me")
    call_broken_route(patient)

    assert sentry.event()["transaction"] == "/api/broken/<mobile>"
    assert len(sentry.envelopes) == 1


@pytest.mark.long
def test_a_forked_process_reports_errors_too(mongo: Mongo, valkey: Valkey, sentry: FakeSentry, tmp_path: Path) -> None:
    stack = stack_with(mongo, valkey, tmp_path, redis=5, parts=("web",), env={"SENTRY_DSN": sentry.dsn})
    with stack, Clinic(stack) as clinic:
        person = clinic.person(Role.PATIENT)
        broken_record = {"$set": {"patientInfo": "not a document"}}
        clinic.database.command(
            {
                "update": "users",
                "updates": [{"q": {"_id": person.id}, "u": broken_record}],
                "bypassDocumentValidation": True,
            }
        )
        assert clinic.api.get("/auth/me", headers=person.headers).status_code == 500

        assert sentry.event()["transaction"] == "/api/auth/me"


@pytest.mark.long
def test_sentry_and_prometheus_are_not_imported_unless_configured(environment: dict[str, str]) -> None:
    printing = "print({'sentry_sdk', 'prometheus_client'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, wsgi, workers.app; {printing}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "set()\n"
