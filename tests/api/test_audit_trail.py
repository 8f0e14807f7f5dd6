"""Who read or changed whose record, and what of it everybody may see."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pymongo.database import Database

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import transitions
from arthomed.audit import service as audit
from arthomed.audit.models import AuditEvent
from arthomed.core.actor import SYSTEM
from arthomed.core.permissions import Role
from arthomed.users.models import User
from tests import factories
from tests.factories import SignedIn, answer_with, code_for, told
from tests.api.auth.sign_in import MOBILE, code_sent, refreshed

Data = Database[dict[str, Any]]


@dataclass
class Clinic:
    patient: SignedIn
    doctor: SignedIn
    desk: SignedIn
    admin: SignedIn
    visit: Appointment


@pytest.fixture
def clinic(app: Flask, client: FlaskClient) -> Clinic:
    """One visit; what it took to get there is forgotten."""
    del client  # it empties the database
    doctor = factories.make_doctor(factories.every_day("09:00", "10:00"), name="Meera Iyer")
    patient = factories.make_user(name="Asha Verma")
    visit = factories.make_visit(patient, doctor)
    desk, admin = (factories.make_user(role, name=f"Some {role.title()}") for role in (Role.RECEPTIONIST, Role.ADMIN))
    signed_in = {"patient": patient, "doctor": doctor, "desk": desk, "admin": admin}
    made = Clinic(visit=visit, **{name: factories.sign_in(app, person) for name, person in signed_in.items()})
    forget_all()
    return made


def forget_all() -> None:
    audit.flush()
    AuditEvent.collection().delete_many({})


def trail() -> list[AuditEvent]:
    """Everything that was noted, the oldest first."""
    audit.flush()
    return list(AuditEvent.objects.order_by("at", "id"))


def get(client: FlaskClient, path: str, who: SignedIn, **headers: str) -> Any:
    return told(client.get(f"/api{path}", headers={**who.headers, **headers}))


def put(client: FlaskClient, path: str, who: SignedIn, **body: object) -> Any:
    return told(client.put(f"/api{path}", json=body, headers=who.headers))


READS: dict[str, tuple[str, Callable[[Clinic], tuple[SignedIn, str]]]] = {
    "the desk reads a visit": ("appointment", lambda c: (c.desk, f"/appointments/{c.visit.id}")),
    "the desk lists visits": ("appointment", lambda c: (c.desk, "/appointments")),
    "the desk lists what waits": ("appointment", lambda c: (c.desk, "/appointments/pending")),
    "a doctor reads a visit": ("appointment", lambda c: (c.doctor, f"/appointments/{c.visit.id}")),
    "a doctor lists visits": ("appointment", lambda c: (c.doctor, "/appointments")),
    "the desk reads a person": ("user", lambda c: (c.desk, f"/users/{c.patient.user.id}")),
    "an admin searches people": ("user", lambda c: (c.admin, "/users?search=Asha")),
}


class TestReading:
    @pytest.mark.parametrize("name", READS)
    def test_it_is_noted_whose_record_was_read(self, client: FlaskClient, clinic: Clinic, name: str) -> None:
        kind, ask = READS[name]
        reader, path = ask(clinic)

        get(client, path, reader)

        (event,) = trail()
        record = clinic.visit.id if kind == "appointment" else clinic.patient.user.id
        assert (event.action, event.kind, event.records) == ("read", kind, [record])
        assert (event.subjects, event.actor) == ([clinic.patient.user.id], reader.user.id)

    def test_it_is_noted_from_which_session_address_and_request(self, client: FlaskClient, clinic: Clinic) -> None:
        get(client, f"/appointments/{clinic.visit.id}", clinic.desk, **{"X-Request-ID": "request-0001"})

        (event,) = trail()
        assert (event.session, event.role) == (clinic.desk.session_id, Role.RECEPTIONIST)
        assert (event.address, event.request_id) == ("127.0.0.1", "request-0001")

    @pytest.mark.parametrize("path", ["/auth/me", "/users/profile", "/appointments/my-appointments", "/auth/sessions"])
    def test_ones_own_records_are_ones_own_business(self, client: FlaskClient, clinic: Clinic, path: str) -> None:
        get(client, path, clinic.patient)

        assert trail() == []

    def test_what_could_not_be_read_is_not_noted(self, app: Flask, client: FlaskClient, clinic: Clinic) -> None:
        answer = client.get(f"/api/appointments/{clinic.visit.id}", headers=factories.sign_in(app).headers)
        forget_all()

        assert answer.status_code == 404
        assert trail() == []

    def test_the_coming_visits_that_a_deactivation_lists_are_read(self, client: FlaskClient, clinic: Clinic) -> None:
        put(client, f"/users/{clinic.doctor.user.id}/status", clinic.admin, isActive=False, reason="Left")

        noted = [(event.action, event.kind, event.subjects) for event in trail() if event.kind != "session"]
        assert noted == [("change", "user", [clinic.doctor.user.id]), ("read", "appointment", [clinic.patient.user.id])]


def changes_of(event: AuditEvent) -> dict[str, tuple[object, object]]:
    return {one["field"]: (one["from"], one["to"]) for one in event.changes}


class TestChanging:
    def test_old_and_new_values_of_what_changed_are_noted(self, client: FlaskClient, clinic: Clinic) -> None:
        city = {"address": {"city": "Pune"}}
        put(client, "/users/profile", clinic.patient, name="Asha Rao", profile=city)

        (event,) = trail()
        assert (event.action, event.kind, event.actor) == ("change", "user", clinic.patient.user.id)
        assert changes_of(event)["name"] == ("Asha Verma", "Asha Rao")
        assert changes_of(event)["profile.address"][1]["city"] == "Pune"  # type: ignore[index]
        assert len(event.changes) == 2

    def test_another_status_of_a_visit_is_noted(self, client: FlaskClient, clinic: Clinic) -> None:
        put(client, f"/appointments/{clinic.visit.id}/status", clinic.desk, status="confirmed")

        (event,) = trail()
        assert (event.kind, event.records, event.subjects) == (
            "appointment",
            [clinic.visit.id],
            [clinic.patient.user.id],
        )
        assert changes_of(event) == {"status": ("pending", "confirmed")}

    def test_an_edited_visit_is_noted(self, client: FlaskClient, clinic: Clinic) -> None:
        put(client, f"/appointments/{clinic.visit.id}", clinic.doctor, notes="Rest")
        put(client, f"/appointments/{clinic.visit.id}", clinic.doctor, notes=None)

        assert [changes_of(event) for event in trail()] == [{"notes": (None, "Rest")}, {"notes": ("Rest", None)}]

    def test_a_booking_is_noted(self, app: Flask, client: FlaskClient, clinic: Clinic) -> None:
        patient = factories.sign_in(app)
        forget_all()
        body = factories.booking_body(clinic.doctor.user, appointmentTime="09:30")
        booked = told(client.post("/api/appointments/book", json=body, headers=patient.headers), 201)

        (event,) = trail()
        assert (event.action, event.kind, event.actor) == ("create", "appointment", patient.user.id)
        assert [str(one) for one in event.records] == [booked["appointment"]["_id"]]

    def test_new_hours_are_noted(self, client: FlaskClient, clinic: Clinic) -> None:
        put(client, f"/users/doctors/{clinic.doctor.user.id}/schedule", clinic.doctor, schedule=[])

        (event,) = trail()
        assert (event.kind, [one["field"] for one in event.changes]) == ("schedule", ["doctorInfo.schedule"])

    def test_a_new_person_is_noted(self, client: FlaskClient, clinic: Clinic) -> None:
        body = {"mobileNumber": factories.new_mobile(), "name": "New Person", "role": "doctor"}
        made = told(client.post("/api/users", json=body, headers=clinic.admin.headers), 201)["user"]

        (event,) = trail()
        assert (event.action, event.actor, str(event.subjects[0])) == ("create", clinic.admin.user.id, made["_id"])

    def test_what_the_system_does_has_no_actor(self, clinic: Clinic) -> None:
        transitions.change_status(SYSTEM, clinic.visit.id, Status.REJECTED, reason="Nobody could")

        (event,) = trail()
        assert (event.actor, event.role, event.session) == (None, None, None)

    @pytest.mark.usefixtures("closed_trail")
    def test_a_change_that_can_not_be_noted_is_not_made(self, client: FlaskClient, clinic: Clinic) -> None:
        answer = client.put("/api/users/profile", json={"name": "Other"}, headers=clinic.patient.headers)

        assert answer.status_code == 500
        assert User.objects.get(id=clinic.patient.user.id).name == "Asha Verma"

    @pytest.mark.usefixtures("closed_trail")
    def test_a_booking_that_can_not_be_noted_is_not_made(self, client: FlaskClient, clinic: Clinic) -> None:
        body = factories.booking_body(clinic.doctor.user, appointmentTime="09:30")
        answer = client.post("/api/appointments/book", json=body, headers=clinic.patient.headers)

        assert answer.status_code in (400, 500)
        assert Appointment.objects.count() == 1

    @pytest.fixture
    def closed_trail(self, database: Data, clinic: Clinic) -> Iterator[None]:
        """A trail that takes no event any more."""
        del clinic  # which is to be there by then
        (found,) = database.list_collections(filter={"name": "audit_events"})
        database.command("collMod", "audit_events", validator={"$expr": False})
        yield
        database.command("collMod", "audit_events", validator=found["options"]["validator"])

    def test_neither_codes_nor_tokens_are_noted(self, client: FlaskClient) -> None:
        code = code_sent(client)
        signed_in = told(answer_with(client, MOBILE, code, name="Ravi Kumar"))
        pair = refreshed(client, signed_in["tokens"]["refreshToken"])

        noted = repr([event.to_mongo() for event in trail()])
        assert "create" in noted
        secrets = (code, code_for(MOBILE), pair["accessToken"], pair["refreshToken"])
        assert [one for one in secrets if re.search(rf"\b{re.escape(one)}\b", noted)] == []


class TestAccessLog:
    def test_it_tells_who_did_what_with_ones_records(self, client: FlaskClient, clinic: Clinic) -> None:
        get(client, f"/appointments/{clinic.visit.id}", clinic.desk)
        audit.flush()
        put(client, f"/appointments/{clinic.visit.id}/status", clinic.desk, status="confirmed")

        log = get(client, "/users/profile/access-log", clinic.patient)

        by = {"_id": str(clinic.desk.user.id), "name": "Some Receptionist", "role": "receptionist"}
        told_of = [(one["action"], one["kind"], one["records"], one["changed"], one["by"]) for one in log["items"]]
        assert told_of == [
            ("change", "appointment", [str(clinic.visit.id)], ["status"], by),
            ("read", "appointment", [str(clinic.visit.id)], [], by),
        ]

    def test_others_are_not_in_it(self, app: Flask, client: FlaskClient, clinic: Clinic) -> None:
        get(client, f"/appointments/{clinic.visit.id}", clinic.desk)
        audit.flush()
        stranger = factories.sign_in(app)
        AuditEvent.collection().delete_many({"subjects": stranger.user.id})

        assert get(client, "/users/profile/access-log", stranger)["items"] == []

    def test_it_comes_in_pages(self, client: FlaskClient, clinic: Clinic) -> None:
        for name in ("One", "Two", "Three"):
            put(client, "/users/profile", clinic.patient, name=f"Asha {name}")

        page = get(client, "/users/profile/access-log?limit=2&page=2", clinic.patient)

        assert (len(page["items"]), page["pagination"]["total"]) == (1, 3)


class TestTrail:
    def test_an_admin_sees_everything_with_its_values(self, client: FlaskClient, clinic: Clinic) -> None:
        put(client, f"/appointments/{clinic.visit.id}/status", clinic.desk, status="confirmed")

        (event,) = get(client, "/admin/audit", clinic.admin)["items"]

        assert event["changes"] == [{"field": "status", "from": "pending", "to": "confirmed"}]
        assert event["subjects"] == [str(clinic.patient.user.id)]
        assert (event["session"], event["address"]) == (str(clinic.desk.session_id), "127.0.0.1")

    def test_values_of_any_kind_can_be_shown(self, client: FlaskClient, clinic: Clinic) -> None:
        put(client, "/users/profile", clinic.patient, profile={"dateOfBirth": "1990-04-21"})
        put(client, f"/appointments/{clinic.visit.id}/cancel", clinic.desk, reason="Closed that day")

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
            ("recordId", lambda c: c.visit.id),
        ],
        ids=["subject", "actor", "record"],
    )
    def test_it_can_be_narrowed(
        self, client: FlaskClient, clinic: Clinic, name: str, of: Callable[[Clinic], object]
    ) -> None:
        put(client, f"/appointments/{clinic.visit.id}/status", clinic.desk, status="confirmed")
        put(client, "/users/profile", clinic.doctor, name="Meera Nair")

        found = get(client, f"/admin/audit?{name}={of(clinic)}", clinic.admin)["items"]

        assert [one["kind"] for one in found] == ["appointment"]

    def test_reading_it_is_noted_too(self, client: FlaskClient, clinic: Clinic) -> None:
        put(client, "/users/profile", clinic.patient, name="Asha Rao")
        get(client, "/admin/audit", clinic.admin)

        last = trail()[-1]
        assert (last.kind, last.actor, last.subjects) == (
            "audit-trail",
            clinic.admin.user.id,
            [clinic.patient.user.id],
        )
