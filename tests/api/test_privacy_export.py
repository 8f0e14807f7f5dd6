"""Everything about oneself in one file."""

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from bson import ObjectId
from flask import Flask
from flask.testing import FlaskClient
from pymongo import MongoClient
from pymongo.database import Database
from redis import Redis
from werkzeug.test import TestResponse

from arthomed.audit import service as audit
from arthomed.audit.models import AuditEvent
from arthomed.config import settings
from arthomed.core import clock
from arthomed.core.permissions import Role
from arthomed.privacy.service import export
from arthomed.users import service as users
from dev.servers import free_port
from tests import factories
from tests.factories import SignedIn, answer_with, at_once, refused, told
from tests.migrations.records import message
from tests.api.auth.sign_in import MOBILE, Now, code_sent
from tests.stack import Stack, wait_for

Data = Database[dict[str, Any]]


def ask(client: FlaskClient, who: SignedIn) -> TestResponse:
    return client.get("/api/users/profile/export", headers=who.headers)


def exported(client: FlaskClient, who: SignedIn) -> Any:
    answer = ask(client, who)
    assert answer.status_code == 200, answer.text
    return json.loads(answer.data)


def jobs_waiting() -> int:
    with Redis.from_url(settings().redis_url) as redis:
        waiting: int = redis.llen("default")
    return waiting


@pytest.fixture
def much(database: Data, person: SignedIn) -> SignedIn:
    """A person with more records than a request gathers."""
    database.notifications.insert_many([message(user=person.user.id, createdAt=clock.now()) for _ in range(500)])
    return person


class TestContent:
    def test_it_holds_all_that_is_stored_about_a_patient(self, client: FlaskClient) -> None:
        code = code_sent(client)
        signed_in = told(answer_with(client, MOBILE, code, name="Asha Verma", email="asha@example.com"))
        patient = users.find_by_mobile(MOBILE)
        assert patient is not None
        visit = factories.make_visit(patient, symptoms="Fever")
        audit.flush()

        answer = client.get(
            "/api/users/profile/export", headers={"Authorization": f"Bearer {signed_in['tokens']['accessToken']}"}
        )
        found = json.loads(answer.data)

        assert (found["user"]["mobileNumber"], found["user"]["email"]) == (MOBILE, "asha@example.com")
        assert found["user"]["consents"][0]["notice"]
        assert [one["_id"] for one in found["appointments"]] == [str(visit.id)]
        assert found["appointments"][0]["symptoms"] == "Fever"
        assert [(one["kind"], one["arrival"]) for one in found["messages"]] == [("appointment-pending", None)]
        assert len(found["sessions"]) == 1
        assert {"user", "appointment"} <= {one["kind"] for one in found["accessLog"]}

    def test_it_is_a_file_that_nobody_caches(self, client: FlaskClient, person: SignedIn) -> None:
        answer = ask(client, person)

        assert answer.headers["Content-Disposition"] == 'attachment; filename="arthomed-export.json"'
        assert (answer.mimetype, answer.headers["Cache-Control"]) == ("application/json", "no-store")

    def test_it_holds_nothing_of_others(self, client: FlaskClient, person: SignedIn) -> None:
        stranger = factories.make_user(name="Quite Secret")
        factories.make_visit(stranger)

        assert "Quite Secret" not in ask(client, person).text
        assert exported(client, person)["appointments"] == []

    def test_a_doctor_gets_nothing_of_the_patients(self, app: Flask, client: FlaskClient) -> None:
        doctor = factories.make_doctor()
        factories.make_visit(factories.make_user(name="Quite Secret"), doctor)

        assert "Quite Secret" not in ask(client, factories.sign_in(app, doctor)).text

    @pytest.mark.parametrize("role", Role)
    def test_everybody_may_have_theirs(self, app: Flask, client: FlaskClient, role: Role) -> None:
        assert exported(client, factories.sign_in(app, factories.make_user(role)))["user"]["role"] == role

    def test_it_is_noted(self, client: FlaskClient, person: SignedIn) -> None:
        exported(client, person)

        assert AuditEvent.objects(kind="export", actor=person.user.id, action="read").count() == 1


class TestJob:
    def test_much_is_left_to_a_job(self, client: FlaskClient, much: SignedIn) -> None:
        first = ask(client, much)
        waiting = jobs_waiting()
        export.prepare(much.user.id)

        assert told(first, 202) == {"state": "preparing"}
        assert waiting == 1
        assert len(exported(client, much)["messages"]) == 500

    def test_asking_again_asks_for_no_other_job(self, app: Flask, much: SignedIn) -> None:
        answers = at_once(10, lambda _: ask(app.test_client(), much).status_code)

        assert set(answers) == {202}
        assert jobs_waiting() == 1

    def test_a_job_that_was_lost_is_asked_for_again(self, client: FlaskClient, much: SignedIn, now: Now) -> None:
        ask(client, much)
        now.shift(timedelta(minutes=1))
        ask(client, much)

        assert jobs_waiting() == 2

    def test_an_old_export_is_made_anew(self, app: Flask, client: FlaskClient, much: SignedIn, now: Now) -> None:
        ask(client, much)
        export.prepare(much.user.id)
        now.shift(timedelta(minutes=59))
        kept = ask(client, much).status_code
        now.shift(timedelta(minutes=2))

        assert (kept, ask(client, factories.sign_in(app, much.user)).status_code) == (200, 202)

    def test_a_job_that_runs_twice_or_unasked_does_nothing(
        self, client: FlaskClient, database: Data, much: SignedIn
    ) -> None:
        export.prepare(much.user.id)
        unasked = database.exports.count_documents({})
        ask(client, much)
        export.prepare(much.user.id)
        once = database.exports.find_one()
        export.prepare(much.user.id)

        assert unasked == 0
        assert database.exports.find_one() == once

    def test_without_a_broker_it_says_so_and_can_be_asked_again(self, app: Flask, much: SignedIn) -> None:
        with factories.another_app(redis_url=f"redis://127.0.0.1:{free_port()}/0") as brokerless:
            away = refused(ask(brokerless.test_client(), much))
        again = ask(app.test_client(), much)

        assert away == (503, "SERVICE_UNAVAILABLE")
        assert again.status_code == 202


def test_a_worker_makes_what_is_much(stack: Stack) -> None:
    mobile = "9000000041"
    with httpx.Client(base_url=f"{stack.url}/api", timeout=10) as api:
        api.post("/auth/send-otp", json={"mobileNumber": mobile})
        body = {"mobileNumber": mobile, "otp": stack.code_sent_to(mobile)}
        signed_in = api.post("/auth/verify-otp", json=body).json()["data"]
        api.headers["Authorization"] = f"Bearer {signed_in['tokens']['accessToken']}"
        user_id = ObjectId(signed_in["user"]["_id"])
        with MongoClient[dict[str, Any]](stack.env["MONGODB_URI"], tz_aware=True) as mongo:
            mongo.get_default_database().notifications.insert_many(
                [message(user=user_id, state="sent", createdAt=clock.now()) for _ in range(500)]
            )

        first = api.get("/users/profile/export")
        made = wait_for(lambda: is_file(api.get("/users/profile/export")), what="the export")

    assert first.status_code == 202
    assert len(made["messages"]) == 500


def is_file(answer: httpx.Response) -> Any:
    return answer.json() if answer.status_code == 200 else None
