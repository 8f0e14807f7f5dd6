"""The audit trail records which user read or changed which records."""

from collections.abc import Callable, Iterator

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import transitions
from arthomed.audit.models import AuditEvent
from arthomed.core.actor import SYSTEM
from arthomed.core.permissions import Role
from arthomed.users.models import User
from tests import factories
from tests.api.audit.clinic import Clinic, clear_trail, get, put, trail
from tests.factories import Records, SignedIn, data_of

READS: dict[str, tuple[str, Callable[[Clinic], tuple[SignedIn, str]]]] = {
    "a receptionist reads an appointment": ("appointment", lambda c: (c.desk, f"/appointments/{c.appointment.id}")),
    "a receptionist lists appointments": ("appointment", lambda c: (c.desk, "/appointments")),
    "a receptionist lists pending appointments": ("appointment", lambda c: (c.desk, "/appointments/pending")),
    "a doctor reads an appointment": ("appointment", lambda c: (c.doctor, f"/appointments/{c.appointment.id}")),
    "a doctor lists appointments": ("appointment", lambda c: (c.doctor, "/appointments")),
    "a receptionist reads a user": ("user", lambda c: (c.desk, f"/users/{c.patient.user.id}")),
    "an admin searches users": ("user", lambda c: (c.admin, "/users?search=Asha")),
}


class TestReads:
    @pytest.mark.parametrize("name", READS)
    def test_a_read_is_recorded_with_reader_record_and_subject(
        self, client: FlaskClient, clinic: Clinic, name: str
    ) -> None:
        kind, request = READS[name]
        reader, path = request(clinic)

        get(client, path, reader)

        (event,) = (one for one in trail() if one.action != "search")
        record = clinic.appointment.id if kind == "appointment" else clinic.patient.user.id
        assert (event.action, event.kind, event.records) == ("read", kind, [record])
        assert (event.subjects, event.actor) == ([clinic.patient.user.id], reader.user.id)

    def test_a_read_is_recorded_with_session_address_and_request_id(self, client: FlaskClient, clinic: Clinic) -> None:
        get(client, f"/appointments/{clinic.appointment.id}", clinic.desk, **{"X-Request-ID": "request-0001"})

        (event,) = trail()
        assert (event.session, event.role) == (clinic.desk.session_id, Role.RECEPTIONIST)
        assert (event.address, event.request_id) == ("127.0.0.1", "request-0001")

    @pytest.mark.parametrize("path", ["/auth/me", "/users/profile", "/appointments/my-appointments", "/auth/sessions"])
    def test_reading_ones_own_records_is_not_recorded(self, client: FlaskClient, clinic: Clinic, path: str) -> None:
        get(client, path, clinic.patient)

        assert trail() == []

    def test_a_refused_read_is_not_recorded(self, app: Flask, client: FlaskClient, clinic: Clinic) -> None:
        stranger = factories.sign_in(app)
        clear_trail()
        response = client.get(f"/api/appointments/{clinic.appointment.id}", headers=stranger.headers)

        assert response.status_code == 404
        assert trail() == []

    def test_a_deactivation_records_a_read_of_the_appointments_it_lists(
        self, client: FlaskClient, clinic: Clinic
    ) -> None:
        put(client, f"/users/{clinic.doctor.user.id}/status", clinic.admin, isActive=False, reason="Left")

        recorded = [(event.action, event.kind, event.subjects) for event in trail() if event.kind != "session"]
        assert recorded == [
            ("change", "user", [clinic.doctor.user.id]),
            ("read", "appointment", [clinic.patient.user.id]),
        ]


def changes_of(event: AuditEvent) -> dict[str, tuple[object, object]]:
    return {one["field"]: (one["from"], one["to"]) for one in event.changes}


