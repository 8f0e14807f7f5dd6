"""Being forgotten: all of it or nothing, and never what the law wants kept."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pymongo.database import Database
from werkzeug.test import TestResponse

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import transitions
from arthomed.appointments.service.audit import faults
from arthomed.audit import service as audit
from arthomed.core import clock
from arthomed.core.permissions import Role
from arthomed.notifications import service as notifications
from arthomed.notifications.models import Notification
from arthomed.privacy.rules import RECORDS_KEPT
from arthomed.privacy.service import erasure
from arthomed.users.models import User
from tests import factories
from tests.factories import SignedIn, answer_with, ask_for_code, at_once, code_for, other_than, refused, told
from tests.api.auth.sign_in import Now, code_sent

Data = Database[dict[str, Any]]
SECRETS = ("Asha Verma", "asha@example.com", "Hill Road", "(1990, ", "Penicillin", "A cough", "since Monday")


@pytest.fixture
def asha(app: Flask, client: FlaskClient) -> SignedIn:
    """A patient who told the clinic much."""
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


def visit_of(asha: SignedIn, *path: Status, **wish: Any) -> Appointment:
    """A visit for a cough, moved along by an admin."""
    visit = factories.make_visit(asha.user, reason="A cough", symptoms="since Monday", **wish)
    admin = factories.acting(factories.make_user(Role.ADMIN))
    for status in path:
        transitions.change_status(admin, visit.id, status, reason="As agreed")
    return visit


def treat(asha: SignedIn, now: Now) -> Appointment:
    """A completed visit; the clock stands behind it."""
    visit = visit_of(asha, Status.CONFIRMED)
    now.move_to(visit.starts_at)
    admin = factories.acting(factories.make_user(Role.ADMIN))
    transitions.change_status(admin, visit.id, Status.IN_PROGRESS)
    transitions.change_status(admin, visit.id, Status.COMPLETED, notes="Bronchitis", prescription="Rest")
    now.shift(timedelta(minutes=30))
    return visit


def erase(client: FlaskClient, who: SignedIn, code: str | None = None) -> TestResponse:
    body = {"otp": code or code_sent(client, who.user.mobile_number)}
    return client.post("/api/users/profile/erasure", json=body, headers=who.headers)


def stored(database: Data, *without: str) -> str:
    """All that is stored, but for these collections."""
    names = set(database.list_collection_names()) - set(without)
    return "".join(repr(one) for name in names for one in database[name].find())


class TestUntreated:
    def test_nothing_that_leads_to_the_person_is_left(
        self, client: FlaskClient, database: Data, asha: SignedIn
    ) -> None:
        visit_of(asha)
        told(erase(client, asha))
        audit.flush()

        left = stored(database, "audit_events")
        assert str(asha.user.id) in left
        assert [one for one in (*SECRETS, asha.user.mobile_number) if one in left] == []

    def test_the_answer_says_what_is_erased_and_what_is_kept(self, client: FlaskClient, asha: SignedIn) -> None:
        answer = told(erase(client, asha))

        assert any("Name" in what for what in answer["erased"])
        assert [kept["what"][:19] for kept in answer["kept"]] == ["Who read or changed"]

    def test_open_visits_are_cancelled_and_their_seats_free(self, client: FlaskClient, asha: SignedIn) -> None:
        doctor = factories.make_doctor()
        visit = visit_of(asha, Status.CONFIRMED, doctor=doctor)
        told(erase(client, asha))

        assert Appointment.objects.get(id=visit.id).status is Status.CANCELLED
        assert factories.make_visit(doctor=doctor).slot == visit.slot
        assert list(faults()) == []

    def test_every_device_is_signed_out(self, app: Flask, client: FlaskClient, asha: SignedIn) -> None:
        tablet = factories.sign_in(app, asha.user)
        told(erase(client, asha))

        answers = [client.get("/api/auth/me", headers=one.headers) for one in (asha, tablet)]
        assert [refused(answer) for answer in answers] == [(401, "USER_INACTIVE")] * 2

    def test_the_number_is_free_for_another_person(self, client: FlaskClient, asha: SignedIn, now: Now) -> None:
        told(erase(client, asha))
        now.shift(timedelta(minutes=2))

        again = told(answer_with(client, asha.user.mobile_number, code_sent(client, asha.user.mobile_number)))

        assert again["isNewUser"] is True
        assert again["user"]["_id"] != str(asha.user.id)

    def test_nobody_is_told_of_the_cancelled_visits(self, client: FlaskClient, asha: SignedIn) -> None:
        visit_of(asha)
        told(erase(client, asha))

        outcomes = [notifications.send(one.id) for one in Notification.objects(user=asha.user.id)]
        assert outcomes
        assert set(outcomes) == {"dropped"}

    def test_the_clinic_still_counts_and_lists_the_visit(self, app: Flask, client: FlaskClient, asha: SignedIn) -> None:
        visit = visit_of(asha)
        told(erase(client, asha))
        desk = factories.sign_in(app, factories.make_user(Role.RECEPTIONIST))

        listed = told(client.get(f"/api/appointments/{visit.id}", headers=desk.headers))["appointment"]

        assert (listed["patient"]["name"], listed["reason"]) == ("Erased patient", None)

    def test_it_is_noted_without_the_values(self, client: FlaskClient, database: Data, asha: SignedIn) -> None:
        told(erase(client, asha))

        event = database.audit_events.find_one({"action": "delete", "kind": "user"})
        assert event is not None
        assert (event["actor"], event["changes"]) == (asha.user.id, [])


class TestTreated:
    def test_the_medical_record_stays_with_its_name_and_without_the_contacts(
        self, client: FlaskClient, database: Data, asha: SignedIn, now: Now
    ) -> None:
        treat(asha, now)
        asha = again_signed_in(client, asha)
        told(erase(client, asha))
        audit.flush()

        left = stored(database, "audit_events")
        kept = ("Asha Verma", "Penicillin", "A cough", "Bronchitis", "(1990, ")
        gone = ("asha@example.com", "Hill Road", asha.user.mobile_number)
        assert [one for one in kept if one not in left] == []
        assert [one for one in gone if one in left] == []

    def test_the_answer_says_until_when_and_why(self, client: FlaskClient, asha: SignedIn, now: Now) -> None:
        visit = treat(asha, now)
        answer = told(erase(client, again_signed_in(client, asha)))

        record = answer["kept"][0]
        assert record["until"] == clock.iso(visit.ends_at + RECORDS_KEPT)
        assert "Medical Council" in record["why"]

    def test_it_goes_when_the_law_lets_it_go(
        self, client: FlaskClient, database: Data, asha: SignedIn, now: Now
    ) -> None:
        treat(asha, now)
        told(erase(client, again_signed_in(client, asha)))
        too_early = erasure.finish()
        now.shift(RECORDS_KEPT)

        assert (too_early, erasure.finish(), erasure.finish()) == (0, 1, 0)
        left = stored(database, "audit_events")
        assert [one for one in (*SECRETS, "Bronchitis") if one in left] == []

    def test_what_came_to_no_treatment_goes_at_once(self, client: FlaskClient, asha: SignedIn, now: Now) -> None:
        rejected = visit_of(asha, Status.REJECTED, time="10:30")
        treat(asha, now)
        told(erase(client, again_signed_in(client, asha)))

        assert Appointment.objects.get(id=rejected.id).symptoms is None


def again_signed_in(client: FlaskClient, who: SignedIn) -> SignedIn:
    """The person with a session that has not expired."""
    return factories.sign_in(client.application, User.objects.get(id=who.user.id))


class TestRefused:
    def test_it_takes_a_new_code_of_ones_own_number(self, client: FlaskClient, asha: SignedIn) -> None:
        code = code_sent(client, asha.user.mobile_number)

        assert refused(erase(client, asha, other_than(code))) == (400, "OTP_INVALID")
        assert User.objects.get(id=asha.user.id).name == "Asha Verma"

    def test_a_strangers_code_does_not_do(self, client: FlaskClient, asha: SignedIn) -> None:
        code = code_sent(client, factories.new_mobile())

        assert refused(erase(client, asha, code)) == (400, "OTP_EXPIRED")

    def test_guesses_lock_the_number_as_in_signing_in(self, client: FlaskClient, asha: SignedIn, now: Now) -> None:
        for tries in (3, 2):
            wrong = other_than(code_sent(client, asha.user.mobile_number))
            answers = [refused(erase(client, asha, wrong)) for _ in range(tries)]
            now.shift(timedelta(seconds=61))

        assert set(answers) == {(400, "OTP_INVALID")}
        assert refused(ask_for_code(client, asha.user.mobile_number)) == (423, "ACCOUNT_LOCKED")

    def test_a_visit_that_begins_soon_is_to_be_kept_or_missed_first(
        self, client: FlaskClient, asha: SignedIn, now: Now
    ) -> None:
        later = visit_of(asha, time="10:30")
        soon = visit_of(asha, Status.CONFIRMED)
        now.move_to(soon.starts_at - timedelta(minutes=30))

        assert refused(erase(client, again_signed_in(client, asha))) == (400, "TOO_LATE")
        assert User.objects.get(id=asha.user.id).is_active
        assert Appointment.objects.get(id=later.id).status is Status.PENDING

    @pytest.mark.parametrize("role", sorted(set(Role) - {Role.PATIENT}))
    def test_staff_leave_through_the_clinic(self, app: Flask, client: FlaskClient, role: Role) -> None:
        person = factories.sign_in(app, factories.make_user(role))

        assert refused(erase(client, person)) == (403, "PERMISSION_DENIED")

    def test_an_erased_account_can_not_be_brought_back(self, app: Flask, client: FlaskClient, asha: SignedIn) -> None:
        told(erase(client, asha))
        admin = factories.sign_in(app, factories.make_user(Role.ADMIN))
        path = f"/api/users/{asha.user.id}"

        answers = [
            client.put(f"{path}/status", json={"isActive": True, "reason": "Again"}, headers=admin.headers),
            client.put(path, json={"mobileNumber": factories.new_mobile()}, headers=admin.headers),
        ]

        assert [refused(answer) for answer in answers] == [(404, "NOT_FOUND")] * 2


class TestAtOnce:
    def test_twice_at_once_is_once(self, app: Flask, client: FlaskClient, database: Data, asha: SignedIn) -> None:
        code = code_sent(client, asha.user.mobile_number)
        answers = at_once(2, lambda _: erase(app.test_client(), asha, code).status_code)

        assert answers.count(200) == 1
        assert database.audit_events.count_documents({"action": "delete", "kind": "user"}) == 1

    def test_a_booking_at_the_same_moment_comes_before_it_or_not_at_all(
        self, app: Flask, client: FlaskClient, asha: SignedIn
    ) -> None:
        body = factories.booking_body(factories.make_doctor())
        code = code_for_new(client, asha)

        def act(number: int) -> int:
            if number:
                return erase(app.test_client(), asha, code).status_code
            return app.test_client().post("/api/appointments/book", json=body, headers=asha.headers).status_code

        assert at_once(2, act)[1] == 200
        assert Appointment.objects(patient_id=asha.user.id, status__in=["pending", "confirmed"]).count() == 0
        assert list(faults()) == []


def code_for_new(client: FlaskClient, who: SignedIn) -> str:
    code_sent(client, who.user.mobile_number)
    return code_for(who.user.mobile_number)
