"""What a visit may become, by whose hand and when; what is refunded; who may edit what."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from zoneinfo import ZoneInfo

import pytest
from bson import ObjectId

from arthomed.appointments import rules
from arthomed.appointments.rules import ACTIVE, Status
from arthomed.config import Policy
from arthomed.core.actor import SYSTEM, Actor
from arthomed.core.errors import ClinicError, PermissionDenied, ValidationFailed
from arthomed.core.permissions import Role

P, D, R, A = (Actor(ObjectId(), role) for role in (Role.PATIENT, Role.DOCTOR, Role.RECEPTIONIST, Role.ADMIN))
S = SYSTEM
ACTORS = {"patient": P, "doctor": D, "receptionist": R, "admin": A, "system": S}

STARTS_AT = datetime(2026, 12, 1, 4, 30, tzinfo=UTC)  # 10:00 at the clinic
ENDS_AT = STARTS_AT + timedelta(minutes=30)
A_DAY_EARLY, MINUTE, INSTANT = STARTS_AT - timedelta(hours=30), timedelta(minutes=1), timedelta(milliseconds=1)
POLICY = Policy(
    timezone=ZoneInfo("Asia/Kolkata"),
    slot_minutes=30,
    horizon_days=90,
    cancel_notice=timedelta(minutes=120),
    max_open_appointments=10,
    no_show_after=timedelta(minutes=60),
)


@dataclass(frozen=True)
class Row:
    """One row of the table of transitions: whose it is, a moment that fits, and what comes with it."""

    who: tuple[Actor, ...]
    at: datetime = A_DAY_EARLY
    needs_reason: bool = False
    tells: bool = False


PENDING, CONFIRMED, REJECTED, CANCELLED, IN_PROGRESS, COMPLETED, NO_SHOW = Status
TABLE = {
    (PENDING, CONFIRMED): Row((R, A), tells=True),
    (PENDING, REJECTED): Row((R, A, S), needs_reason=True, tells=True),
    (PENDING, CANCELLED): Row((P, R, A), tells=True),
    (CONFIRMED, IN_PROGRESS): Row((D, A), STARTS_AT),
    (CONFIRMED, CANCELLED): Row((P, D, R, A), tells=True),
    (CONFIRMED, NO_SHOW): Row((D, R, A, S), ENDS_AT + timedelta(minutes=60)),
    (NO_SHOW, CONFIRMED): Row((R, A), ENDS_AT),
    (IN_PROGRESS, COMPLETED): Row((D, A), STARTS_AT, tells=True),
    (IN_PROGRESS, CANCELLED): Row((D, A), STARTS_AT, needs_reason=True, tells=True),
}


@dataclass(frozen=True)
class Visit:
    status: Status = PENDING
    since: datetime = A_DAY_EARLY
    starts_at: datetime = STARTS_AT
    ends_at: datetime = ENDS_AT


def move(
    source: Status, target: Status, actor: Actor, now: datetime, *, reason: str | None = "Fever", **visit: datetime
) -> rules.Move:
    return rules.move(Visit(source, **visit), target, actor=actor, reason=reason, now=now, policy=POLICY)


def refusal(source: Status, target: Status, actor: Actor, now: datetime) -> type[ClinicError] | None:
    try:
        move(source, target, actor, now)
    except ClinicError as error:
        return type(error)
    return None


@pytest.mark.parametrize("name", list(ACTORS))
@pytest.mark.parametrize(("source", "target"), list(product(Status, Status)))
def test_only_the_rows_of_the_table_are_allowed_and_only_to_whom_they_name(
    source: Status, target: Status, name: str
) -> None:
    actor, row = ACTORS[name], TABLE.get((source, target))
    expected: type[ClinicError] | None = rules.InvalidTransition
    if row is not None:
        expected = None if actor in row.who else PermissionDenied

    assert refusal(source, target, actor, row.at if row else STARTS_AT) is expected


@pytest.mark.parametrize(("source", "target"), list(TABLE))
def test_a_move_frees_the_seat_when_it_leaves_the_active_statuses_and_claims_it_when_it_enters_them(
    source: Status, target: Status
) -> None:
    found = rules.MOVES[source, target]

    assert found.frees_seat is (source in ACTIVE and target not in ACTIVE)
    assert found.claims_seat is (source not in ACTIVE and target in ACTIVE)


def test_patients_are_told_of_what_the_table_marks() -> None:
    assert {pair for pair, found in rules.MOVES.items() if found.tells_patient} == {
        pair for pair, row in TABLE.items() if row.tells
    }


@pytest.mark.parametrize("reason", [None, ""])
@pytest.mark.parametrize("pair", [pair for pair, row in TABLE.items() if row.needs_reason])
def test_a_reason_is_needed(pair: tuple[Status, Status], reason: str | None) -> None:
    with pytest.raises(ValidationFailed) as refused:
        move(*pair, A, TABLE[pair].at, reason=reason)

    assert [one.field for one in refused.value.fields] == ["reason"]


@pytest.mark.parametrize("pair", [pair for pair, row in TABLE.items() if not row.needs_reason])
def test_elsewhere_no_reason_is_needed(pair: tuple[Status, Status]) -> None:
    assert move(*pair, A, TABLE[pair].at, reason=None).target is pair[1]


@pytest.mark.parametrize(
    ("now", "expected"),
    [(STARTS_AT, None), (ENDS_AT - INSTANT, None), (ENDS_AT, rules.TooLate), (ENDS_AT + MINUTE, rules.TooLate)],
)
def test_a_visit_is_confirmed_before_its_slot_ends(now: datetime, expected: type[ClinicError] | None) -> None:
    assert refusal(PENDING, CONFIRMED, R, now) is expected


NOTICE = timedelta(minutes=120)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (STARTS_AT - NOTICE, None),
        (STARTS_AT - NOTICE + INSTANT, rules.TooLate),
        (STARTS_AT, rules.TooLate),
        (ENDS_AT + MINUTE, rules.TooLate),
    ],
)
def test_a_patient_cancels_a_confirmed_visit_until_120_minutes_before(
    now: datetime, expected: type[ClinicError] | None
) -> None:
    assert refusal(CONFIRMED, CANCELLED, P, now) is expected


@pytest.mark.parametrize("actor", [D, R, A], ids=["doctor", "receptionist", "admin"])
def test_the_clinic_cancels_a_confirmed_visit_at_any_moment(actor: Actor) -> None:
    assert refusal(CONFIRMED, CANCELLED, actor, ENDS_AT + timedelta(days=1)) is None


def test_a_patient_gives_up_a_request_that_nobody_confirmed_without_notice() -> None:
    assert refusal(PENDING, CANCELLED, P, STARTS_AT - MINUTE) is None


FIRST_MOMENT = datetime(2026, 11, 30, 18, 30, tzinfo=UTC)  # midnight at the clinic
LAST_MOMENT = FIRST_MOMENT + timedelta(days=1) - INSTANT


@pytest.mark.parametrize("pair", [(CONFIRMED, IN_PROGRESS), (NO_SHOW, CONFIRMED)])
@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (FIRST_MOMENT - INSTANT, rules.InvalidTransition),
        (FIRST_MOMENT, None),
        (LAST_MOMENT, None),
        (LAST_MOMENT + INSTANT, rules.InvalidTransition),
    ],
)
def test_the_day_of_a_visit_is_the_clinics(
    pair: tuple[Status, Status], now: datetime, expected: type[ClinicError] | None
) -> None:
    assert refusal(*pair, A, now) is expected


@pytest.mark.parametrize(
    ("actor", "from_when_on"),
    [(D, STARTS_AT), (R, STARTS_AT), (A, STARTS_AT), (S, ENDS_AT + timedelta(minutes=60))],
    ids=["doctor", "receptionist", "admin", "system"],
)
def test_people_note_a_no_show_from_the_start_and_the_system_60_minutes_after_the_end(
    actor: Actor, from_when_on: datetime
) -> None:
    assert refusal(CONFIRMED, NO_SHOW, actor, from_when_on - INSTANT) is rules.InvalidTransition
    assert refusal(CONFIRMED, NO_SHOW, actor, from_when_on) is None


def test_the_system_waits_60_minutes_after_a_no_show_was_undone() -> None:
    undone = ENDS_AT + timedelta(hours=2)
    with pytest.raises(rules.InvalidTransition):
        move(CONFIRMED, NO_SHOW, S, undone + timedelta(minutes=59), since=undone)

    assert move(CONFIRMED, NO_SHOW, S, undone + timedelta(minutes=60), since=undone).target is NO_SHOW


@pytest.mark.parametrize(
    ("early", "percent"),
    [
        (timedelta(days=30), 100),
        (timedelta(hours=24), 100),
        (timedelta(hours=24) - INSTANT, 50),
        (timedelta(hours=2), 50),
        (timedelta(hours=2) - INSTANT, 0),
        (timedelta(0), 0),
        (-timedelta(hours=1), 0),
    ],
)
def test_a_patient_gets_back_what_the_notice_is_worth(early: timedelta, percent: int) -> None:
    assert rules.refund_percent(Visit(CONFIRMED), actor=P, now=STARTS_AT - early) == percent


@pytest.mark.parametrize("actor", [D, R, A, S], ids=["doctor", "receptionist", "admin", "system"])
@pytest.mark.parametrize("status", [CONFIRMED, IN_PROGRESS])
def test_all_is_refunded_when_the_clinic_cancels(actor: Actor, status: Status) -> None:
    assert rules.refund_percent(Visit(status), actor=actor, now=ENDS_AT) == 100


def test_all_is_refunded_of_a_request_that_nobody_confirmed() -> None:
    assert rules.refund_percent(Visit(PENDING), actor=P, now=STARTS_AT) == 100


@pytest.mark.parametrize(
    ("fee", "percent", "amount"), [(500, 100, 500), (500, 50, 250), (501, 50, 250), (500, 0, 0), (0, 100, 0)]
)
def test_a_refund_is_in_whole_rupees_rounded_down(fee: int, percent: int, amount: int) -> None:
    assert rules.refund_amount(fee, percent) == amount


FIELDS = ("reason", "symptoms", "notes", "prescription", "purpose_of_visit")
EDITABLE = {
    "patient": {"reason", "symptoms"},
    "doctor": {"notes", "prescription"},
    "receptionist": {"purpose_of_visit", "reason"},
    "admin": {"purpose_of_visit", "reason"},
    "system": set(),
}


@pytest.mark.parametrize(("name", "field"), list(product(ACTORS, FIELDS)))
def test_each_role_edits_its_own_fields_and_no_others(name: str, field: str) -> None:
    try:
        rules.ensure_may_edit(ACTORS[name], Visit(), {field})
        allowed = True
    except PermissionDenied:
        allowed = False

    assert allowed is (field in EDITABLE[name])


def test_one_field_of_another_role_refuses_the_whole_edit() -> None:
    with pytest.raises(PermissionDenied):
        rules.ensure_may_edit(P, Visit(), {"reason", "notes"})


@pytest.mark.parametrize("status", [one for one in Status if one is not PENDING])
def test_a_patients_words_are_closed_once_the_visit_is_confirmed(status: Status) -> None:
    with pytest.raises(rules.TooLate):
        rules.ensure_may_edit(P, Visit(status), {"reason"})


@pytest.mark.parametrize("actor", [D, R, A], ids=["doctor", "receptionist", "admin"])
@pytest.mark.parametrize("status", list(Status))
def test_the_clinic_edits_a_visit_in_every_status(actor: Actor, status: Status) -> None:
    field = "notes" if actor is D else "reason"

    assert _may_edit(actor, Visit(status), field)


def _may_edit(actor: Actor, visit: Visit, field: str) -> bool:
    rules.ensure_may_edit(actor, visit, {field})
    return True


@pytest.mark.parametrize(("days_ahead", "bookable"), [(-1, False), (0, True), (89, True), (90, False)])
def test_a_visit_is_booked_from_today_to_the_end_of_the_horizon(days_ahead: int, *, bookable: bool) -> None:
    try:
        rules.ensure_bookable_day(days_ahead, POLICY)
        found = True
    except rules.SlotUnavailable:
        found = False

    assert found is bookable


def test_the_horizon_is_the_policys() -> None:
    with pytest.raises(rules.SlotUnavailable):
        rules.ensure_bookable_day(7, replace(POLICY, horizon_days=7))


def test_a_taken_slot_is_told_with_its_alternatives() -> None:
    alternative = {"doctorId": "1", "appointmentDate": "2026-12-01", "appointmentTime": "10:00"}

    assert rules.SlotUnavailable([alternative]).extra == {"alternatives": [alternative]}