class TestChanges:
    def test_a_changed_profile_is_recorded_with_old_and_new_values(self, client: FlaskClient, clinic: Clinic) -> None:
        city = {"address": {"city": "Pune"}}
        put(client, "/users/profile", clinic.patient, name="Asha Rao", profile=city)

        (event,) = trail()
        assert (event.action, event.kind, event.actor) == ("change", "user", clinic.patient.user.id)
        assert changes_of(event)["name"] == ("Asha Verma", "Asha Rao")
        assert changes_of(event)["profile.address"][1]["city"] == "Pune"  # type: ignore[index]
        assert len(event.changes) == 2

    def test_a_status_change_of_an_appointment_is_recorded(self, client: FlaskClient, clinic: Clinic) -> None:
        put(client, f"/appointments/{clinic.appointment.id}/status", clinic.desk, status="confirmed")

        (event,) = trail()
        assert (event.kind, event.records, event.subjects) == (
            "appointment",
            [clinic.appointment.id],
            [clinic.patient.user.id],
        )
        assert changes_of(event) == {"status": ("pending", "confirmed")}

    def test_edits_of_an_appointment_are_recorded(self, client: FlaskClient, clinic: Clinic) -> None:
        put(client, f"/appointments/{clinic.appointment.id}", clinic.doctor, notes="Rest")
        put(client, f"/appointments/{clinic.appointment.id}", clinic.doctor, notes=None)

        assert [changes_of(event) for event in trail()] == [{"notes": (None, "Rest")}, {"notes": ("Rest", None)}]

    def test_a_booking_is_recorded(self, app: Flask, client: FlaskClient, clinic: Clinic) -> None:
        patient = factories.sign_in(app)
        clear_trail()
        body = factories.booking_body(clinic.doctor.user, appointmentTime="09:30")
        booked = data_of(client.post("/api/appointments/book", json=body, headers=patient.headers), 201)

        (event,) = trail()
        assert (event.action, event.kind, event.actor) == ("create", "appointment", patient.user.id)
        assert [str(one) for one in event.records] == [booked["appointment"]["_id"]]

    def test_a_changed_schedule_is_recorded(self, client: FlaskClient, clinic: Clinic) -> None:
        put(client, f"/users/doctors/{clinic.doctor.user.id}/schedule", clinic.doctor, schedule=[])

        (event,) = trail()
        assert (event.kind, [one["field"] for one in event.changes]) == ("schedule", ["doctorInfo.schedule"])

    def test_a_new_user_is_recorded(self, client: FlaskClient, clinic: Clinic) -> None:
        body = {"mobileNumber": factories.new_mobile(), "name": "New Person", "role": "doctor"}
        made = data_of(client.post("/api/users", json=body, headers=clinic.admin.headers), 201)["user"]

        (event,) = trail()
        assert (event.action, event.actor, str(event.subjects[0])) == ("create", clinic.admin.user.id, made["_id"])

    def test_a_change_by_the_system_has_no_actor(self, clinic: Clinic) -> None:
        with time_machine.travel(clinic.appointment.starts_at):
            transitions.change_status(SYSTEM, clinic.appointment.id, Status.REJECTED, reason="Not confirmed")

        (event,) = trail()
        assert (event.actor, event.role, event.session) == (None, None, None)

    @pytest.mark.usefixtures("read_only_trail")
    def test_a_change_that_cannot_be_recorded_is_not_made(self, client: FlaskClient, clinic: Clinic) -> None:
        response = client.put("/api/users/profile", json={"name": "Other"}, headers=clinic.patient.headers)

        assert response.status_code == 500
        assert User.objects.get(id=clinic.patient.user.id).name == "Asha Verma"

    @pytest.mark.usefixtures("read_only_trail")
    def test_a_booking_that_cannot_be_recorded_is_not_made(self, client: FlaskClient, clinic: Clinic) -> None:
        body = factories.booking_body(clinic.doctor.user, appointmentTime="09:30")
        response = client.post("/api/appointments/book", json=body, headers=clinic.patient.headers)

        assert response.status_code in (400, 500)
        assert Appointment.objects.count() == 1

    @pytest.fixture
    def read_only_trail(self, database: Records, clinic: Clinic) -> Iterator[None]:
        """An audit trail whose validator refuses every event."""
        del clinic  # it must be set up before
        (found,) = database.list_collections(filter={"name": "audit_events"})
        database.command("collMod", "audit_events", validator={"$expr": False})
        yield
        database.command("collMod", "audit_events", validator=found["options"]["validator"])
