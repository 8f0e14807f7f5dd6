"""Moving an appointment to another time or doctor."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask

from arthomed.appointments import messages as renderers
from arthomed.appointments.models import Appointment
from arthomed.appointments.parts import Change
from arthomed.appointments.rules import Status
from arthomed.appointments.service import consistency
from arthomed.audit.models import AuditEvent
from arthomed.config import settings
from arthomed.core import clock
from arthomed.core.documents import transaction
from arthomed.core.permissions import Role
from arthomed.notifications.models import Channel, Notification
from arthomed.scheduling.models import Slot
from arthomed.users.models import User
from tests import factories
from tests.api.appointments.bookings import MORNING, TUESDAY, alternatives, book
from tests.api.appointments.clinic import move, sign_in_staff
from tests.api.appointments.moves import make_confirmed, reschedule, stored, taken
from tests.factories import Records, data_of, error_of

pytestmark = pytest.mark.usefixtures("database", "monday_evening")


@pytest.mark.parametrize("status", [Status.PENDING, Status.CONFIRMED])
def test_patient_moves_an_appointment_which_keeps_its_id_and_status(app: Flask, status: Status) -> None:
    patient, doctor = factories.sign_in(app), factories.make_doctor(MORNING)
    appointment = factories.make_appointment(patient.user, doctor, day=TUESDAY)
    if status is Status.CONFIRMED:
        move(appointment, status)

    shown = data_of(reschedule(app, patient, appointment, "10:30"))["appointment"]

    assert (shown["_id"], shown["status"]) == (str(appointment.id), str(status))
    assert (shown["appointmentDate"], shown["appointmentTime"]) == (TUESDAY.isoformat(), "10:30")
    assert shown["startsAt"] == "2026-12-01T05:00:00.000Z"
    assert taken(doctor) == ["10:30"]
    assert list(consistency.violations()) == []


def test_history_says_from_when_and_whom_to_when_and_whom(app: Flask) -> None:
    patient, doctor, other = factories.sign_in(app), factories.make_doctor(MORNING), factories.make_doctor(MORNING)
    appointment = factories.make_appointment(patient.user, doctor, day=TUESDAY)

    moved = data_of(reschedule(app, patient, appointment, "10:00", doctorId=str(other.id)))["appointment"]

    change = moved["history"][-1]
    assert (change["from"], change["to"], change["by"]) == ("pending", "pending", str(patient.user.id))
    assert change["movedFrom"] == {"doctor": str(doctor.id), "startsAt": "2026-12-01T03:30:00.000Z"}
    assert change["movedTo"] == {"doctor": str(other.id), "startsAt": "2026-12-01T04:30:00.000Z"}
    assert moved["history"][0]["movedFrom"] is None
    assert moved["doctor"]["_id"] == str(other.id)
    assert (taken(doctor), taken(other)) == ([], ["10:00"])
    event = AuditEvent.objects(records=appointment.id).order_by("-at").first()
    assert {one["field"] for one in event.changes} >= {"doctor", "slot", "startsAt", "appointmentTime"}


def test_fee_of_the_new_slot_becomes_the_amount(app: Flask) -> None:
    patient, doctor = factories.sign_in(app), factories.make_doctor(MORNING)
    dearer = factories.make_doctor(MORNING, fee=800)
    appointment = factories.make_appointment(patient.user, doctor, day=TUESDAY)

    moved = data_of(reschedule(app, patient, appointment, "10:00", doctorId=str(dearer.id)))["appointment"]

    assert moved["paymentInfo"]["amount"] == 800


def test_patient_gets_one_message_about_a_move(app: Flask) -> None:
    patient, doctor = factories.sign_in(app), factories.make_doctor(MORNING)
    appointment = factories.make_appointment(patient.user, doctor, day=TUESDAY)

    data_of(reschedule(app, patient, appointment, "10:00"))

    assert [(one.kind, one.version) for one in Notification.objects(subject=appointment.id).order_by("id")] == [
        ("appointment-pending", 1),
        ("appointment-rescheduled", 2),
    ]


def test_move_to_its_present_time_changes_nothing(app: Flask) -> None:
    patient, doctor = factories.sign_in(app), factories.make_doctor(MORNING)
    appointment = factories.make_appointment(patient.user, doctor, day=TUESDAY)

    for _ in range(2):
        shown = data_of(reschedule(app, patient, appointment, "10:00"))["appointment"]

    assert len(shown["history"]) == 2
    assert Notification.objects(kind="appointment-rescheduled").count() == 1


def test_full_slot_is_refused_with_alternatives_and_the_old_seat_is_kept(app: Flask) -> None:
    patient, doctor = factories.sign_in(app), factories.make_doctor(MORNING)
    appointment = factories.make_appointment(patient.user, doctor, day=TUESDAY)
    factories.make_appointment(None, doctor, day=TUESDAY, time="10:00")

    response = reschedule(app, patient, appointment, "10:00")

    assert error_of(response) == (400, "SLOT_UNAVAILABLE")
    assert sorted(alternatives(response)) == ["2026-12-01 09:30", "2026-12-01 10:30", "2026-12-01 11:00"]
    assert taken(doctor) == ["09:00", "10:00"]
    assert list(consistency.violations()) == []


@pytest.mark.parametrize("time", ["12:00", "09:10"])
def test_time_without_a_slot_is_refused(app: Flask, time: str) -> None:
    patient, doctor = factories.sign_in(app), factories.make_doctor(MORNING)
    appointment = factories.make_appointment(patient.user, doctor, day=TUESDAY)

    assert error_of(reschedule(app, patient, appointment, time)) == (400, "SLOT_UNAVAILABLE")


def test_second_appointment_with_a_doctor_on_one_day_is_refused(app: Flask) -> None:
    week = factories.every_day("09:00", "12:00")
    patient, doctor = factories.sign_in(app), factories.make_doctor(week)
    factories.make_appointment(patient.user, doctor, day=TUESDAY)
    later = factories.make_appointment(patient.user, doctor, day=TUESDAY + timedelta(days=1))

    response = reschedule(app, patient, later, "10:00")

    assert error_of(response) == (400, "DUPLICATE_VALUE")
    assert "on that day" in response.text
    assert list(consistency.violations()) == []


def test_second_appointment_at_one_time_is_refused(app: Flask) -> None:
    patient, doctor, other = factories.sign_in(app), factories.make_doctor(MORNING), factories.make_doctor(MORNING)
    factories.make_appointment(patient.user, other, day=TUESDAY, time="10:00")
    appointment = factories.make_appointment(patient.user, doctor, day=TUESDAY)

    response = reschedule(app, patient, appointment, "10:00")

    assert error_of(response) == (400, "DUPLICATE_VALUE")
    assert "at that time" in response.text
    assert taken(doctor) == ["09:00"]


def test_other_doctor_has_the_same_specialization(app: Flask) -> None:
    patient, doctor = factories.sign_in(app), factories.make_doctor(MORNING)
    other = factories.make_doctor(MORNING)
    User.objects(id=other.id).update(doctor_info__specialization="Dermatology")
    appointment = factories.make_appointment(patient.user, doctor, day=TUESDAY)

    response = reschedule(app, patient, appointment, "10:00", doctorId=str(other.id))

    assert factories.invalid_fields(response) == ["doctorId"]


def test_unknown_doctor_is_not_found(app: Flask) -> None:
    patient, doctor = factories.sign_in(app), factories.make_doctor(MORNING)
    appointment = factories.make_appointment(patient.user, doctor, day=TUESDAY)

    response = reschedule(app, patient, appointment, "10:00", doctorId=str(patient.user.id))

    assert factories.invalid_fields(response) == ["doctorId"]
    response = reschedule(app, patient, appointment, "10:00", doctorId=str(factories.UNKNOWN_ID))
    assert error_of(response) == (404, "NOT_FOUND")


def test_doctor_may_not_move_the_appointment_of_a_patient(app: Flask) -> None:
    doctor = factories.make_doctor(MORNING)
    appointment = factories.make_appointment(None, doctor, day=TUESDAY)

    assert error_of(reschedule(app, factories.sign_in(app, doctor), appointment, "10:00")) == (403, "PERMISSION_DENIED")


def test_patient_gives_notice_and_the_desk_moves_until_the_start(app: Flask) -> None:
    patient, doctor = factories.make_user(), factories.make_doctor(MORNING)
    appointment = make_confirmed(patient, doctor, "10:00")

    with time_machine.travel(factories.at_clinic(TUESDAY, "08:01"), tick=True):
        refused = reschedule(app, factories.sign_in(app, patient), appointment, "11:00")
        moved = reschedule(app, sign_in_staff(app), appointment, "11:00")

    assert error_of(refused) == (400, "TOO_LATE")
    assert data_of(moved)["appointment"]["appointmentTime"] == "11:00"


@pytest.mark.parametrize(
    "arrival", [{"arrivedAt": datetime(2026, 12, 1, 3, 0, tzinfo=UTC)}, {}], ids=["arrived", "undone"]
)
def test_nobody_moves_an_appointment_with_a_token_of_its_day(
    app: Flask, database: Records, arrival: dict[str, datetime]
) -> None:
    patient, doctor = factories.make_user(), factories.make_doctor(MORNING)
    appointment = make_confirmed(patient, doctor)
    queue = {"token": 1, "skips": 0, **arrival}
    database.appointments.update_one({"_id": appointment.id}, {"$set": {"queue": queue}})

    assert error_of(reschedule(app, sign_in_staff(app), appointment, "10:00")) == (400, "INVALID_STATUS_TRANSITION")
    assert taken(doctor) == ["09:00"]


def test_repeated_request_with_its_key_moves_once_and_never_frees_the_seat_of_another(app: Flask) -> None:
    patient, doctor = factories.sign_in(app), factories.make_doctor(MORNING)
    appointment = factories.make_appointment(patient.user, doctor, day=TUESDAY)
    data_of(reschedule(app, patient, appointment, "10:00", "a-move-of-mine"))
    data_of(reschedule(app, sign_in_staff(app), appointment, "11:00"))
    data_of(book(app, factories.sign_in(app), doctor, appointmentTime="10:00"), 201)
    data_of(book(app, factories.sign_in(app), doctor, appointmentTime="09:00"), 201)

    shown = data_of(reschedule(app, patient, appointment, "10:00", "a-move-of-mine"))["appointment"]

    assert shown["appointmentTime"] == "11:00"
    assert taken(doctor) == ["09:00", "10:00", "11:00"]
    assert list(consistency.violations()) == []


def test_key_of_another_request_is_refused(app: Flask) -> None:
    patient, doctor = factories.sign_in(app), factories.make_doctor(MORNING)
    booked = data_of(book(app, patient, doctor, "a-key-of-mine", appointmentTime="09:00"), 201)["appointment"]
    appointment = Appointment.objects.get(id=booked["_id"])

    assert error_of(reschedule(app, patient, appointment, "10:00", "a-key-of-mine")) == (422, "IDEMPOTENCY_KEY_REUSED")
    data_of(reschedule(app, patient, appointment, "10:00", "another-key"))
    assert error_of(reschedule(app, patient, appointment, "11:00", "another-key")) == (422, "IDEMPOTENCY_KEY_REUSED")


def test_parallel_requests_with_one_key_move_once(app: Flask) -> None:
    patient, doctor = factories.sign_in(app), factories.make_doctor(MORNING)
    appointment = factories.make_appointment(patient.user, doctor, day=TUESDAY)

    responses = factories.in_parallel(5, lambda _: reschedule(app, patient, appointment, "10:00", "a-move-of-mine"))

    assert [data_of(one)["appointment"]["appointmentTime"] for one in responses] == ["10:00"] * 5
    assert len(stored(appointment).history) == 2
    assert list(consistency.violations()) == []


def test_slot_with_several_seats_names_its_last_holder(app: Flask) -> None:
    doctor = factories.make_doctor(factories.every_day("09:00", "12:00", max_patients=2)[1:2])
    first, second = (factories.make_appointment(None, doctor, day=TUESDAY) for _ in range(2))

    data_of(reschedule(app, sign_in_staff(app), first, "10:00"))

    holders = {slot.start_time: slot.appointment for slot in Slot.objects(booked_patients=1)}
    assert holders == {"09:00": second.id, "10:00": first.id}


def test_refund_counts_from_the_earliest_start(app: Flask, database: Records) -> None:
    patient = factories.make_user()
    doctor = factories.make_doctor(factories.every_day("09:00", "12:00"))
    appointment = make_confirmed(patient, doctor, "10:00")
    database.appointments.update_one({"_id": appointment.id}, {"$set": {"payment.status": "paid"}})

    with time_machine.travel(factories.at_clinic(TUESDAY, "07:00"), tick=True):
        caller = factories.sign_in(app, patient)
        later = (TUESDAY + timedelta(days=7)).isoformat()
        data_of(reschedule(app, caller, appointment, "10:00", appointmentDate=later))
        url = f"/api/appointments/{appointment.id}/cancel"
        cancelled = data_of(app.test_client().put(url, json={}, headers=caller.headers))

    assert cancelled["refundInfo"]["refundAmount"] == factories.FEE // 2


def test_appointment_moves_between_days_within_the_horizon(app: Flask) -> None:
    patient, doctor = factories.sign_in(app), factories.make_doctor(factories.every_day("09:00", "12:00"))
    appointment = factories.make_appointment(patient.user, doctor, day=TUESDAY)
    last = clock.today(settings().policy.timezone) + timedelta(days=settings().policy.horizon_days - 1)

    data_of(reschedule(app, patient, appointment, "09:00", appointmentDate=last.isoformat()))
    beyond = (last + timedelta(days=1)).isoformat()
    assert error_of(reschedule(app, patient, appointment, "09:00", appointmentDate=beyond)) == (400, "SLOT_UNAVAILABLE")


def test_invitation_by_email_keeps_its_uid_and_has_a_higher_sequence(app: Flask) -> None:
    patient = factories.make_user(email="asha@example.com")
    doctor = factories.make_doctor(MORNING)
    appointment = make_confirmed(patient, doctor)

    data_of(reschedule(app, factories.sign_in(app, patient), appointment, "10:00"))

    messages = {one.kind: one for one in Notification.objects(channel=Channel.EMAIL)}
    assert set(messages) >= {"appointment-confirmed", "appointment-rescheduled"}
    email = renderers.render(messages["appointment-rescheduled"])
    assert email is not None
    assert renderers.render(messages["appointment-confirmed"]) is None
    invitation = email.invitation.content.replace("\r\n ", "")  # type: ignore[union-attr]
    assert f"UID:{appointment.id}@arthomed" in invitation
    assert "SEQUENCE:2" in invitation
    assert "DTSTART:20261201T043000Z" in invitation
    assert "01 Dec 2026 at 10:00" in email.text


def test_appointment_that_is_over_or_ended_cannot_be_moved(app: Flask) -> None:
    patient, doctor = factories.make_user(), factories.make_doctor(MORNING)
    appointment = make_confirmed(patient, doctor)
    with time_machine.travel(factories.at_clinic(TUESDAY, "09:00"), tick=True):
        assert error_of(reschedule(app, sign_in_staff(app), appointment, "10:00")) == (400, "TOO_LATE")
    move(appointment, Status.CANCELLED)

    response = reschedule(app, sign_in_staff(app, Role.ADMIN), appointment, "10:00")

    assert error_of(response) == (400, "INVALID_STATUS_TRANSITION")


def test_decision_about_the_old_time_changes_nothing_after_a_move(app: Flask) -> None:
    patient, doctor = factories.sign_in(app), factories.make_doctor(MORNING)
    outdated = stored(factories.make_appointment(patient.user, doctor, day=TUESDAY))
    data_of(reschedule(app, patient, outdated, "10:00"))
    change = Change(source=Status.PENDING, target=Status.CANCELLED, at=clock.now())

    cancelled = transaction(lambda session: outdated.advance(change, {}, session=session))

    assert cancelled is None
    assert stored(outdated).status is Status.PENDING
