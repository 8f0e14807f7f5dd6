"""The demo clinic: users with fixed phone numbers, which README, scripts and tests use."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.appointments.models import Appointment
from arthomed.appointments.parts import Change, PaymentInfo
from arthomed.appointments.rules import Status
from arthomed.appointments.service import booking, transitions
from arthomed.appointments.service.attempts import BookingDetails
from arthomed.config import settings
from arthomed.core import clock
from arthomed.core.actor import SYSTEM, Actor
from arthomed.core.documents import transaction
from arthomed.core.permissions import Role
from arthomed.payments.rules import Method
from arthomed.payments.service import recording
from arthomed.scheduling import service as scheduling
from arthomed.scheduling.models import Slot
from arthomed.scheduling.rules import WEEK, length, plan
from arthomed.users import service as users
from arthomed.users.models import User

_WORKDAYS = WEEK[:5]


@dataclass(frozen=True, slots=True)
class Doctor:
    mobile: str
    name: str
    specialization: str
    fee: int
    days: tuple[str, ...]
    ranges: tuple[tuple[str, str], ...]
    max_patients: int = 1

    @property
    def schedule(self) -> list[dict[str, Any]]:
        return [
            {"day": str(day), "start_time": start, "end_time": end, "max_patients": self.max_patients}
            for day in self.days
            for start, end in self.ranges
        ]


DOCTORS = (
    Doctor("9000000011", "Dr Meera Iyer", "General Medicine", 300, WEEK, (("09:00", "17:00"),)),
    Doctor("9000000012", "Dr Arjun Rao", "Cardiology", 800, _WORKDAYS, (("09:00", "12:00"), ("16:00", "19:00"))),
    Doctor("9000000013", "Dr Fatima Khan", "Paediatrics", 500, WEEK[:6], (("10:00", "14:00"),), max_patients=2),
    Doctor("9000000014", "Dr Thomas George", "Orthopaedics", 600, WEEK[1:6], (("14:00", "20:00"),)),
    Doctor("9000000015", "Dr Leela Nair", "Dermatology", 450, (WEEK[0], WEEK[2], WEEK[4]), (("11:00", "18:00"),)),
)
_PATIENTS = (
    ("9000000021", "Asha Verma", "asha@example.com"),
    ("9000000022", "Ravi Kumar", None),
    ("9000000023", "Sunita O'Neil", "sunita@example.com"),
)
ADMIN, RECEPTIONIST = "9000000001", "9000000002"
_MOBILES = [ADMIN, RECEPTIONIST, *(doctor.mobile for doctor in DOCTORS), *(patient[0] for patient in _PATIENTS)]


@dataclass(frozen=True, slots=True)
class _Step:
    """A change of a past appointment: by the role, at this time after the start (before it if negative)."""

    target: Status
    role: Role
    after_start: timedelta
    reason: str | None = None


_BOOKED = _Step(Status.PENDING, Role.PATIENT, timedelta(days=-2))
_CONFIRMED = _Step(Status.CONFIRMED, Role.RECEPTIONIST, timedelta(days=-1))
_PAST = (
    (
        _BOOKED,
        _CONFIRMED,
        _Step(Status.IN_PROGRESS, Role.DOCTOR, timedelta(minutes=5)),
        _Step(Status.COMPLETED, Role.DOCTOR, timedelta(minutes=20)),
    ),
    (_BOOKED, _CONFIRMED, _Step(Status.NO_SHOW, Role.RECEPTIONIST, timedelta(minutes=45))),
    (_BOOKED, _Step(Status.REJECTED, Role.RECEPTIONIST, timedelta(days=-1), "The doctor is away on that day")),
)
"""The past appointments of the patients with the doctors of the same places."""

_FINDINGS = {"notes": "Throat red, no fever. Rest and warm fluids.", "prescription": "Paracetamol 500 mg, three days"}


def load(*, if_empty: bool) -> str:
    """Create the missing records, also after an interrupted run; returns a message for the command line."""
    if users.find_by_mobile(ADMIN) is not None:
        return "The demo clinic is loaded already."
    if if_empty and User.objects(mobile_number__nin=_MOBILES).first() is not None:
        return "The database has other users already; the demo clinic was not loaded."
    receptionist = _user(Role.RECEPTIONIST, RECEPTIONIST, "Joseph Mathew")
    doctors = [_create_doctor(doctor) for doctor in DOCTORS]
    patients = [_user(Role.PATIENT, mobile, name, email=email) for mobile, name, email in _PATIENTS]
    _past_appointments(patients, doctors, receptionist)
    _upcoming_appointments(patients, doctors, receptionist)
    _payments(receptionist)
    _user(Role.ADMIN, ADMIN, "Kavita Desai")  # the last record, which marks a complete demo clinic
    return f"Loaded the demo clinic: {len(doctors)} doctors, {len(patients)} patients."


def _user(role: Role, mobile: str, name: str, **fields: Any) -> User:
    existing = users.find_by_mobile(mobile)
    return existing or users.register(role=role, mobile_number=mobile, name=name, is_verified=True, by=SYSTEM, **fields)


def _create_doctor(doctor: Doctor) -> User:
    user = _user(
        Role.DOCTOR,
        doctor.mobile,
        doctor.name,
        doctor_info={"specialization": doctor.specialization, "consultation_fee": doctor.fee, "qualification": "MBBS"},
    )
    scheduling.save_schedule(_actor(user), user.id, doctor.schedule)
    return users.get(user.id)


def _actor(user: User) -> Actor:
    return Actor(user.id, user.role)


def _upcoming_appointments(patients: list[User], doctors: list[User], receptionist: User) -> None:
    """Create one pending, one confirmed and one cancelled appointment."""
    statuses = (Status.PENDING, Status.CONFIRMED, Status.CANCELLED)
    for patient, doctor, status in zip(patients, doctors, statuses, strict=False):
        upcoming = Appointment.objects(patient_id=patient.id, starts_at__gt=clock.now())
        if not upcoming:
            booking.book(_actor(patient), _first_free_slot(doctor))
        appointment = upcoming.first()
        if appointment.status is not status:
            reason = "The patient called and cannot come" if status is Status.CANCELLED else None
            transitions.change_status(_actor(receptionist), appointment.id, status, reason=reason)


def _payments(receptionist: User) -> None:
    """The treated patient paid in cash, the confirmed one a part in advance."""
    paid = {Status.COMPLETED: (100, Method.CASH, None), Status.CONFIRMED: (50, Method.UPI, "UPI 433912345678")}
    for appointment in Appointment.objects(status__in=list(paid)):
        percent, method, reference = paid[appointment.status]
        amount, key = appointment.payment.amount * percent // 100, f"demo-payment-{appointment.id}"
        recording.pay(_actor(receptionist), appointment.id, amount, method, reference=reference, key=key)


def _first_free_slot(doctor: User) -> BookingDetails:
    """Request the first free slot after two days, so that users of the demo find free slots today and tomorrow."""
    later = clock.now() + timedelta(days=2)
    slot = Slot.nearest_free([doctor.id], later, now=later, limit=1)[0]
    return BookingDetails(doctor.id, slot.date.date(), slot.start_time, "consultation", "Fever since yesterday")


def _past_appointments(patients: list[User], doctors: list[User], receptionist: User) -> None:
    for patient, doctor, steps in zip(patients, doctors, _PAST, strict=False):
        if Appointment.objects(patient_id=patient.id).first() is None:
            people = {Role.PATIENT: patient.id, Role.DOCTOR: doctor.id, Role.RECEPTIONIST: receptionist.id}
            _store_past(_past_slot(doctor), steps, people)


def _past_slot(doctor: User) -> Slot:
    """The first slot of a doctor's last day at least a week ago."""
    policy = settings().policy
    today = clock.today(policy.timezone)
    days = [today - timedelta(days=ago) for ago in range(7, 7 + len(WEEK))]
    first = plan(
        doctor.doctor_info.schedule,
        days,
        slot_minutes=policy.slot_minutes,
        zone=policy.timezone,
        after=clock.wall_clock(days[-1] - timedelta(days=1), "00:00", policy.timezone),
    )[0]
    return Slot(
        id=ObjectId(),
        doctor=doctor.id,
        date=clock.midnight_utc(first.date),
        start_time=first.start_time,
        end_time=first.end_time,
        starts_at=first.starts_at,
        max_patients=first.max_patients,
        consultation_fee=doctor.doctor_info.consultation_fee,
    )


def _store_past(slot: Slot, steps: tuple[_Step, ...], people: Mapping[Role, ObjectId]) -> None:
    changes = [
        Change(
            source=before.target if before else None,
            target=step.target,
            by=people[step.role],
            at=slot.starts_at + step.after_start,
            reason=step.reason,
        )
        for before, step in zip((None, *steps), steps, strict=False)
    ]
    status = changes[-1].target
    appointment = Appointment(
        patient_id=people[Role.PATIENT],
        doctor_id=slot.doctor,
        slot=slot.id,
        seat=1,
        appointment_date=slot.date,
        appointment_time=slot.start_time,
        starts_at=slot.starts_at,
        ends_at=slot.starts_at + length(slot.start_time, slot.end_time),
        status=status,
        purpose_of_visit="consultation",
        reason="Cough for a week",
        payment=PaymentInfo(amount=slot.consultation_fee),
        history=changes,
        created_by=people[Role.PATIENT],
        created_at=changes[0].at,
        **(_FINDINGS if status is Status.COMPLETED else {}),
    )

    def work(session: ClientSession) -> None:
        slot.insert(session)
        Appointment.insert_new([appointment], session)

    transaction(work)
