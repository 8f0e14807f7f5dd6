"""An appointment as the rules see it, and people who act on it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from bson import ObjectId

from arthomed.appointments.rules import Status
from arthomed.config import Policy
from arthomed.core.actor import SYSTEM, Actor
from arthomed.core.permissions import Role

PATIENT, DOCTOR, RECEPTIONIST, ADMIN = (
    Actor(ObjectId(), role) for role in (Role.PATIENT, Role.DOCTOR, Role.RECEPTIONIST, Role.ADMIN)
)
ACTORS = {"patient": PATIENT, "doctor": DOCTOR, "receptionist": RECEPTIONIST, "admin": ADMIN, "system": SYSTEM}

STARTS_AT = datetime(2026, 12, 1, 4, 30, tzinfo=UTC)  # 10:00 at the clinic
ENDS_AT = STARTS_AT + timedelta(minutes=30)
A_DAY_EARLY = STARTS_AT - timedelta(hours=30)
INSTANT = timedelta(milliseconds=1)
POLICY = Policy(
    timezone=ZoneInfo("Asia/Kolkata"),
    slot_minutes=30,
    horizon_days=90,
    cancel_notice=timedelta(minutes=120),
    max_open_appointments=10,
    no_show_after=timedelta(minutes=60),
)


@dataclass(frozen=True)
class FakeAppointment:
    status: Status = Status.PENDING
    patient_id: ObjectId = PATIENT.signed_in_user_id
    doctor_id: ObjectId = DOCTOR.signed_in_user_id
    since: datetime = A_DAY_EARLY
    starts_at: datetime = STARTS_AT
    ends_at: datetime = ENDS_AT
    is_overflow: bool = False
    has_arrived: bool = False
    has_findings: bool = False
    earlier_start: datetime | None = None

    @property
    def earliest_starts_at(self) -> datetime:
        return self.earlier_start or self.starts_at
