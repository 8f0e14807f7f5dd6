"""Users see who accessed their own records, and admins see the whole audit trail."""

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from arthomed.audit import service as audit
from arthomed.audit.models import AuditEvent
from tests import factories
from tests.api.audit.clinic import Clinic, get, put, trail


class TestAccessLog:
    def test_the_access_log_shows_who_did_what_to_ones_records(self, client: FlaskClient, clinic: Clinic) -> None:
        get(client, f"/appointments/{clinic.appointment.id}", clinic.desk)
        audit.flush()
        put(client, f"/appointments/{clinic.appointment.id}/status", clinic.desk, status="confirmed")

        log = get(client, "/users/profile/access-log", clinic.patient)

        by = {"_id": str(clinic.desk.user.id), "name": "Some Receptionist", "role": "receptionist"}
        accesses = [(one["action"], one["kind"], one["records"], one["changed"], one["by"]) for one in log["items"]]
        assert accesses == [
            ("change", "appointment", [str(clinic.appointment.id)], ["status"], by),
            ("read", "appointment", [str(clinic.appointment.id)], [], by),
        ]

    def test_the_access_log_holds_nothing_about_others(self, app: Flask, client: FlaskClient, clinic: Clinic) -> None:
        get(client, f"/appointments/{clinic.appointment.id}", clinic.desk)
        audit.flush()
        stranger = factories.sign_in(app)
        AuditEvent.collection().delete_many({"subjects": stranger.user.id})

        assert get(client, "/users/profile/access-log", stranger)["items"] == []

    def test_the_access_log_is_paginated(self, client: FlaskClient, clinic: Clinic) -> None:
        for name in ("One", "Two", "Three"):
            put(client, "/users/profile", clinic.patient, name=f"Asha {name}")

        page = get(client, "/users/profile/access-log?limit=2&page=2", clinic.patient)

        assert (len(page["items"]), page["pagination"]["total"]) == (1, 3)


class TestAuditTrail:
    def test_an_admin_sees_every_event_with_its_values(self, client: FlaskClient, clinic: Clinic) -> None:
        put(client, f"/appointments/{clinic.appointment.id}/status", clinic.desk, status="confirmed")

        (event,) = get(client, "/admin/audit", clinic.admin)["items"]

        assert event["changes"] == [{"field": "status", "from": "pending", "to": "confirmed"}]
        assert event["subjects"] == [str(clinic.patient.user.id)]
        assert (event["session"], event["address"]) == (str(clinic.desk.session_id), "127.0.0.1")

    def test_values_of_every_type_are_serialized(self, client: FlaskClient, clinic: Clinic) -> None:
        put(client, "/users/profile", clinic.patient, profile={"dateOfBirth": "1990-04-21"})
        put(client, f"/appointments/{clinic.appointment.id}/cancel", clinic.desk, reason="Closed that day")

        values = {
            change["field"]: change["to"]
            for event in get(client, "/admin/audit", clinic.admin)["items"]
            for change in event["changes"]
        }

        assert values["profile.dateOfBirth"] == "1990-04-21T00:00:00.000Z"
        assert values["cancellation"]["by"] == str(clinic.desk.user.id)

    @pytest.mark.parametrize(
        ("name", "of"),
        [
            ("subjectId", lambda c: c.patient.user.id),
            ("actorId", lambda c: c.desk.user.id),
            ("recordId", lambda c: c.appointment.id),
        ],
        ids=["subject", "actor", "record"],
    )
    def test_the_audit_trail_can_be_filtered(
        self, client: FlaskClient, clinic: Clinic, name: str, of: Callable[[Clinic], object]
    ) -> None:
        put(client, f"/appointments/{clinic.appointment.id}/status", clinic.desk, status="confirmed")
        put(client, "/users/profile", clinic.doctor, name="Meera Nair")

        found = get(client, f"/admin/audit?{name}={of(clinic)}", clinic.admin)["items"]

        assert [one["kind"] for one in found] == ["appointment"]

    def test_reading_the_audit_trail_is_recorded_too(self, client: FlaskClient, clinic: Clinic) -> None:
        put(client, "/users/profile", clinic.patient, name="Asha Rao")
        get(client, "/admin/audit", clinic.admin)

        last = trail()[-1]
        assert (last.kind, last.actor, last.subjects) == ("audit-trail", clinic.admin.user.id, [clinic.patient.user.id])
