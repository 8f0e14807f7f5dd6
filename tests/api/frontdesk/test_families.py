"""Families at the desk; a member who gets a number of their own becomes a patient with the whole history."""

from typing import Any

import pytest
from bson import ObjectId
from flask import Flask
from flask.testing import FlaskClient
from pymongo.client_session import ClientSession
from werkzeug.test import TestResponse

from arthomed.appointments import messages
from arthomed.appointments.models import Appointment
from arthomed.appointments.parts import Change
from arthomed.appointments.rules import Status
from arthomed.appointments.service import consistency
from arthomed.audit import service as audit
from arthomed.audit.models import AuditEvent
from arthomed.core import clock
from arthomed.core.documents import transaction
from arthomed.core.permissions import Role
from arthomed.files.models import File
from arthomed.files.service import uploading
from arthomed.notifications import service as notifications
from arthomed.notifications.models import Notification
from arthomed.payments.rules import Method
from arthomed.payments.service import recording
from arthomed.users import family
from arthomed.users.dependents import Dependent
from arthomed.users.models import User
from tests import factories
from tests.api.appointments.clinic import move
from tests.api.auth.sign_in import code_sent
from tests.factories import Records, SignedIn, data_of, error_of, in_parallel, invalid_fields, wrong_code

AARAV = {"name": "Aarav Verma", "relationship": "son", "dateOfBirth": "2006-06-30", "gender": "male"}


@pytest.fixture
def desk(app: Flask, client: FlaskClient) -> SignedIn:
    del client  # it empties the database
    return factories.sign_in(app, factories.make_user(Role.RECEPTIONIST))


@pytest.fixture
def asha(app: Flask, desk: SignedIn) -> SignedIn:
    del desk
    return factories.sign_in(app, factories.make_user(name="Asha Verma"))


def make_member(asha: SignedIn, **parts: Any) -> Dependent:
    known = {"name": "Aarav Verma", "relationship": "son", "gender": "male", **parts}
    return family.add(factories.actor_of(asha.user), asha.user.id, known).dependent


def visit(asha: SignedIn, member: Dependent, doctor: User | None = None, **details: Any) -> Appointment:
    return factories.make_appointment(asha.user, doctor, dependent_id=member.id, **details)


def claim(client: FlaskClient, desk: SignedIn, member: Dependent, mobile: str, code: str) -> TestResponse:
    body = {"mobileNumber": mobile, "otp": code}
    return client.post(f"/api/dependents/{member.id}/claim", json=body, headers=desk.headers)


class TestAtTheDesk:
    def test_family_is_written_and_read_under_the_patient(
        self, client: FlaskClient, desk: SignedIn, asha: SignedIn
    ) -> None:
        path = f"/api/patients/{asha.user.id}/dependents"

        member = data_of(client.post(path, json=AARAV, headers=desk.headers), 201)["dependent"]
        again = data_of(client.post(path, json=AARAV, headers=desk.headers))["dependent"]
        changes = {"relationship": "nephew"}
        changed = data_of(client.put(f"{path}/{member['_id']}", json=changes, headers=desk.headers))["dependent"]

        assert again == member == {"_id": member["_id"], **AARAV}
        assert data_of(client.get(path, headers=desk.headers))["dependents"] == [changed]
        assert data_of(client.get("/api/dependents", headers=asha.headers))["dependents"] == [changed]
        data_of(client.delete(f"{path}/{member['_id']}", headers=desk.headers))
        assert data_of(client.get(path, headers=desk.headers))["dependents"] == []

    def test_reading_a_family_is_recorded(self, client: FlaskClient, desk: SignedIn, asha: SignedIn) -> None:
        member = make_member(asha)

        data_of(client.get(f"/api/patients/{asha.user.id}/dependents", headers=desk.headers))
        audit.flush()

        [event] = AuditEvent.objects(actor=desk.user.id, kind="dependent")
        assert (event.action, event.records) == ("read", [member.id])
        assert event.subjects == [asha.user.id]

    @pytest.mark.parametrize("whose", ["staff", "deactivated", "another patient"])
    def test_family_of_somebody_else_is_not_found(
        self, client: FlaskClient, desk: SignedIn, asha: SignedIn, whose: str
    ) -> None:
        member = make_member(asha)
        other = factories.make_user(Role.DOCTOR if whose == "staff" else Role.PATIENT)
        if whose == "deactivated":
            User.objects(id=other.id).update(set__is_active=False)
        path = f"/api/patients/{other.id}/dependents"

        answers = [
            client.put(f"{path}/{member.id}", json={"name": "Arjun"}, headers=desk.headers),
            client.delete(f"{path}/{member.id}", headers=desk.headers),
        ]
        if whose != "another patient":
            answers.append(client.post(path, json=AARAV, headers=desk.headers))

        assert {error_of(one) for one in answers} == {(404, "NOT_FOUND")}
        assert Dependent.objects.get(id=member.id).name == "Aarav Verma"


