"""The permission table: each role calls each route for a record of its own and for one of another user.

The pages of the dashboard have a table of their own, in test_pages.py.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache, partial
from typing import Any

import pytest
from bson import ObjectId
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import transitions
from arthomed.auth.service import otp
from arthomed.config import settings
from arthomed.core import clock
from arthomed.core.actor import Actor
from arthomed.core.errors import RateLimitExceeded
from arthomed.core.permissions import Role
from arthomed.frontdesk.models import Room
from arthomed.frontdesk.service import display, queue
from arthomed.http import pages
from arthomed.notifications.models import Notification, State
from arthomed.payments.models import Payment
from arthomed.payments.rules import Method
from arthomed.payments.service import recording
from arthomed.users import family
from arthomed.users.models import User
from tests import factories

ALL = frozenset(Role)
STAFF = frozenset({Role.RECEPTIONIST, Role.ADMIN})
PATIENT, DOCTOR, ADMIN = frozenset({Role.PATIENT}), frozenset({Role.DOCTOR}), frozenset({Role.ADMIN})
OWN_APPOINTMENTS = PATIENT | DOCTOR
OK, FIRST_ERROR = 200, 300
Body = Callable[["World"], dict[str, Any]]
Pair = tuple[object, object]


@dataclass(frozen=True)
class Row:
    """`roles` may call the route. For a record of another user `own_only` get 404, and `own_or_403` get 403."""

    roles: frozenset[Role]
    record: str | None = None
    own_only: frozenset[Role] = frozenset()
    own_or_403: frozenset[Role] = frozenset()
    body: Body | None = None
    form: Callable[[object], dict[str, Any]] | None = None
    query: Body = field(default=lambda _: {})
    status: Status = Status.PENDING


@dataclass
class World:
    """A caller, and for each kind of record one of the caller and one of another user."""

    caller: factories.SignedIn
    doctor: User
    ids: dict[str, Pair | Callable[[], Pair]]

    def records_of(self, row: Row) -> Pair:
        """A record of the caller, and one of another user; those that few routes need are made now."""
        if row.record in STEPS_BEFORE and row.record not in self.ids:
            steps, (own, others) = STEPS_BEFORE[row.record], self.records("appointment")
            self.ids[row.record] = queued(own, steps), queued(others, steps)
        return self.records(row.record) if row.record else (factories.UNKNOWN_ID, factories.UNKNOWN_ID)

    def records(self, name: str) -> Pair:
        found = self.ids[name]
        return found() if callable(found) else found

    def accessible_record(self, row: Row) -> object:
        """A record for which the caller may call the route."""
        own, others = self.records_of(row)
        return own if self.role in row.own_only | row.own_or_403 else others

    @property
    def role(self) -> Role:
        return Role(self.caller.user.role)

    @property
    def own_doctor(self) -> ObjectId:
        """The calling doctor, else any."""
        return ObjectId(self.caller.user.id if self.role is Role.DOCTOR else self.doctor.id)


def _edit(world: World) -> dict[str, Any]:
    return {"notes": "Rest"} if world.role is Role.DOCTOR else {"reason": "Fever"}


def _new_patient(world: World) -> dict[str, Any]:
    return {"mobileNumber": factories.new_mobile(), "name": "Some One", **factories.booking_body(world.doctor)}


STEPS_BEFORE: dict[str, tuple[str, ...]] = {
    "expected": (),
    "waiting": ("arrive",),
    "called": ("arrive", "call"),
    "skipped": ("arrive", "call", "skip"),
}
"""The steps that bring a confirmed appointment of today to a stage."""


def queued(appointment: object, steps: tuple[str, ...]) -> object:
    """Move an appointment to now and take steps in the queue; another patient waits behind."""
    now, zone = clock.now(), settings().policy.timezone
    times = {"set__starts_at": now, "set__ends_at": now + timedelta(minutes=30)}
    today = clock.midnight_utc(clock.local_date(now, zone))
    Appointment.objects(id=appointment).update(set__appointment_date=today, **times)
    admin = Actor(ObjectId(), Role.ADMIN)
    for step in steps:
        if step == "skip":
            _arrive_behind(appointment)
        if step == "arrive":
            queue.arrive(admin, ObjectId(str(appointment)), {})
        else:
            {"call": queue.call, "skip": queue.skip}[step](admin, ObjectId(str(appointment)))
    return appointment


def _arrive_behind(appointment: object) -> None:
    ahead = Appointment.objects.get(id=appointment)
    behind = Appointment.from_raw(
        {**ahead.to_mongo(), "_id": ObjectId(), "patient": factories.make_user().id, "seat": 2}
    )
    behind.queue = behind.queue.changed(token=2, called_at=None, former=None)
    behind.insert()


def display_key(doctor: User) -> ObjectId:
    rooms = [Room(doctor=doctor.id, room="Room 3")]
    return ObjectId(display.create_key(Actor(ObjectId(), Role.ADMIN), "Hall", rooms).display_key.id)


def _own_code(world: World) -> dict[str, Any]:
    mobile = world.caller.user.mobile_number
    with suppress(RateLimitExceeded):  # the code of the previous call is still valid
        otp.request_code(mobile, purpose="login", address="127.0.0.1", networks=["127.0.0.1"])
    return {"otp": factories.code_for(mobile)}


def _new_number(_: World) -> dict[str, Any]:
    mobile = factories.new_mobile()
    otp.request_code(mobile, purpose="login", address="127.0.0.1", networks=["127.0.0.1"])
    return {"mobileNumber": mobile, "otp": factories.code_for(mobile)}


def _dependent_of(owner: User) -> ObjectId:
    actor = factories.actor_of(owner)
    return ObjectId(family.add(actor, owner.id, {"name": "Test Child", "relationship": "daughter"}).dependent.id)


def _a_week_later() -> str:
    return (factories.tomorrow() + timedelta(days=7)).isoformat()


PUBLIC = {
    ("POST", "/api/auth/send-otp"),
    ("POST", "/api/auth/verify-otp"),
    ("POST", "/api/auth/register"),
    ("POST", "/api/auth/refresh-token"),
    ("POST", "/api/auth/logout"),  # authenticated by a well-signed token, also of an ended session
    ("POST", "/api/webhooks/twilio/status"),  # authenticated by Twilio's signature
    ("GET", "/api/clinic"),
    ("GET", "/api/display/<string:key>"),  # authenticated by the secret key of a display
    ("GET", "/api/openapi.json"),
    ("GET", "/api/docs"),
    ("GET", "/api/docs/start.js"),
    ("GET", "/api/docs/assets/<path:path>"),
    ("GET", "/dev/mailbox"),
    ("GET", "/dev/mailbox.json"),
    ("GET", "/health"),
    ("GET", "/health/ready"),
}
_APPOINTMENT = "/api/appointments/<object_id:appointment_id>"
_USER = "/api/users/<object_id:user_id>"
_PATIENT = "/api/patients/<object_id:patient_id>"
_FAMILY = f"{_PATIENT}/dependents"
_DOCTORS = "/api/users/doctors"
_BORN = {"dateOfBirth": "1990-04-21"}
_SLOTS = "/api/appointments/slots"
_ONE_DAY = {"from": "2026-12-01", "to": "2026-12-01"}
TABLE: dict[tuple[str, str], Row] = {
    ("POST", "/api/auth/logout-all"): Row(ALL),
    ("GET", "/api/auth/sessions"): Row(ALL),
    ("DELETE", "/api/auth/sessions/<object_id:session_id>"): Row(ALL, "session", own_only=ALL),
    ("PUT", "/api/auth/sessions/current/push-token"): Row(ALL, body=lambda _: {"pushToken": f"{ObjectId()}:tests"}),
    ("GET", "/api/auth/me"): Row(ALL),
    ("GET", "/api/users/profile"): Row(ALL),
    ("PUT", "/api/users/profile"): Row(ALL, body=lambda _: {"name": "New Name"}),
    ("GET", "/api/users/profile/access-log"): Row(ALL),
    ("GET", "/api/users/profile/export"): Row(ALL),
    ("POST", "/api/users/profile/erasure"): Row(PATIENT, body=_own_code),
    ("GET", "/api/admin/audit"): Row(ADMIN),
    ("GET", "/api/admin/messages"): Row(ADMIN),
    ("POST", "/api/admin/messages/<object_id:message_id>/resend"): Row(ADMIN, "message"),
    ("POST", "/api/files/upload/appointments"): Row(
        ALL,
        "appointment",
        own_only=OWN_APPOINTMENTS,
        form=lambda appointment: {
            "appointmentId": str(appointment),
            "category": "reports",
            "files": factories.picture(),
        },
    ),
    ("POST", "/api/files/upload/profiles"): Row(ALL, form=lambda _: {"files": factories.picture()}),
    ("GET", "/api/files/<string:filename>"): Row(ALL, "file", own_only=ALL - ADMIN),
    ("DELETE", "/api/files/<string:filename>"): Row(ALL, "file", own_only=ALL - ADMIN),
    ("GET", "/api/users"): Row(ADMIN),
    ("POST", "/api/users"): Row(
        ADMIN, body=lambda _: {"mobileNumber": factories.new_mobile(), "name": "Some One", "role": "patient"}
    ),
    ("GET", "/api/users/stats"): Row(ADMIN),
    ("GET", _USER): Row(DOCTOR | STAFF, "user", own_only=DOCTOR),
    ("PUT", _USER): Row(ADMIN, "user", body=lambda _: {"name": "New Name"}),
    ("DELETE", _USER): Row(ADMIN, "user"),
    ("PUT", f"{_USER}/status"): Row(ADMIN, "user", body=lambda _: {"isActive": False, "reason": "Left"}),
    ("PUT", "/api/admin/users/<object_id:user_id>/status"): Row(
        ADMIN, "user", body=lambda _: {"isActive": False, "reason": "Left"}
    ),
    ("GET", "/api/patients"): Row(DOCTOR | STAFF, query=lambda _: {"search": "test"}),
    ("POST", "/api/patients"): Row(
        STAFF, body=lambda _: {"mobileNumber": factories.new_mobile(), "name": "Test Patient", "profile": _BORN}
    ),
    ("GET", _PATIENT): Row(DOCTOR | STAFF, "patient", own_only=DOCTOR, status=Status.CONFIRMED),
    ("PUT", _PATIENT): Row(STAFF, "patient", body=lambda _: {"name": "New Name"}),
    ("GET", "/api/dependents"): Row(ALL),
    ("POST", "/api/dependents"): Row(ALL, body=lambda _: {"name": "Test Child", "relationship": "son"}),
    ("PUT", "/api/dependents/<object_id:dependent_id>"): Row(
        ALL, "dependent", own_only=ALL, body=lambda _: {"name": "New Name"}
    ),
    ("DELETE", "/api/dependents/<object_id:dependent_id>"): Row(ALL, "dependent", own_only=ALL),
    ("POST", "/api/dependents/<object_id:dependent_id>/claim"): Row(STAFF, "dependent", body=_new_number),
    ("GET", _FAMILY): Row(STAFF, "patient"),
    ("POST", _FAMILY): Row(STAFF, "patient", body=lambda _: {"name": "Test Child", "relationship": "son"}),
    ("PUT", f"{_FAMILY}/<object_id:dependent_id>"): Row(
        STAFF, "patient and dependent", body=lambda _: {"name": "New Name"}
    ),
    ("DELETE", f"{_FAMILY}/<object_id:dependent_id>"): Row(STAFF, "patient and dependent"),
    ("GET", "/api/files"): Row(ALL),
    ("GET", _DOCTORS): Row(ALL),
    ("GET", f"{_DOCTORS}/<object_id:doctor_id>"): Row(ALL, "doctor"),
    ("GET", f"{_DOCTORS}/<object_id:doctor_id>/availability"): Row(ALL, "doctor", query=lambda _: _ONE_DAY),
    ("PUT", f"{_DOCTORS}/<object_id:doctor_id>/schedule"): Row(
        DOCTOR | ADMIN, "doctor", own_only=DOCTOR, body=lambda _: {"schedule": []}
    ),
    ("GET", "/api/appointments/slots"): Row(
        ALL, query=lambda world: {"doctorId": str(world.doctor.id), "date": factories.tomorrow().isoformat()}
    ),
    ("POST", "/api/appointments/book"): Row(ALL, body=lambda world: factories.booking_body(world.doctor)),
    ("POST", "/api/appointments/manual"): Row(STAFF, body=_new_patient),
    ("GET", "/api/appointments/my-appointments"): Row(ALL),
    ("GET", "/api/appointments"): Row(DOCTOR | STAFF),
    ("GET", "/api/appointments/pending"): Row(STAFF),
    ("GET", "/api/appointments/stats"): Row(ALL),
    ("GET", _APPOINTMENT): Row(ALL, "appointment", own_only=OWN_APPOINTMENTS),
    ("GET", f"{_APPOINTMENT}/calendar.ics"): Row(ALL, "appointment", own_only=ALL),
    ("PUT", _APPOINTMENT): Row(ALL, "appointment", own_only=OWN_APPOINTMENTS, body=_edit),
    ("PUT", f"{_APPOINTMENT}/status"): Row(
        ALL, "appointment", own_only=OWN_APPOINTMENTS, body=lambda _: {"status": "cancelled"}, status=Status.CONFIRMED
    ),
    ("PUT", f"{_APPOINTMENT}/cancel"): Row(
        ALL, "appointment", own_only=OWN_APPOINTMENTS, body=lambda _: {"reason": "Well again"}, status=Status.CONFIRMED
    ),
    ("GET", "/api/appointments/day"): Row(
        DOCTOR | STAFF, query=lambda _: {"date": clock.today(settings().policy.timezone).isoformat()}
    ),
    ("PUT", f"{_APPOINTMENT}/arrive"): Row(
        DOCTOR | STAFF, "expected", own_only=DOCTOR, body=lambda _: {"priority": "elderly"}, status=Status.CONFIRMED
    ),
    ("PUT", f"{_APPOINTMENT}/call"): Row(DOCTOR | STAFF, "waiting", own_only=DOCTOR, status=Status.CONFIRMED),
    ("PUT", f"{_APPOINTMENT}/skip"): Row(DOCTOR | STAFF, "called", own_only=DOCTOR, status=Status.CONFIRMED),
    ("PUT", f"{_APPOINTMENT}/recall"): Row(DOCTOR | STAFF, "skipped", own_only=DOCTOR, status=Status.CONFIRMED),
    ("PUT", f"{_APPOINTMENT}/undo"): Row(DOCTOR | STAFF, "called", own_only=DOCTOR, status=Status.CONFIRMED),
    ("GET", "/api/display-keys"): Row(ADMIN),
    ("POST", "/api/display-keys"): Row(
        ADMIN,
        body=lambda world: {"name": "Hall", "rooms": [{"doctorId": str(world.doctor.id), "room": "Room 3"}]},
    ),
    ("DELETE", "/api/display-keys/<object_id:key_id>"): Row(ADMIN, "display key"),
    ("POST", f"{_APPOINTMENT}/payments"): Row(STAFF, "appointment", body=lambda _: {"amount": 100, "method": "upi"}),
    ("POST", f"{_APPOINTMENT}/refunds"): Row(
        STAFF, "paid appointment", body=lambda _: {"amount": 100, "method": "cash", "reason": "Called away"}
    ),
    ("GET", f"{_APPOINTMENT}/payments"): Row(ALL, "paid appointment", own_only=OWN_APPOINTMENTS),
    ("GET", f"{_APPOINTMENT}/messages"): Row(STAFF, "appointment"),
    ("POST", "/api/messages/<object_id:message_id>/resend"): Row(STAFF, "message"),
    ("GET", "/api/notifications"): Row(ALL),
    ("PUT", "/api/notifications/<object_id:message_id>/read"): Row(ALL, "own message", own_only=ALL),
    ("DELETE", "/api/notifications/<object_id:message_id>"): Row(ALL, "own message", own_only=ALL),
    ("GET", "/api/payments"): Row(STAFF, query=lambda _: {"date": f"{clock.today(settings().policy.timezone)}"}),
    ("POST", "/api/payments/<object_id:payment_id>/correction"): Row(
        STAFF, "payment", body=lambda _: {"reason": "Entered twice"}
    ),
    ("GET", "/api/payments/<object_id:payment_id>/receipt"): Row(ALL, "payment", own_only=OWN_APPOINTMENTS),
    ("PUT", f"{_APPOINTMENT}/reschedule"): Row(
        ALL,
        "as_patient",
        own_only=OWN_APPOINTMENTS,
        body=lambda _: {"appointmentDate": _a_week_later(), "appointmentTime": "09:00"},
    ),
    ("GET", f"{_SLOTS}/<object_id:slot_id>"): Row(DOCTOR | STAFF, "slot", own_only=DOCTOR),
    ("PUT", f"{_SLOTS}/<object_id:slot_id>"): Row(
        DOCTOR | STAFF, "slot", own_only=DOCTOR, body=lambda _: {"isBlocked": True, "blockReason": "break"}
    ),
    ("POST", _SLOTS): Row(
        DOCTOR | STAFF,
        body=lambda world: {
            "doctorId": str(world.own_doctor),
            "date": _a_week_later(),
            "startTime": "18:00",
            "maxPatients": 2,
        },
    ),
    ("GET", "/api/appointments/explain"): Row(
        DOCTOR | STAFF,
        query=lambda world: {"doctorId": str(world.own_doctor), "date": _a_week_later(), "time": "09:00"},
    ),
}
WRITES = [
    pytest.param(route, role, id=f"{role} {' '.join(route)}")
    for route, row in TABLE.items()
    for role in sorted(row.roles)
    if route[0] != "GET"
]


def routes_of(app: Flask) -> set[tuple[str, str]]:
    return {
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if not is_page(rule.rule)
    }


def is_page(rule: str) -> bool:
    """Whether test_pages.py has the row of a route."""
    return f"{rule}/".startswith(f"{pages.PREFIX}/")


def test_every_route_has_a_row(app: Flask) -> None:
    assert routes_of(app) == PUBLIC | TABLE.keys()


def test_every_route_names_its_permission_and_documents_its_roles(client: FlaskClient) -> None:
    documented = client.get("/api/openapi.json").get_json()["paths"]
    for (method, rule), row in TABLE.items():
        operation = documented[re.sub(r"<\w+:(\w+)>", r"{\1}", rule)][method.lower()]
        assert operation["x-permission"], (method, rule)
        assert operation["security"], (method, rule)
        assert set(operation["x-roles"]) == row.roles, (method, rule)


@pytest.mark.parametrize("route", sorted(TABLE), ids=" ".join)
def test_route_without_a_token_returns_401(client: FlaskClient, route: tuple[str, str]) -> None:
    response = client.open(_path(route, ObjectId()), method=route[0], json={})

    assert factories.error_of(response) == (401, "NO_TOKEN")


@pytest.mark.parametrize(("route", "role"), WRITES)
def test_role_changes_its_records_only(app: Flask, client: FlaskClient, route: tuple[str, str], role: Role) -> None:
    world = make_world(app, role, TABLE[route].status)

    assert statuses_of(client, route, world) == expected_statuses(TABLE[route], role)


@pytest.mark.parametrize("status", [Status.PENDING, Status.CONFIRMED])
@pytest.mark.parametrize("role", Role)
def test_role_reads_its_records_only_and_is_refused_on_the_routes_of_other_roles(
    app: Flask, client: FlaskClient, role: Role, status: Status
) -> None:
    world = make_world(app, role, status)  # one for all: nothing is changed
    rows = {
        route: row
        for route, row in TABLE.items()
        if row.status is status and (route[0] == "GET" or role not in row.roles)
    }

    found = {route: statuses_of(client, route, world) for route in rows}

    assert rows
    assert found == {route: expected_statuses(row, role) for route, row in rows.items()}


def statuses_of(client: FlaskClient, route: tuple[str, str], world: World) -> tuple[int, ...]:
    """The statuses, with 200 for every success, of calls for the record of another user, and for the caller's own."""
    row, role = TABLE[route], world.role
    is_refused, is_staged = role not in row.roles, row.record in STEPS_BEFORE
    own, others = (factories.UNKNOWN_ID,) * 2 if is_refused and is_staged else world.records_of(row)
    records = [others, own] if is_refused or role in row.own_only | row.own_or_403 else [others]
    codes = [call_route(client, route, world, record).status_code for record in records]
    return tuple(OK if code < FIRST_ERROR else code for code in codes)


