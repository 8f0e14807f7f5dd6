"""The export of everything that is stored about oneself."""

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from bson import ObjectId
from flask import Flask
from flask.testing import FlaskClient
from pymongo import MongoClient
from redis import Redis
from werkzeug.test import TestResponse

from arthomed.audit import service as audit
from arthomed.audit.models import AuditEvent
from arthomed.config import settings
from arthomed.core import clock
from arthomed.core.permissions import Role
from arthomed.privacy.service import export
from arthomed.users import family
from arthomed.users import service as users
from dev.servers import free_port
from tests import factories
from tests.api.auth.sign_in import MOBILE, Now, code_sent
from tests.factories import Records, SignedIn, data_of, error_of, in_parallel, submit_code
from tests.migrations.records import message
from tests.stack import Stack, wait_for


def request_export(client: FlaskClient, who: SignedIn) -> TestResponse:
    return client.get("/api/users/profile/export", headers=who.headers)


def exported(client: FlaskClient, who: SignedIn) -> Any:
    response = request_export(client, who)
    assert response.status_code == 200, response.text
    return json.loads(response.data)


def queued_jobs() -> int:
    with Redis.from_url(settings().redis_url) as redis:
        length: int = redis.llen("default")
    return length


@pytest.fixture
def large_account(database: Records, person: SignedIn) -> SignedIn:
    """A person with more records than a request exports."""
    database.notifications.insert_many([message(user=person.user.id, createdAt=clock.now()) for _ in range(500)])
    return person


class TestContent:
    def test_the_export_holds_everything_that_is_stored_about_a_patient(self, client: FlaskClient) -> None:
        code = code_sent(client)
        signed_in = data_of(submit_code(client, MOBILE, code, name="Asha Verma", email="asha@example.com"))
        patient = users.find_by_mobile(MOBILE)
        assert patient is not None
        appointment = factories.make_appointment(patient, symptoms="Fever")
        audit.flush()

        response = client.get(
            "/api/users/profile/export", headers={"Authorization": f"Bearer {signed_in['tokens']['accessToken']}"}
        )
        found = json.loads(response.data)

        assert (found["user"]["mobileNumber"], found["user"]["email"]) == (MOBILE, "asha@example.com")
        assert found["user"]["consents"][0]["notice"]
        assert [one["_id"] for one in found["appointments"]] == [str(appointment.id)]
        assert found["appointments"][0]["symptoms"] == "Fever"
        assert [(one["kind"], one["arrival"]) for one in found["messages"]] == [("appointment-pending", None)] * 2
        assert len(found["sessions"]) == 1
        assert {"user", "appointment"} <= {one["kind"] for one in found["accessLog"]}

    def test_the_export_has_the_family(self, client: FlaskClient, person: SignedIn) -> None:
        parts = {"name": "Aarav", "relationship": "nephew"}
        member = family.add(factories.actor_of(person.user), person.user.id, parts).dependent
        factories.make_appointment(person.user, dependent_id=member.id)
        family.remove(factories.actor_of(person.user), person.user.id, member.id)

        found = exported(client, person)

        assert [(one["name"], one["isActive"]) for one in found["dependents"]] == [("Aarav", False)]
        assert [one["dependent"]["name"] for one in found["appointments"]] == ["Aarav"]

    def test_the_export_is_a_download_that_no_cache_stores(self, client: FlaskClient, person: SignedIn) -> None:
        response = request_export(client, person)

        disposition = "attachment; filename=\"arthomed-export.json\"; filename*=UTF-8''arthomed-export.json"
        assert response.headers["Content-Disposition"] == disposition
        assert (response.mimetype, response.headers["Cache-Control"]) == ("application/json", "no-store")

    def test_the_export_holds_no_data_of_others(self, client: FlaskClient, person: SignedIn) -> None:
        stranger = factories.make_user(name="Quite Secret")
        factories.make_appointment(stranger)

        assert "Quite Secret" not in request_export(client, person).text
        assert exported(client, person)["appointments"] == []

    def test_a_doctors_export_holds_no_data_of_patients(self, app: Flask, client: FlaskClient) -> None:
        doctor = factories.make_doctor()
        factories.make_appointment(factories.make_user(name="Quite Secret"), doctor)

        assert "Quite Secret" not in request_export(client, factories.sign_in(app, doctor)).text

    @pytest.mark.parametrize("role", Role)
    def test_every_role_can_export_its_own_data(self, app: Flask, client: FlaskClient, role: Role) -> None:
        assert exported(client, factories.sign_in(app, factories.make_user(role)))["user"]["role"] == role

    def test_the_audit_trail_records_the_export(self, client: FlaskClient, person: SignedIn) -> None:
        exported(client, person)

        assert AuditEvent.objects(kind="export", actor=person.user.id, action="read").count() == 1


class TestJob:
    def test_a_job_generates_the_export_of_a_large_account(self, client: FlaskClient, large_account: SignedIn) -> None:
        first = request_export(client, large_account)
        queued = queued_jobs()
        export.prepare(large_account.user.id)

        assert data_of(first, 202) == {"state": "preparing"}
        assert queued == 1
        assert len(exported(client, large_account)["messages"]) == 500

    def test_repeated_requests_enqueue_one_job(self, app: Flask, large_account: SignedIn) -> None:
        responses = in_parallel(10, lambda _: request_export(app.test_client(), large_account).status_code)

        assert set(responses) == {202}
        assert queued_jobs() == 1

    def test_a_lost_job_is_enqueued_again_after_a_minute(
        self, client: FlaskClient, large_account: SignedIn, now: Now
    ) -> None:
        request_export(client, large_account)
        now.shift(timedelta(minutes=1))
        request_export(client, large_account)

        assert queued_jobs() == 2

    def test_an_export_is_generated_again_after_it_expired(
        self, app: Flask, client: FlaskClient, large_account: SignedIn, now: Now
    ) -> None:
        request_export(client, large_account)
        export.prepare(large_account.user.id)
        now.shift(timedelta(minutes=59))
        within_an_hour = request_export(client, large_account).status_code
        now.shift(timedelta(minutes=2))
        expired = request_export(client, factories.sign_in(app, large_account.user)).status_code

        assert (within_an_hour, expired) == (200, 202)

    def test_a_job_without_a_pending_export_does_nothing(
        self, client: FlaskClient, database: Records, large_account: SignedIn
    ) -> None:
        export.prepare(large_account.user.id)
        unrequested = database.exports.count_documents({})
        request_export(client, large_account)
        export.prepare(large_account.user.id)
        once = database.exports.find_one()
        export.prepare(large_account.user.id)

        assert unrequested == 0
        assert database.exports.find_one() == once

    def test_a_request_without_a_broker_fails_and_can_be_repeated(self, app: Flask, large_account: SignedIn) -> None:
        with factories.another_app(redis_url=f"redis://127.0.0.1:{free_port()}/0") as brokerless:
            unavailable = error_of(request_export(brokerless.test_client(), large_account))
        again = request_export(app.test_client(), large_account)

        assert unavailable == (503, "SERVICE_UNAVAILABLE")
        assert again.status_code == 202


def test_a_worker_generates_the_export_of_a_large_account(stack: Stack) -> None:
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
        export_file = wait_for(lambda: downloaded(api.get("/users/profile/export")), what="the export")

    assert first.status_code == 202
    assert len(export_file["messages"]) == 500


def downloaded(response: httpx.Response) -> Any:
    return response.json() if response.status_code == 200 else None