class TestClaim:
    def test_member_becomes_a_patient_with_the_history(
        self, app: Flask, client: FlaskClient, desk: SignedIn, asha: SignedIn
    ) -> None:
        member, mobile = make_member(asha), factories.new_mobile()
        done, own = visit(asha, member), factories.make_appointment(asha.user)
        file = factories.make_file(done, asha.user, dependent=member.id)

        patient = data_of(claim(client, desk, member, mobile, code_sent(client, mobile)))["patient"]

        assert (patient["name"], patient["mobileNumber"], patient["role"]) == ("Aarav Verma", mobile, "patient")
        assert (patient["isVerified"], patient["profile"]["gender"]) == (True, "male")
        aarav = factories.sign_in(app, User.objects.get(id=patient["_id"]))
        [shown] = data_of(client.get("/api/appointments/my-appointments", headers=aarav.headers))["items"]
        assert (shown["_id"], shown["patient"]["name"], "dependent" in shown) == (str(done.id), "Aarav Verma", False)
        assert client.get(f"/api/files/{file}", headers=aarav.headers, buffered=True).status_code == 200
        assert [one.filename for one in File.objects(owner=aarav.user.id, dependent=None)] == [file]
        [left] = data_of(client.get("/api/appointments/my-appointments", headers=asha.headers))["items"]
        assert left["_id"] == str(own.id)
        for path in (f"appointments/{done.id}", f"files/{file}"):
            assert error_of(client.get(f"/api/{path}", headers=asha.headers)) == (404, "NOT_FOUND")
        assert data_of(client.get("/api/dependents", headers=asha.headers))["dependents"] == []
        assert list(consistency.violations()) == []

    def test_number_of_a_patient_keeps_its_record_and_receives_the_history(
        self, client: FlaskClient, desk: SignedIn, asha: SignedIn
    ) -> None:
        member, known = make_member(asha), factories.make_user(name="Aarav V")
        done = visit(asha, member)
        code = code_sent(client, known.mobile_number)

        patient = data_of(claim(client, desk, member, known.mobile_number, code))["patient"]

        assert (patient["_id"], patient["name"]) == (str(known.id), "Aarav V")
        assert Appointment.objects.get(id=done.id).patient_id == known.id
        assert User.objects.get(id=known.id).bookings_count == 1

    def test_messages_after_the_claim_go_to_the_new_number(
        self, client: FlaskClient, desk: SignedIn, asha: SignedIn
    ) -> None:
        member, mobile = make_member(asha), factories.new_mobile()
        done = visit(asha, member)
        patient = data_of(claim(client, desk, member, mobile, code_sent(client, mobile)))["patient"]

        move(Appointment.objects.get(id=done.id), Status.CONFIRMED)

        [message] = Notification.objects(subject=done.id, kind="appointment-confirmed", channel="sms")
        sms = messages.render(message)
        assert (str(message.user), sms and sms.to) == (patient["_id"], mobile)

    def test_messages_from_before_the_claim_are_not_sent_any_more(
        self, client: FlaskClient, desk: SignedIn, asha: SignedIn
    ) -> None:
        member, mobile = make_member(asha), factories.new_mobile()
        done = visit(asha, member)
        data_of(claim(client, desk, member, mobile, code_sent(client, mobile)))

        waiting = Notification.objects(subject=done.id)

        assert [notifications.send(one.id) for one in waiting] == ["dropped"] * len(waiting) != []

    def test_list_of_messages_loses_those_about_the_member(
        self, client: FlaskClient, desk: SignedIn, asha: SignedIn
    ) -> None:
        member, mobile = make_member(asha), factories.new_mobile()
        visit(asha, member)
        own = factories.make_appointment(asha.user)

        data_of(claim(client, desk, member, mobile, code_sent(client, mobile)))

        listed = data_of(client.get("/api/notifications", headers=asha.headers))["items"]
        assert [one["appointmentId"] for one in listed] == [str(own.id)]

    def test_receipts_stay_with_who_paid_and_say_nothing_new(
        self, app: Flask, client: FlaskClient, desk: SignedIn, asha: SignedIn
    ) -> None:
        member, mobile = make_member(asha), factories.new_mobile()
        done = visit(asha, member)
        actor = factories.actor_of(desk.user)
        payment = recording.pay(actor, done.id, 200, Method.CASH, reference=None, key=None).payment
        path = f"/api/payments/{payment.id}/receipt"

        before = client.get(path, headers=asha.headers).text
        patient = data_of(claim(client, desk, member, mobile, code_sent(client, mobile)))["patient"]
        after = client.get(path, headers=asha.headers).text

        assert ("Aarav Verma" in before, "09:00" in before) == (True, True)
        assert ("Asha Verma" in after, "Aarav" in after, "at 09:00" in after) == (True, False, False)
        aarav = factories.sign_in(app, User.objects.get(id=patient["_id"]))
        assert error_of(client.get(path, headers=aarav.headers)) == (404, "NOT_FOUND")
        entries = data_of(client.get(f"/api/appointments/{done.id}/payments", headers=aarav.headers))["payments"]
        assert entries == []

    @pytest.mark.parametrize("entry", ["refund", "correction"])
    def test_money_goes_back_to_who_paid(self, client: FlaskClient, desk: SignedIn, asha: SignedIn, entry: str) -> None:
        member, mobile = make_member(asha), factories.new_mobile()
        done, actor = visit(asha, member), factories.actor_of(desk.user)
        payment = recording.pay(actor, done.id, 200, Method.CASH, reference=None, key=None).payment
        data_of(claim(client, desk, member, mobile, code_sent(client, mobile)))

        if entry == "refund":
            back = recording.refund(actor, done.id, 200, Method.CASH, reason="Called away", key=None).payment
        else:
            back = recording.correct(actor, payment.id, reason="Entered twice", key=None).payment

        assert back.patient_id == asha.user.id
        assert client.get(f"/api/payments/{back.id}/receipt", headers=asha.headers).status_code == 200

    def test_nothing_about_the_member_is_left_with_the_family(
        self, client: FlaskClient, database: Records, desk: SignedIn, asha: SignedIn
    ) -> None:
        member, mobile = make_member(asha), factories.new_mobile()
        data_of(claim(client, desk, member, mobile, code_sent(client, mobile)))

        [left] = database.dependents.find()
        assert "Aarav" not in f"{left}"
        export = client.get("/api/users/profile/export", headers=asha.headers).json
        assert export["dependents"] == []  # type: ignore[index]

    def test_removed_member_and_the_family_of_a_deactivated_patient_can_be_claimed(
        self, client: FlaskClient, desk: SignedIn, asha: SignedIn
    ) -> None:
        member, mobile = make_member(asha), factories.new_mobile()
        done = visit(asha, member)
        family.remove(factories.actor_of(asha.user), asha.user.id, member.id)
        User.objects(id=asha.user.id).update(set__is_active=False)

        patient = data_of(claim(client, desk, member, mobile, code_sent(client, mobile)))["patient"]

        assert str(Appointment.objects.get(id=done.id).patient_id) == patient["_id"]
        assert list(consistency.violations()) == []

    def test_claim_gives_an_erased_patient_no_search_keys(
        self, client: FlaskClient, database: Records, desk: SignedIn, asha: SignedIn
    ) -> None:
        member, mobile = make_member(asha), factories.new_mobile()
        erased = {"$set": {"isActive": False, "erasedAt": clock.now()}, "$unset": {"search": "", "familyNames": ""}}
        database.users.update_one({"_id": asha.user.id}, erased)

        data_of(claim(client, desk, member, mobile, code_sent(client, mobile)))

        assert "search" not in database.users.find({"_id": asha.user.id})[0]

    def test_change_that_was_decided_before_the_claim_is_refused(
        self, client: FlaskClient, desk: SignedIn, asha: SignedIn
    ) -> None:
        member, mobile = make_member(asha), factories.new_mobile()
        done = visit(asha, member)
        known = Appointment.objects.get(id=done.id)
        data_of(claim(client, desk, member, mobile, code_sent(client, mobile)))

        def cancel(session: ClientSession) -> Appointment | None:
            change = Change(source=known.status, target=Status.CANCELLED, by=asha.user.id, at=clock.now())
            changed: Appointment | None = known.advance(change, {}, session=session)
            return changed

        assert transaction(cancel) is None

    def test_file_that_is_stored_during_the_claim_is_refused(
        self, client: FlaskClient, desk: SignedIn, asha: SignedIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        member, mobile = make_member(asha), factories.new_mobile()
        done, code = visit(asha, member), code_sent(client, mobile)
        clean = uploading._clean

        def claim_meanwhile(*args: Any) -> Any:
            data_of(claim(client, desk, member, mobile, code))
            return clean(*args)

        monkeypatch.setattr(uploading, "_clean", claim_meanwhile)
        form = {"appointmentId": str(done.id), "category": "reports", "files": factories.picture()}
        response = client.post("/api/files/upload/appointments", data=form, headers=asha.headers)

        assert error_of(response) == (404, "NOT_FOUND")
        assert File.available().count() == 0

    def test_repeated_request_returns_the_patient_again(
        self, client: FlaskClient, desk: SignedIn, asha: SignedIn
    ) -> None:
        member, mobile = make_member(asha), factories.new_mobile()
        code = code_sent(client, mobile)
        first = data_of(claim(client, desk, member, mobile, code))["patient"]

        assert data_of(claim(client, desk, member, mobile, code))["patient"] == first
        other = claim(client, desk, member, factories.new_mobile(), code)
        assert error_of(other) == (404, "NOT_FOUND")

    def test_of_parallel_requests_one_hands_over(self, app: Flask, client: FlaskClient, asha: SignedIn) -> None:
        member, mobile = make_member(asha), factories.new_mobile()
        visit(asha, member)
        code, desk = code_sent(client, mobile), factories.sign_in(app, factories.make_user(Role.RECEPTIONIST))

        answers = in_parallel(6, lambda _: claim(app.test_client(), desk, member, mobile, code))

        assert {one.status_code for one in answers} <= {200, 400, 404}
        assert len([one for one in answers if one.status_code == 200]) >= 1
        [patient] = User.objects(mobile_number=mobile)
        assert patient.bookings_count == 1
        assert list(consistency.violations()) == []

    def test_booking_during_a_claim_is_in_one_family_or_refused(
        self, app: Flask, client: FlaskClient, desk: SignedIn, asha: SignedIn
    ) -> None:
        member, mobile, doctor = make_member(asha), factories.new_mobile(), factories.make_doctor()
        code = code_sent(client, mobile)
        body = factories.booking_body(doctor, dependentId=str(member.id))

        def at_once(number: int) -> int:
            if number:
                return app.test_client().post("/api/appointments/book", json=body, headers=asha.headers).status_code
            return claim(app.test_client(), desk, member, mobile, code).status_code

        claimed, booked = in_parallel(2, at_once)

        assert (claimed, booked) in {(200, 201), (200, 404)}
        owner = User.objects.get(mobile_number=mobile).id
        assert [one.patient_id for one in Appointment.objects] == [owner] * (booked == 201)
        assert list(consistency.violations()) == []

    def test_wrong_code_hands_nothing_over_and_counts(
        self, client: FlaskClient, desk: SignedIn, asha: SignedIn
    ) -> None:
        member, mobile = make_member(asha), factories.new_mobile()
        code = code_sent(client, mobile)

        refused = [error_of(claim(client, desk, member, mobile, wrong_code(code))) for _ in range(3)]

        assert refused == [(400, "OTP_INVALID")] * 3
        assert error_of(claim(client, desk, member, mobile, code)) == (400, "OTP_MAX_ATTEMPTS")
        assert Dependent.objects.get(id=member.id).is_active
        assert User.objects(mobile_number=mobile).first() is None

    def test_conflicting_appointments_are_refused_and_the_code_stays_valid(
        self, client: FlaskClient, desk: SignedIn, asha: SignedIn
    ) -> None:
        member, known, doctor = make_member(asha), factories.make_user(), factories.make_doctor()
        of_member = visit(asha, member, doctor)
        factories.make_appointment(known, doctor, time="10:00")
        code = code_sent(client, known.mobile_number)

        refused = claim(client, desk, member, known.mobile_number, code)

        assert error_of(refused) == (400, "DUPLICATE_VALUE")
        assert Appointment.objects.get(id=of_member.id).dependent_id == member.id
        move(of_member, Status.CANCELLED)
        data_of(claim(client, desk, member, known.mobile_number, code))

    @pytest.mark.parametrize("whose", ["the family", "a doctor", "deactivated"])
    def test_number_that_cannot_receive_a_history_is_refused(
        self, client: FlaskClient, desk: SignedIn, asha: SignedIn, whose: str
    ) -> None:
        member = make_member(asha)
        user = (
            asha.user
            if whose == "the family"
            else factories.make_user(Role.DOCTOR if whose == "a doctor" else Role.PATIENT)
        )
        code = code_sent(client, user.mobile_number)
        if whose == "deactivated":
            User.objects(id=user.id).update(set__is_active=False)

        assert invalid_fields(claim(client, desk, member, user.mobile_number, code)) == ["mobileNumber"]
        assert Dependent.objects.get(id=member.id).is_active

    def test_claim_is_recorded_for_both(self, client: FlaskClient, desk: SignedIn, asha: SignedIn) -> None:
        member, mobile = make_member(asha), factories.new_mobile()
        done = visit(asha, member)
        patient = data_of(claim(client, desk, member, mobile, code_sent(client, mobile)))["patient"]

        of_asha = AuditEvent.objects(actor=desk.user.id, subjects=asha.user.id, kind="dependent").get()
        of_aarav = AuditEvent.objects(actor=desk.user.id, subjects=patient["_id"], kind="appointment").get()
        assert [str(one["to"]) for one in of_asha.changes] == [patient["_id"]]
        assert of_aarav.records == [done.id]


BROKEN: dict[str, tuple[str, dict[str, Any], str]] = {
    "another owner": ("dependents", {"owner": factories.UNKNOWN_ID}, "for somebody who is not in the patient's family"),
    "another patient": ("appointments", {"patient": factories.UNKNOWN_ID}, "who is not in the patient's family"),
    "another file": ("files", {"owner": factories.UNKNOWN_ID}, "of another person than its appointment"),
    "no owner": ("dependents", {"owner": factories.UNKNOWN_ID}, "without an owner, or of two"),
    "active after a claim": ("dependents", {"claimedBy": factories.UNKNOWN_ID}, "without an owner, or of two"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_audit_finds_a_family_that_is_inconsistent(database: Records, asha: SignedIn, name: str) -> None:
    member = make_member(asha)
    factories.make_file(visit(asha, member), asha.user, dependent=member.id)
    assert list(consistency.violations()) == []
    collection, wrong, found = BROKEN[name]
    ids = {field: ObjectId(str(value)) for field, value in wrong.items()}
    database[collection].update_one(
        {"dependent": {"$exists": True}} if collection == "appointments" else {}, {"$set": ids}
    )

    assert any(found in line for line in consistency.violations())
