"""A patient erases the account: everything at once, except for what the law retains."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import consistency, transitions
from arthomed.audit import service as audit
from arthomed.core import clock
from arthomed.core.permissions import Role
from arthomed.notifications import service as notifications
from arthomed.notifications.models import Notification
from arthomed.privacy.rules import MEDICAL_RECORD_RETENTION
from arthomed.privacy.service import erasure
from arthomed.users import family
from arthomed.users.dependents import Dependent
from arthomed.users.models import User
from tests import factories
from tests.api.auth.sign_in import Now, code_sent
from tests.factories import Records, SignedIn, data_of, error_of, in_parallel, request_code, submit_code, wrong_code

PERSONAL = ("Asha Verma", "asha@example.com", "Hill Road", "(1990, ", "Penicillin", "A cough", "since Monday")


@pytest.fixture
def asha(app: Flask, client: FlaskClient) -> SignedIn:
    """A patient with a complete profile."""
    del client  # it empties the database
    asha = factories.make_user(
        name="Asha Verma",
        email="asha@example.com",
        profile={
            "date_of_birth": factories.tomorrow().replace(year=1990),
            "address": {"street": "12 Hill Road", "city": "Pune"},
        },
        patient_info={"allergies": ["Penicillin"]},
    )
    return factories.sign_in(app, asha)


def appointment_of(asha: SignedIn, *statuses: Status, **booking: Any) -> Appointment:
    """Book an appointment for a cough, and have an admin move it through these statuses."""
    appointment = factories.make_appointment(asha.user, reason="A cough", symptoms="since Monday", **booking)
    admin = factories.actor_of(factories.make_user(Role.ADMIN))
    for status in statuses:
        transitions.change_status(admin, appointment.id, status, reason="As agreed")
    return appointment


def treat(asha: SignedIn, now: Now, **booking: Any) -> Appointment:
    """Complete an appointment; the clock then stands after its end."""
    appointment = appointment_of(asha, Status.CONFIRMED, **booking)
    now.move_to(appointment.starts_at)
    admin = factories.actor_of(factories.make_user(Role.ADMIN))
    transitions.change_status(admin, appointment.id, Status.IN_PROGRESS)
    transitions.change_status(admin, appointment.id, Status.COMPLETED, notes="Bronchitis", prescription="Rest")
    now.shift(timedelta(minutes=30))
    return appointment


def erase(client: FlaskClient, who: SignedIn, code: str | None = None) -> TestResponse:
    body = {"otp": code or code_sent(client, who.user.mobile_number)}
    return client.post("/api/users/profile/erasure", json=body, headers=who.headers)


def dump(database: Records, *without: str) -> str:
    """The contents of all collections but these."""
    names = set(database.list_collection_names()) - set(without)
    return "".join(repr(one) for name in names for one in database[name].find())


class TestPatientWithoutTreatment:
    def test_no_personal_data_is_left(self, client: FlaskClient, database: Records, asha: SignedIn) -> None:
        appointment_of(asha)
        data_of(erase(client, asha))
        audit.flush()

        left = dump(database, "audit_events")
        assert str(asha.user.id) in left
        assert [one for one in (*PERSONAL, asha.user.mobile_number) if one in left] == []

    def test_the_response_lists_what_is_erased_and_what_is_retained(self, client: FlaskClient, asha: SignedIn) -> None:
        response = data_of(erase(client, asha))

        assert any("Name" in what for what in response["erased"])
        assert [kept["what"][:19] for kept in response["kept"]] == ["Who read or changed"]

    def test_open_appointments_are_cancelled_and_free_their_seats(self, client: FlaskClient, asha: SignedIn) -> None:
        doctor = factories.make_doctor()
        appointment = appointment_of(asha, Status.CONFIRMED, doctor=doctor)
        data_of(erase(client, asha))

        assert Appointment.objects.get(id=appointment.id).status is Status.CANCELLED
        assert factories.make_appointment(doctor=doctor).slot == appointment.slot
        assert list(consistency.violations()) == []

    def test_every_device_is_signed_out(self, app: Flask, client: FlaskClient, asha: SignedIn) -> None:
        tablet = factories.sign_in(app, asha.user)
        data_of(erase(client, asha))

        responses = [client.get("/api/auth/me", headers=one.headers) for one in (asha, tablet)]
        assert [error_of(response) for response in responses] == [(401, "USER_INACTIVE")] * 2

    def test_the_number_is_free_for_another_person(self, client: FlaskClient, asha: SignedIn, now: Now) -> None:
        data_of(erase(client, asha))
        now.shift(timedelta(minutes=2))

        again = data_of(submit_code(client, asha.user.mobile_number, code_sent(client, asha.user.mobile_number)))

        assert again["isNewUser"] is True
        assert again["user"]["_id"] != str(asha.user.id)

    def test_no_message_is_sent_about_the_cancelled_appointments(self, client: FlaskClient, asha: SignedIn) -> None:
        appointment_of(asha)
        data_of(erase(client, asha))

        outcomes = [notifications.send(one.id) for one in Notification.objects(user=asha.user.id)]
        assert outcomes
        assert set(outcomes) == {"dropped"}

    def test_staff_still_see_the_appointment_without_personal_data(
        self, app: Flask, client: FlaskClient, asha: SignedIn
    ) -> None:
        appointment = appointment_of(asha)
        data_of(erase(client, asha))
        desk = factories.sign_in(app, factories.make_user(Role.RECEPTIONIST))

        listed = data_of(client.get(f"/api/appointments/{appointment.id}", headers=desk.headers))["appointment"]

        assert (listed["patient"]["name"], listed["reason"]) == ("Erased patient", None)

    def test_the_audit_trail_records_the_erasure_without_values(
        self, client: FlaskClient, database: Records, asha: SignedIn
    ) -> None:
        data_of(erase(client, asha))

        event = database.audit_events.find_one({"action": "delete", "kind": "user"})
        assert event is not None
        assert (event["actor"], event["changes"]) == (asha.user.id, [])


class TestTreatedPatient:
    def test_the_medical_record_stays_with_the_name_but_without_contact_data(
        self, client: FlaskClient, database: Records, asha: SignedIn, now: Now
    ) -> None:
        treat(asha, now)
        asha = sign_in_again(client, asha)
        data_of(erase(client, asha))
        audit.flush()

        left = dump(database, "audit_events")
        kept = ("Asha Verma", "Penicillin", "A cough", "Bronchitis", "(1990, ")
        gone = ("asha@example.com", "Hill Road", asha.user.mobile_number)
        assert [one for one in kept if one not in left] == []
        assert [one for one in gone if one in left] == []

    def test_the_response_says_why_and_until_when_the_record_is_retained(
        self, client: FlaskClient, asha: SignedIn, now: Now
    ) -> None:
        appointment = treat(asha, now)
        response = data_of(erase(client, sign_in_again(client, asha)))

        record = response["kept"][0]
        assert record["until"] == clock.iso(appointment.ends_at + MEDICAL_RECORD_RETENTION)
        assert "Medical Council" in record["why"]

    def test_the_medical_record_is_erased_after_its_retention_period(
        self, client: FlaskClient, database: Records, asha: SignedIn, now: Now
    ) -> None:
        treat(asha, now)
        data_of(erase(client, sign_in_again(client, asha)))
        too_early = erasure.erase_expired_records()
        now.shift(MEDICAL_RECORD_RETENTION)

        assert (too_early, erasure.erase_expired_records(), erasure.erase_expired_records()) == (0, 1, 0)
        left = dump(database, "audit_events")
        assert [one for one in (*PERSONAL, "Bronchitis") if one in left] == []

    def test_appointments_without_treatment_are_erased_at_once(
        self, client: FlaskClient, asha: SignedIn, now: Now
    ) -> None:
        rejected = appointment_of(asha, Status.REJECTED, time="10:30")
        treat(asha, now)
        data_of(erase(client, sign_in_again(client, asha)))

        assert Appointment.objects.get(id=rejected.id).symptoms is None


def sign_in_again(client: FlaskClient, who: SignedIn) -> SignedIn:
    """The same person with a new session."""
    return factories.sign_in(client.application, User.objects.get(id=who.user.id))


class TestRefusals:
    def test_a_wrong_code_is_refused(self, client: FlaskClient, asha: SignedIn) -> None:
        code = code_sent(client, asha.user.mobile_number)

        assert error_of(erase(client, asha, wrong_code(code))) == (400, "OTP_INVALID")
        assert User.objects.get(id=asha.user.id).name == "Asha Verma"

    def test_wrong_codes_lock_the_number_as_they_do_at_sign_in(
        self, client: FlaskClient, asha: SignedIn, now: Now
    ) -> None:
        for tries in (3, 2):
            wrong = wrong_code(code_sent(client, asha.user.mobile_number))
            responses = [error_of(erase(client, asha, wrong)) for _ in range(tries)]
            now.shift(timedelta(seconds=61))

        assert set(responses) == {(400, "OTP_INVALID")}
        assert error_of(request_code(client, asha.user.mobile_number)) == (423, "ACCOUNT_LOCKED")

    def test_an_appointment_that_begins_soon_prevents_the_erasure(
        self, client: FlaskClient, asha: SignedIn, now: Now
    ) -> None:
        later = appointment_of(asha, time="10:30")
        soon = appointment_of(asha, Status.CONFIRMED)
        now.move_to(soon.starts_at - timedelta(minutes=30))

        assert error_of(erase(client, sign_in_again(client, asha))) == (400, "TOO_LATE")
        assert User.objects.get(id=asha.user.id).is_active
        assert Appointment.objects.get(id=later.id).status is Status.PENDING

    @pytest.mark.parametrize("role", sorted(set(Role) - {Role.PATIENT}))
    def test_staff_cannot_erase_their_accounts(self, app: Flask, client: FlaskClient, role: Role) -> None:
        person = factories.sign_in(app, factories.make_user(role))

        assert error_of(erase(client, person)) == (403, "PERMISSION_DENIED")

    def test_an_erased_account_cannot_be_reactivated(self, app: Flask, client: FlaskClient, asha: SignedIn) -> None:
        data_of(erase(client, asha))
        admin = factories.sign_in(app, factories.make_user(Role.ADMIN))
        path = f"/api/users/{asha.user.id}"

        responses = [
            client.put(f"{path}/status", json={"isActive": True, "reason": "Again"}, headers=admin.headers),
            client.put(path, json={"mobileNumber": factories.new_mobile()}, headers=admin.headers),
        ]

        assert [error_of(response) for response in responses] == [(404, "NOT_FOUND")] * 2


class TestFamily:
    def test_family_is_erased_with_the_account(self, client: FlaskClient, database: Records, asha: SignedIn) -> None:
        member = join_family(asha)
        appointment = appointment_of(asha, dependent_id=member.id)

        data_of(erase(client, asha))
        audit.flush()

        left = dump(database, "audit_events")
        assert [one for one in ("Aarav", "nephew") if one in left] == []
        assert Appointment.objects.get(id=appointment.id).status is Status.CANCELLED
        assert list(consistency.violations()) == []

    def test_treated_member_keeps_the_name_until_the_retention_ends(
        self, client: FlaskClient, database: Records, asha: SignedIn, now: Now
    ) -> None:
        member = join_family(asha)
        treated = treat(asha, now, dependent_id=member.id)
        asha = factories.sign_in(client.application, asha.user)

        data_of(erase(client, asha))
        kept = dump(database, "audit_events")
        now.move_to(treated.ends_at + MEDICAL_RECORD_RETENTION + timedelta(days=1))
        assert erasure.erase_expired_records() == 1

        assert "Aarav" in kept
        assert "Aarav" not in dump(database, "audit_events")


def join_family(asha: SignedIn) -> Dependent:
    parts = {"name": "Aarav", "relationship": "nephew"}
    return family.add(factories.actor_of(asha.user), asha.user.id, parts).dependent


class TestConcurrency:
    def test_two_concurrent_erasures_erase_once(
        self, app: Flask, client: FlaskClient, database: Records, asha: SignedIn
    ) -> None:
        code = code_sent(client, asha.user.mobile_number)
        responses = in_parallel(2, lambda _: erase(app.test_client(), asha, code).status_code)

        assert responses.count(200) == 1
        assert database.audit_events.count_documents({"action": "delete", "kind": "user"}) == 1

    def test_a_concurrent_booking_is_cancelled_or_refused(
        self, app: Flask, client: FlaskClient, asha: SignedIn
    ) -> None:
        body = factories.booking_body(factories.make_doctor())
        code = code_sent(client, asha.user.mobile_number)

        def act(number: int) -> int:
            if number:
                return erase(app.test_client(), asha, code).status_code
            return app.test_client().post("/api/appointments/book", json=body, headers=asha.headers).status_code

        assert in_parallel(2, act)[1] == 200
        assert Appointment.objects(patient_id=asha.user.id, status__in=["pending", "confirmed"]).count() == 0
        assert list(consistency.violations()) == []