def expected_statuses(row: Row, role: Role) -> tuple[int, ...]:
    if role not in row.roles:
        return (403, 403)
    if role in row.own_only:
        return (404, OK)
    return (403, OK) if role in row.own_or_403 else (OK,)


def call_route(
    client: FlaskClient,
    route: tuple[str, str],
    world: World,
    record: object,
    *,
    headers: dict[str, str] | None = None,
    **fields: Any,
) -> TestResponse:
    """Call a route for a record as its row describes; `fields` are added to its JSON."""
    row = TABLE[route]
    sent: dict[str, Any] = {"json": {**row.body(world), **fields}} if row.body else {}
    if row.form:
        sent = {"data": row.form(record)}
    sent |= {"headers": {**world.caller.headers, **(headers or {})}, "query_string": row.query(world)}
    return client.open(_path(route, record), method=route[0], buffered=True, **sent)


def _path(route: tuple[str, str], record: object) -> str:
    """The path for a record; for a pair of records if it has two ids."""
    records = iter(record if isinstance(record, tuple) else (record,) * 2)
    return re.sub(r"<[^>]+>", lambda _: str(next(records)), route[1])


def _sms_about(appointment: Appointment) -> ObjectId:
    return ObjectId(Notification.objects(subject=appointment.id, channel="sms").first().id)


