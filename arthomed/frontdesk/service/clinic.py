"""The clinic as clients need to know it, with the numbers of the rules."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from arthomed.appointments import fees, rules
from arthomed.config import settings
from arthomed.core import clock
from arthomed.frontdesk.rules import ON_TIME
from arthomed.notifications import catalogue

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class RefundBand:
    notice_minutes: int
    percent: int


@dataclass(frozen=True, slots=True)
class ClinicRules:
    """The numbers of the rules of bookings, cancellations and the queue."""

    booking_horizon_days: int
    max_open_appointments: int
    cancel_notice_minutes: int
    refunds: Sequence[RefundBand]
    start_from_minutes: int
    start_until_minutes: int
    on_time_minutes: int
    no_show_after_minutes: int
    undo_minutes: int
    undo_no_show_minutes: int


@dataclass(frozen=True, slots=True)
class Clinic:
    name: str
    zone: str
    now: datetime
    slot_minutes: int
    languages: Sequence[str]
    privacy_notice: str
    rules: ClinicRules


def show() -> Clinic:
    found = settings()
    return Clinic(
        name=found.clinic_name,
        zone=found.policy.timezone.key,
        now=clock.now(),
        slot_minutes=found.policy.slot_minutes,
        languages=list(catalogue.languages()),
        privacy_notice=found.privacy_notice,
        rules=_rules(),
    )


def _rules() -> ClinicRules:
    policy = settings().policy
    return ClinicRules(
        booking_horizon_days=policy.horizon_days,
        max_open_appointments=policy.max_open_appointments,
        cancel_notice_minutes=policy.cancel_notice // _MINUTE,
        refunds=[RefundBand(band.notice // _MINUTE, band.percent) for band in fees.REFUND_BANDS],
        start_from_minutes=rules.START_FROM // _MINUTE,
        start_until_minutes=rules.START_UNTIL // _MINUTE,
        on_time_minutes=ON_TIME // _MINUTE,
        no_show_after_minutes=policy.no_show_after // _MINUTE,
        undo_minutes=rules.UNDO_WITHIN // _MINUTE,
        undo_no_show_minutes=rules.UNDO_NO_SHOW_WITHIN // _MINUTE,
    )
