"""Every route and every job that writes, and the cached responses that it changes."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import time_machine
from bson import ObjectId

from arthomed.appointments.rules import Status
from arthomed.appointments.service import transitions
from arthomed.auth.models import Otp
from arthomed.core import clock
from arthomed.core.jobs import Job
from arthomed.files.models import File
from arthomed.notifications import service as notifications
from arthomed.notifications.models import Channel, State
from arthomed.users import family
from arthomed.users.models import User
from tests import factories
from tests.api.caching.clinic import Clinic
from tests.api.notifications import fake_twilio
from tests.factories import data_of

APPOINTMENT, USER = "/api/appointments/<object_id:appointment_id>", "/api/users/<object_id:user_id>"
SLOTS = "/api/appointments/slots"
MEMBER, FAMILY = "/api/dependents/<object_id:dependent_id>", "/api/patients/<object_id:patient_id>/dependents"
_BREAK = {"blockReason": "break"}


def sign_in(clinic: Clinic, path: str, mobile: str, **fields: Any) -> None:
    data_of(factories.request_code(clinic.client, mobile))
    body = {"mobileNumber": mobile, "otp": factories.code_for(mobile), **fields}
    assert clinic.client.post(f"/api/auth/{path}", json=body).status_code < 300


def erase(clinic: Clinic) -> None:
    data_of(factories.request_code(clinic.client, clinic.asha.user.mobile_number))
    code = factories.code_for(clinic.asha.user.mobile_number)
    clinic.call(clinic.asha, "POST", "/users/profile/erasure", otp=code)


def receive_receipt(clinic: Clinic) -> None:
    with fake_twilio.FakeTwilio().running() as twilio, fake_twilio.configured(twilio):
        notifications.send(clinic.message(channel=Channel.SMS).id)
        data_of(fake_twilio.post_receipt(clinic.client, twilio.requests[0].callback, "delivered"))


def resend(clinic: Clinic, prefix: str) -> None:
    message = clinic.message(subject=clinic.pending.id)
    message.finish(State.FAILED, now=clock.now(), failure="twilio 400 21211")
    clinic.call(clinic.admin, "POST", f"{prefix}/messages/{message.id}/resend")


def change_own_message(clinic: Clinic, method: str, step: str = "") -> None:
    message = clinic.message(subject=clinic.pending.id, channel=Channel.SMS)
    clinic.call(clinic.asha, method, f"/notifications/{message.id}{step}")


def new_time(time: str) -> dict[str, str]:
    return {"appointmentDate": factories.tomorrow().isoformat(), "appointmentTime": time}


def slot_at(clinic: Clinic, time: str) -> ObjectId:
    slots = factories.slots_of(clinic.doctor, factories.tomorrow())
    return next(ObjectId(slot.id) for slot in slots if slot.start_time == time)


def book_for_member(clinic: Clinic) -> None:
    """Asha gets a family member, who gets an appointment."""
    asha = clinic.asha.user
    parts = {"name": "Aarav", "relationship": "son"}
    member = family.add(factories.actor_of(asha), asha.id, parts).dependent
    factories.make_appointment(asha, clinic.doctor, time="10:30", dependent_id=member.id)


def member_of(clinic: Clinic) -> ObjectId:
    return ObjectId(family.members(clinic.asha.user.id)[0].id)


def claim(clinic: Clinic) -> None:
    mobile = factories.new_mobile()
    data_of(factories.request_code(clinic.client, mobile))
    body = {"mobileNumber": mobile, "otp": factories.code_for(mobile)}
    clinic.call(clinic.desk, "POST", f"/dependents/{member_of(clinic)}/claim", **body)


def of_asha(clinic: Clinic) -> str:
    return f"/patients/{clinic.asha.user.id}/dependents"


def set_active(clinic: Clinic, prefix: str, *, is_active: bool) -> None:
    body = {"isActive": is_active, "reason": "On leave"}
    clinic.call(clinic.admin, "PUT", f"{prefix}/users/{clinic.doctor.id}/status", **body)


def deliver_code(clinic: Clinic) -> None:
    data_of(factories.request_code(clinic.client, clinic.asha.user.mobile_number))
    clinic.run(Job.DELIVER_CODE, Otp.objects.get(mobile_number=clinic.asha.user.mobile_number).issue)


def deliver_code_to_stranger(clinic: Clinic) -> None:
    stranger = factories.new_mobile()
    data_of(factories.request_code(clinic.client, stranger))
    clinic.run(Job.DELIVER_CODE_TO_STRANGER, Otp.objects.get(mobile_number=stranger).issue)


def pay(clinic: Clinic) -> None:
    clinic.call(clinic.admin, "POST", f"/appointments/{clinic.pending.id}/payments", amount=500, method="cash")


def refund(clinic: Clinic) -> None:
    path = f"/appointments/{clinic.pending.id}/refunds"
    clinic.call(clinic.admin, "POST", path, amount=200, method="cash", reason="Called away")


def correct(clinic: Clinic) -> None:
    payment = clinic.database.payments.find_one({})
    assert payment is not None
    clinic.call(clinic.admin, "POST", f"/payments/{payment['_id']}/correction", reason="Entered twice")


def run_for_unknown(clinic: Clinic, job: Job) -> None:
    clinic.run(job, factories.UNKNOWN_ID)


def take_steps(clinic: Clinic, *steps: str) -> None:
    """Steps of the confirmed appointment in the queue of its day, at its time."""
    with time_machine.travel(clinic.confirmed.starts_at, tick=True):
        admin = factories.sign_in(clinic.app, clinic.admin.user)
        for step in steps:
            clinic.call(admin, "PUT", f"/appointments/{clinic.confirmed.id}/{step}")


def start(clinic: Clinic) -> None:
    with time_machine.travel(clinic.confirmed.starts_at, tick=True):
        transitions.change_status(factories.actor_of(clinic.admin.user), clinic.confirmed.id, Status.IN_PROGRESS)


def create_display_key(clinic: Clinic) -> Any:
    rooms = [{"doctorId": str(clinic.doctor.id), "room": "Room 3"}]
    return clinic.call(clinic.admin, "POST", "/display-keys", name="Hall", rooms=rooms)["displayKey"]["_id"]


@dataclass(frozen=True)
class Write:
    """A route or job, a call of it, and the kinds of cached responses that the call changes."""

    by: str
    execute: Callable[[Clinic], object]
    changes: str = ""
    prepare: Callable[[Clinic], object] = lambda _: None


def user_change(clinic: Clinic, user: User, **fields: Any) -> None:
    clinic.call(clinic.admin, "PUT", f"/users/{user.id}", **fields)


_PERIODIC = (Job.GENERATE_SLOTS, Job.SWEEP_SCANS, Job.SWEEP_MESSAGES, Job.FALL_BACK)
_SENDING = (Job.SEND_CODE, Job.SEND_EMAIL, Job.SEND_PUSH)
WRITES = [
    Write("POST /api/auth/send-otp", lambda c: factories.request_code(c.client, c.asha.user.mobile_number)),
    Write("POST /api/auth/verify-otp", lambda c: sign_in(c, "verify-otp", c.asha.user.mobile_number)),
    Write("POST /api/auth/register", lambda c: sign_in(c, "register", factories.new_mobile(), name="Meera")),
    Write(
        "POST /api/auth/refresh-token",
        lambda c: data_of(c.client.post("/api/auth/refresh-token", json={"refreshToken": c.asha.refresh_token})),
    ),
    Write("POST /api/auth/logout", lambda c: c.call(c.asha, "POST", "/auth/logout"), "own"),
    Write("POST /api/auth/logout-all", lambda c: c.call(c.asha, "POST", "/auth/logout-all"), "own"),
    Write(
        "PUT /api/auth/sessions/current/push-token",
        lambda c: c.call(c.asha, "PUT", "/auth/sessions/current/push-token", pushToken="a-token-of-the-tests"),
    ),
    Write(
        "DELETE /api/auth/sessions/<object_id:session_id>",
        lambda c: c.call(c.asha, "DELETE", f"/auth/sessions/{c.asha.session_id}"),
        "own",
    ),
    Write("PUT /api/users/profile", lambda c: c.call(c.asha, "PUT", "/users/profile", name="Asha Rao"), "day own"),
    Write(
        "POST /api/users",
        lambda c: c.call(c.admin, "POST", "/users", mobileNumber=factories.new_mobile(), name="Dr A", role="doctor"),
        "doctors day",
    ),
    Write(
        "POST /api/patients",
        lambda c: c.call(c.admin, "POST", "/patients", mobileNumber=factories.new_mobile(), name="Asha Rao"),
    ),
    Write(
        "PUT /api/patients/<object_id:patient_id>",
        lambda c: c.call(c.admin, "PUT", f"/patients/{c.asha.user.id}", name="Asha Rao"),
        "day own",
    ),
    Write(
        "POST /api/dependents", lambda c: c.call(c.asha, "POST", "/dependents", name="Anika", relationship="daughter")
    ),
    Write(
        f"PUT {MEMBER}",
        lambda c: c.call(c.asha, "PUT", f"/dependents/{member_of(c)}", name="Arjun"),
        "day own",
        book_for_member,
    ),
    Write(
        f"DELETE {MEMBER}",
        lambda c: c.call(c.asha, "DELETE", f"/dependents/{member_of(c)}"),
        prepare=book_for_member,
    ),
    Write(f"POST {MEMBER}/claim", claim, "day own", book_for_member),
    Write(f"POST {FAMILY}", lambda c: c.call(c.desk, "POST", of_asha(c), name="Anika", relationship="daughter")),
    Write(
        f"PUT {FAMILY}/<object_id:dependent_id>",
        lambda c: c.call(c.desk, "PUT", f"{of_asha(c)}/{member_of(c)}", name="Arjun"),
        "day own",
        book_for_member,
    ),
    Write(
        f"DELETE {FAMILY}/<object_id:dependent_id>",
        lambda c: c.call(c.desk, "DELETE", f"{of_asha(c)}/{member_of(c)}"),
        prepare=book_for_member,
    ),
    Write(
        "PUT /api/users/doctors/<object_id:doctor_id>/schedule",
        lambda c: c.call(c.admin, "PUT", f"/users/doctors/{c.doctor.id}/schedule", schedule=[]),
        "slots doctors day",
    ),
    Write(
        "POST /api/appointments/book",
        lambda c: c.call(
            c.ravi, "POST", "/appointments/book", **factories.booking_body(c.other_doctor, appointmentTime="10:30")
        ),
        "slots day own",
    ),
    Write(
        "POST /api/appointments/manual",
        lambda c: c.call(
            c.admin,
            "POST",
            "/appointments/manual",
            patientId=str(c.ravi.user.id),
            **factories.booking_body(c.other_doctor, appointmentTime="10:30"),
        ),
        "slots day own",
    ),
    Write(
        f"PUT {APPOINTMENT}",
        lambda c: c.call(c.asha, "PUT", f"/appointments/{c.pending.id}", reason="Fever"),
        "day own",
    ),
    Write(f"PUT {APPOINTMENT}/status", lambda c: c.change_status(c.pending, "confirmed"), "day own"),
    Write(f"PUT {APPOINTMENT}/status", lambda c: c.change_status(c.pending, "rejected"), "slots day own"),
    Write(
        f"PUT {APPOINTMENT}/cancel",
        lambda c: c.call(c.asha, "PUT", f"/appointments/{c.confirmed.id}/cancel"),
        "slots day own",
    ),
    Write(f"PUT {APPOINTMENT}/arrive", lambda c: take_steps(c, "arrive"), "day own"),
    Write(f"PUT {APPOINTMENT}/call", lambda c: take_steps(c, "call"), "day own", lambda c: take_steps(c, "arrive")),
    Write(f"PUT {APPOINTMENT}/skip", lambda c: take_steps(c, "skip"), "day own", lambda c: take_steps(c, "arrive")),
    Write(
        f"PUT {APPOINTMENT}/recall",
        lambda c: take_steps(c, "recall"),
        "day own",
        lambda c: take_steps(c, "arrive", "skip"),
    ),
    Write(f"PUT {APPOINTMENT}/undo", lambda c: take_steps(c, "undo"), "day own", lambda c: take_steps(c, "arrive")),
    Write("POST /api/display-keys", create_display_key),
    Write(
        "DELETE /api/display-keys/<object_id:key_id>",
        lambda c: c.call(c.admin, "DELETE", f"/display-keys/{create_display_key(c)}"),
    ),
    Write(f"POST {APPOINTMENT}/payments", pay, "day own"),
    Write(f"POST {APPOINTMENT}/refunds", refund, "day own", prepare=pay),
    Write("POST /api/payments/<object_id:payment_id>/correction", correct, "day own", prepare=pay),
    Write(
        f"PUT {APPOINTMENT}/reschedule",
        lambda c: c.call(c.asha, "PUT", f"/appointments/{c.pending.id}/reschedule", **new_time("10:30")),
        "slots day own",
    ),
    Write(
        f"PUT {SLOTS}/<object_id:slot_id>",
        lambda c: c.call(c.admin, "PUT", f"/appointments/slots/{slot_at(c, '10:30')}", isBlocked=True, **_BREAK),
        "slots",
    ),
    Write(
        f"POST {SLOTS}",
        lambda c: c.call(
            c.admin,
            "POST",
            "/appointments/slots",
            doctorId=str(c.doctor.id),
            date=factories.tomorrow().isoformat(),
            startTime="18:00",
        ),
        "slots",
    ),
    Write(
        "POST /api/files/upload/appointments",
        lambda c: c.upload(c.asha, "appointments", appointmentId=str(c.pending.id), category="reports"),
        "day own",
    ),
    Write("POST /api/files/upload/profiles", lambda c: c.upload(c.asha, "profiles")),
    Write("DELETE /api/files/<string:filename>", lambda c: c.call(c.ravi, "DELETE", f"/files/{c.file}"), "day own"),
    Write(f"PUT {USER}", lambda c: user_change(c, c.doctor, name="Dr Renamed"), "slots doctors day own"),
    Write(
        f"PUT {USER}", lambda c: user_change(c, c.doctor, doctorInfo={"consultationFee": 9}), "slots doctors day own"
    ),
    Write(f"PUT {USER}", lambda c: user_change(c, c.doctor, role="receptionist"), "slots doctors day"),
    Write(
        f"PUT {USER}",
        lambda c: user_change(c, c.doctor, name="A former doctor"),
        "day own",
        prepare=lambda c: user_change(c, c.doctor, role="receptionist"),
    ),
    Write(f"PUT {USER}", lambda c: user_change(c, c.asha.user, name="Asha Rao"), "day own"),
    Write(f"DELETE {USER}", lambda c: c.call(c.admin, "DELETE", f"/users/{c.doctor.id}"), "slots doctors day"),
    Write(f"DELETE {USER}", lambda c: c.call(c.admin, "DELETE", f"/users/{c.asha.user.id}"), "own"),
    Write(f"PUT {USER}/status", lambda c: set_active(c, "", is_active=False), "slots doctors day"),
    Write(
        f"PUT {USER}/status",
        lambda c: set_active(c, "", is_active=True),
        "slots doctors day",
        prepare=lambda c: set_active(c, "", is_active=False),
    ),
    Write(
        "PUT /api/admin/users/<object_id:user_id>/status",
        lambda c: set_active(c, "/admin", is_active=False),
        "slots doctors day",
    ),
    Write("POST /api/users/profile/erasure", erase, "slots day own"),
    Write("POST /api/webhooks/twilio/status", receive_receipt, "day"),
    Write("POST /api/admin/messages/<object_id:message_id>/resend", lambda c: resend(c, "/admin")),
    Write("POST /api/messages/<object_id:message_id>/resend", lambda c: resend(c, "")),
    Write("PUT /api/notifications/<object_id:message_id>/read", lambda c: change_own_message(c, "PUT", "/read")),
    Write("DELETE /api/notifications/<object_id:message_id>", lambda c: change_own_message(c, "DELETE")),
    Write(Job.DELIVER_CODE, deliver_code),
    Write(Job.DELIVER_CODE_TO_STRANGER, deliver_code_to_stranger),
    Write(Job.RECORD_FAILURE, lambda c: c.run(Job.RECORD_FAILURE, "malformed", "MalformedEntry", "codes")),
    Write(Job.SEND_SMS, lambda c: c.run(Job.SEND_SMS, c.message(channel=Channel.SMS).id), "day"),
    Write(
        Job.SYNC_SLOTS,
        lambda c: c.run(Job.SYNC_SLOTS, c.doctor.id),
        "slots",
        prepare=lambda c: c.database.slots.delete_many({"doctor": c.doctor.id, "startTime": "10:30"}),
    ),
    Write(
        Job.SCAN_FILE,
        lambda c: c.run(Job.SCAN_FILE, File.objects.get(filename=c.file).id),
    ),
    Write(
        Job.PURGE_FILES,
        lambda c: c.run(Job.PURGE_FILES),
        "day own",
        prepare=lambda c: c.database.files.update_one({}, {"$set": {"createdAt": clock.now() - timedelta(days=9999)}}),
    ),
    Write(Job.EXPORT, lambda c: c.run(Job.EXPORT, c.asha.user.id)),
    Write(
        Job.FINISH_ERASURES,
        lambda c: c.run(Job.FINISH_ERASURES),
        "day own",
        prepare=lambda c: c.database.users.update_one(
            {"_id": c.pending.patient_id}, {"$set": {"keptUntil": clock.now()}}
        ),
    ),
    Write(Job.REJECT_UNCONFIRMED, lambda c: c.run_at(c.pending.starts_at, Job.REJECT_UNCONFIRMED), "slots day own"),
    Write(
        Job.MARK_NO_SHOWS,
        lambda c: c.run_at(c.confirmed.ends_at + timedelta(hours=1), Job.MARK_NO_SHOWS),
        "slots day own",
    ),
    Write(
        Job.COMPLETE_FORGOTTEN,
        lambda c: c.run_at(c.confirmed.ends_at + timedelta(days=1), Job.COMPLETE_FORGOTTEN),
        "slots day own",
        prepare=start,
    ),
    *(Write(job, partial(Clinic.run, job=job)) for job in _PERIODIC),
    *(Write(job, partial(run_for_unknown, job=job)) for job in _SENDING),
]