def _failed_message_of(appointment: Appointment) -> ObjectId:
    [message, *_] = Notification.objects(subject=appointment.id)
    message.finish(State.FAILED, now=clock.now(), failure="twilio 400 21211")
    return ObjectId(message.id)


def _payments(caller: User, stranger: User) -> list[Payment]:
    """A payment of the caller as a patient, and one of another patient."""
    desk = factories.actor_of(factories.make_user(Role.RECEPTIONIST))
    doctor = factories.make_doctor(factories.every_day("10:00", "11:00", max_patients=2))
    made = [factories.make_appointment(patient, doctor, time="10:00") for patient in (caller, stranger)]
    return [recording.pay(desk, one.id, 200, Method.CASH, reference=None, key=None).payment for one in made]


def make_world(app: Flask, role: Role, status: Status) -> World:
    hour = factories.every_day("09:00", "10:00")
    doctor, another = factories.make_doctor(hour), factories.make_doctor(hour)
    caller = factories.sign_in(app, factories.make_doctor(hour) if role is Role.DOCTOR else factories.make_user(role))
    stranger = factories.sign_in(app)
    own_appointment = factories.make_appointment(
        None if role is Role.DOCTOR else caller.user, caller.user if role is Role.DOCTOR else doctor, time="09:30"
    )
    others_appointment = factories.make_appointment(stranger.user, another, time="09:30")
    if status is Status.CONFIRMED:
        admin = factories.actor_of(factories.make_user(Role.ADMIN))
        for appointment in (own_appointment, others_appointment):
            transitions.change_status(admin, appointment.id, status)
    payments = cache(partial(_payments, caller.user, stranger.user))
    is_doctor = role is Role.DOCTOR
    as_patient = factories.make_appointment(caller.user, doctor, time="09:30") if is_doctor else own_appointment
    ids: dict[str, Pair | Callable[[], Pair]] = {
        "appointment": (own_appointment.id, others_appointment.id),
        "as_patient": (as_patient.id, others_appointment.id),
        "slot": (own_appointment.slot, others_appointment.slot),
        "user": (caller.user.id, stranger.user.id),
        "patient": (own_appointment.patient_id, others_appointment.patient_id),
        "doctor": (caller.user.id, doctor.id),
        "session": (caller.session_id, stranger.session_id),
        "display key": cache(lambda: (display_key(doctor), display_key(doctor))),
        "payment": lambda: (payments()[0].id, payments()[1].id),
        "paid appointment": lambda: (payments()[0].appointment, payments()[1].appointment),
        "dependent": cache(lambda: (_dependent_of(caller.user), _dependent_of(stranger.user))),
        "patient and dependent": cache(lambda: ((stranger.user.id, _dependent_of(stranger.user)),) * 2),
        "own message": (_sms_about(as_patient), _sms_about(others_appointment)),
        "message": (_failed_message_of(own_appointment), _failed_message_of(others_appointment)),
        "file": (
            factories.make_file(own_appointment, caller.user),
            factories.make_file(others_appointment, stranger.user),
        ),
    }
    return World(caller, another, ids)
