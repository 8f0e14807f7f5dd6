"""Status transitions of appointments, and refunds."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from bson import ObjectId

from arthomed.appointments import fees, rules
from arthomed.appointments.rules import ACTIVE, Status
from arthomed.core.actor import SYSTEM, Actor
from arthomed.core.errors import ClinicError, PermissionDenied, ValidationFailed
from tests.unit.appointments.fakes import (
    A_DAY_EARLY,
    ACTORS,
    ADMIN,
    DOCTOR,
    ENDS_AT,
    INSTANT,
    PATIENT,
    POLICY,
    RECEPTIONIST,
    STARTS_AT,
    FakeAppointment,
)

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Transition:
    """An allowed transition: its actors, an instant at which it is allowed (but `too_early_for` some), its effects."""

    actors: tuple[Actor, ...]
    at: datetime = A_DAY_EARLY
    needs_reason: bool = False
    notifies_patient: bool = False
    too_early_for: tuple[Actor, ...] = ()


PENDING, CONFIRMED, REJECTED, CANCELLED, IN_PROGRESS, COMPLETED, NO_SHOW = Status
THREE_OF_THE_NEXT_DAY = datetime(2026, 12, 1, 21, 30, tzinfo=UTC)  # 03:00 on 2 December at the clinic
TRANSITIONS = {
    (PENDING, CONFIRMED): Transition((RECEPTIONIST, ADMIN), notifies_patient=True),
    (PENDING, REJECTED): Transition((RECEPTIONIST, ADMIN, SYSTEM), STARTS_AT, needs_reason=True, notifies_patient=True),
    (PENDING, CANCELLED): Transition((PATIENT, RECEPTIONIST, ADMIN), notifies_patient=True),
    (CONFIRMED, IN_PROGRESS): Transition((DOCTOR, ADMIN), STARTS_AT),
    (CONFIRMED, CANCELLED): Transition(
        (PATIENT, DOCTOR, RECEPTIONIST, ADMIN), notifies_patient=True, too_early_for=(SYSTEM,)
    ),
    (CONFIRMED, NO_SHOW): Transition((DOCTOR, RECEPTIONIST, ADMIN, SYSTEM), ENDS_AT + timedelta(minutes=60)),
    (NO_SHOW, CONFIRMED): Transition((RECEPTIONIST, ADMIN)),
    (IN_PROGRESS, CONFIRMED): Transition((DOCTOR, ADMIN), A_DAY_EARLY),
    (IN_PROGRESS, COMPLETED): Transition((DOCTOR, ADMIN, SYSTEM), THREE_OF_THE_NEXT_DAY, notifies_patient=True),
    (IN_PROGRESS, CANCELLED): Transition((DOCTOR, ADMIN), STARTS_AT, needs_reason=True, notifies_patient=True),
}


def move(
    source: Status,
    target: Status,
    actor: Actor,
    now: datetime,
    *,
    reason: str | None = "Fever",
    **appointment: Any,
) -> rules.Move:
    return rules.move(
        FakeAppointment(source, **appointment), target, actor=actor, reason=reason, now=now, policy=POLICY
    )


def refusal(
    source: Status, target: Status, actor: Actor, now: datetime, **appointment: Any
) -> type[ClinicError] | None:
    try:
        move(source, target, actor, now, **appointment)
    except ClinicError as error:
        return type(error)
    return None


@pytest.mark.parametrize("name", list(ACTORS))
@pytest.mark.parametrize(("source", "target"), list(product(Status, Status)))
def test_only_listed_transitions_are_allowed_and_only_for_the_listed_actors(
    source: Status, target: Status, name: str
) -> None:
    actor, transition = ACTORS[name], TRANSITIONS.get((source, target))
    expected: type[ClinicError] | None = rules.InvalidTransition
    if transition is not None and actor not in transition.too_early_for:
        expected = None if actor in transition.actors else PermissionDenied

    assert refusal(source, target, actor, transition.at if transition else STARTS_AT) is expected


@pytest.mark.parametrize(("source", "target"), list(TRANSITIONS))
def test_transition_out_of_active_frees_the_seat_and_into_active_claims_it(source: Status, target: Status) -> None:
    found = rules.MOVES[source, target]

    assert found.frees_seat is (source in ACTIVE and target not in ACTIVE)
    assert found.claims_seat is (source not in ACTIVE and target in ACTIVE)


def test_patient_is_notified_of_the_marked_transitions() -> None:
    assert {pair for pair, found in rules.MOVES.items() if found.notifies_patient} == {
        pair for pair, transition in TRANSITIONS.items() if transition.notifies_patient
    }


@pytest.mark.parametrize("reason", [None, ""])
@pytest.mark.parametrize("pair", [pair for pair, transition in TRANSITIONS.items() if transition.needs_reason])
def test_transition_that_requires_a_reason_is_refused_without_one(
    pair: tuple[Status, Status], reason: str | None
) -> None:
    with pytest.raises(ValidationFailed) as refused:
        move(*pair, ADMIN, TRANSITIONS[pair].at, reason=reason)

    assert [one.field for one in refused.value.fields] == ["reason"]


@pytest.mark.parametrize("pair", [pair for pair, transition in TRANSITIONS.items() if not transition.needs_reason])
def test_other_transitions_need_no_reason(pair: tuple[Status, Status]) -> None:
    assert move(*pair, ADMIN, TRANSITIONS[pair].at, reason=None).target is pair[1]


@pytest.mark.parametrize(
    ("now", "expected"),
    [(STARTS_AT, None), (ENDS_AT - INSTANT, None), (ENDS_AT, rules.TooLate), (ENDS_AT + MINUTE, rules.TooLate)],
)
def test_appointment_can_be_confirmed_until_its_slot_ends(now: datetime, expected: type[ClinicError] | None) -> None:
    assert refusal(PENDING, CONFIRMED, RECEPTIONIST, now) is expected


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
def test_patient_can_cancel_a_confirmed_appointment_until_120_minutes_before_the_start(
    now: datetime, expected: type[ClinicError] | None
) -> None:
    assert refusal(CONFIRMED, CANCELLED, PATIENT, now) is expected


@pytest.mark.parametrize("actor", [DOCTOR, RECEPTIONIST, ADMIN], ids=["doctor", "receptionist", "admin"])
def test_staff_can_cancel_a_confirmed_appointment_at_any_time(actor: Actor) -> None:
    assert refusal(CONFIRMED, CANCELLED, actor, ENDS_AT + timedelta(days=1)) is None


def test_patient_can_cancel_a_pending_appointment_without_notice() -> None:
    assert refusal(PENDING, CANCELLED, PATIENT, STARTS_AT - MINUTE) is None


@pytest.mark.parametrize("actor", [DOCTOR, ADMIN], ids=["doctor", "admin"])
@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (STARTS_AT - timedelta(hours=1) - INSTANT, rules.InvalidTransition),
        (STARTS_AT - timedelta(hours=1), None),
        (STARTS_AT, None),
        (ENDS_AT + timedelta(hours=4), None),
        (ENDS_AT + timedelta(hours=4) + INSTANT, rules.InvalidTransition),
    ],
)
def test_appointment_can_be_started_from_one_hour_before_until_four_hours_after_its_end(
    actor: Actor, now: datetime, expected: type[ClinicError] | None
) -> None:
    assert refusal(CONFIRMED, IN_PROGRESS, actor, now) is expected


@pytest.mark.parametrize(
    ("is_overflow", "has_arrived", "expected"),
    [(True, True, None), (True, False, rules.InvalidTransition), (False, True, rules.InvalidTransition)],
    ids=["overflow", "overflow without arrival", "arrival for a slot"],
)
def test_overflow_place_can_be_started_from_arrival(
    expected: type[ClinicError] | None, *, is_overflow: bool, has_arrived: bool
) -> None:
    place = {"is_overflow": is_overflow, "has_arrived": has_arrived}

    assert refusal(CONFIRMED, IN_PROGRESS, DOCTOR, STARTS_AT - timedelta(hours=5), **place) is expected


@pytest.mark.parametrize("is_overflow", [True, False], ids=["overflow", "slot"])
def test_patient_who_has_arrived_can_be_treated_until_three_in_the_night(*, is_overflow: bool) -> None:
    place = {"is_overflow": is_overflow, "has_arrived": True}

    assert refusal(CONFIRMED, IN_PROGRESS, DOCTOR, THREE_OF_THE_NEXT_DAY - INSTANT, **place) is None
    assert refusal(CONFIRMED, IN_PROGRESS, DOCTOR, THREE_OF_THE_NEXT_DAY, **place) is rules.InvalidTransition


def test_overflow_place_can_be_started_from_the_arrival() -> None:
    arrived: dict[str, Any] = {"is_overflow": True, "has_arrived": True}

    assert refusal(CONFIRMED, IN_PROGRESS, DOCTOR, STARTS_AT - timedelta(hours=5), **arrived) is None
    assert refusal(CONFIRMED, IN_PROGRESS, DOCTOR, STARTS_AT - timedelta(hours=5), is_overflow=True) is not None


@pytest.mark.parametrize(
    ("after", "expected"), [(10 * MINUTE, None), (10 * MINUTE + INSTANT, rules.InvalidTransition)], ids=str
)
def test_start_can_be_undone_within_ten_minutes(after: timedelta, expected: type[ClinicError] | None) -> None:
    assert refusal(IN_PROGRESS, CONFIRMED, DOCTOR, STARTS_AT + after, since=STARTS_AT) is expected


def test_start_cannot_be_undone_once_something_is_written() -> None:
    written: dict[str, Any] = {"since": STARTS_AT, "has_findings": True}

    assert refusal(IN_PROGRESS, CONFIRMED, DOCTOR, STARTS_AT, **written) is rules.InvalidTransition


@pytest.mark.parametrize("early", [timedelta(0), INSTANT])
def test_system_completes_at_three_of_the_next_day(early: timedelta) -> None:
    expected = rules.InvalidTransition if early else None

    assert refusal(IN_PROGRESS, COMPLETED, SYSTEM, THREE_OF_THE_NEXT_DAY - early) is expected


def test_system_marks_no_patient_who_arrived_as_a_no_show() -> None:
    assert refusal(CONFIRMED, NO_SHOW, SYSTEM, ENDS_AT + timedelta(days=1), has_arrived=True) is rules.InvalidTransition
    assert refusal(CONFIRMED, NO_SHOW, RECEPTIONIST, ENDS_AT, has_arrived=True) is None


@pytest.mark.parametrize("early", [timedelta(0), INSTANT])
@pytest.mark.parametrize("has_arrived", [True, False])
def test_system_cancels_for_a_patient_who_arrived_and_was_not_seen_at_three_of_the_next_day(
    *, early: timedelta, has_arrived: bool
) -> None:
    expected = None if has_arrived and not early else rules.InvalidTransition

    found = refusal(CONFIRMED, CANCELLED, SYSTEM, THREE_OF_THE_NEXT_DAY - early, has_arrived=has_arrived)

    assert found is expected


LATE = datetime(2026, 12, 1, 18, 0, tzinfo=UTC)  # 23:30 at the clinic
NEXT_DAY = LATE + timedelta(hours=1)  # 00:30


def test_appointment_that_ends_at_midnight_can_be_started_and_its_no_show_undone_on_the_next_day() -> None:
    late: dict[str, Any] = {"starts_at": LATE, "ends_at": LATE + timedelta(minutes=30)}

    assert refusal(CONFIRMED, IN_PROGRESS, DOCTOR, NEXT_DAY, **late) is None
    assert refusal(NO_SHOW, CONFIRMED, RECEPTIONIST, NEXT_DAY, since=NEXT_DAY - MINUTE, **late) is None


@pytest.mark.parametrize(
    ("after", "expected"),
    [(timedelta(hours=24), None), (timedelta(hours=24) + INSTANT, rules.InvalidTransition)],
)
def test_no_show_can_be_undone_within_24_hours(after: timedelta, expected: type[ClinicError] | None) -> None:
    assert refusal(NO_SHOW, CONFIRMED, RECEPTIONIST, ENDS_AT + after, since=ENDS_AT) is expected


STAFF = {"doctor": DOCTOR, "receptionist": RECEPTIONIST, "admin": ADMIN}


@pytest.mark.parametrize("name", STAFF)
def test_staff_cancel_their_own_appointment_as_its_patient(name: str) -> None:
    actor = STAFF[name]
    own: dict[str, Any] = {"patient_id": actor.user_id, "doctor_id": ObjectId()}

    assert refusal(PENDING, CANCELLED, actor, STARTS_AT - MINUTE, **own) is None
    assert refusal(CONFIRMED, CANCELLED, actor, STARTS_AT - NOTICE, **own) is None
    assert refusal(CONFIRMED, CANCELLED, actor, STARTS_AT - NOTICE + INSTANT, **own) is rules.TooLate
    refund = fees.refund_percent(FakeAppointment(CONFIRMED, **own), actor=actor, now=STARTS_AT - NOTICE)
    assert refund == 50


@pytest.mark.parametrize("pair", [(CONFIRMED, IN_PROGRESS), (CONFIRMED, NO_SHOW), (IN_PROGRESS, COMPLETED)])
def test_doctor_has_no_rights_of_a_doctor_in_an_appointment_with_another_doctor(pair: tuple[Status, Status]) -> None:
    own: dict[str, Any] = {"patient_id": DOCTOR.user_id, "doctor_id": ObjectId()}

    assert refusal(*pair, DOCTOR, STARTS_AT, **own) is PermissionDenied


@pytest.mark.parametrize("actor", [PATIENT, DOCTOR], ids=["patient", "doctor"])
@pytest.mark.parametrize("pair", [(PENDING, CANCELLED), (CONFIRMED, CANCELLED)])
def test_a_stranger_has_no_role_in_an_appointment(actor: Actor, pair: tuple[Status, Status]) -> None:
    others: dict[str, Any] = {"patient_id": ObjectId(), "doctor_id": ObjectId()}

    assert refusal(*pair, actor, A_DAY_EARLY, **others) is PermissionDenied


@pytest.mark.parametrize(
    ("actor", "earliest"),
    [(DOCTOR, STARTS_AT), (RECEPTIONIST, STARTS_AT), (ADMIN, STARTS_AT), (SYSTEM, ENDS_AT + timedelta(minutes=60))],
    ids=["doctor", "receptionist", "admin", "system"],
)
def test_staff_can_mark_a_no_show_from_the_start_and_the_system_60_minutes_after_the_end(
    actor: Actor, earliest: datetime
) -> None:
    assert refusal(CONFIRMED, NO_SHOW, actor, earliest - INSTANT) is rules.InvalidTransition
    assert refusal(CONFIRMED, NO_SHOW, actor, earliest) is None


def test_system_waits_60_minutes_after_a_no_show_was_undone() -> None:
    undone = ENDS_AT + timedelta(hours=2)
    with pytest.raises(rules.InvalidTransition):
        move(CONFIRMED, NO_SHOW, SYSTEM, undone + timedelta(minutes=59), since=undone)

    assert move(CONFIRMED, NO_SHOW, SYSTEM, undone + timedelta(minutes=60), since=undone).target is NO_SHOW


def test_system_rejects_no_appointment_that_was_moved_to_a_later_time() -> None:
    assert refusal(PENDING, REJECTED, SYSTEM, STARTS_AT - INSTANT) is rules.InvalidTransition
    assert refusal(PENDING, REJECTED, RECEPTIONIST, STARTS_AT - INSTANT) is None
