"""The order of the queue and its stages: properties for random days, and the rules one by one."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from bson import ObjectId
from hypothesis import given, settings
from hypothesis import strategies as st

from arthomed.appointments.rules import InvalidTransition, Priority, Status
from arthomed.appointments.stages import Stage, Wait
from arthomed.frontdesk import rules, waits
from arthomed.frontdesk.rules import Entry, Step

NINE = datetime(2026, 12, 1, 3, 30, tzinfo=UTC)
MINUTE, SLOT = timedelta(minutes=1), timedelta(minutes=30)
many = settings(max_examples=150, deadline=None)


@dataclass(frozen=True)
class Place:
    token: int
    arrived_at: datetime | None = NINE
    called_at: datetime | None = None
    due_at: datetime | None = None
    skipped_at: datetime | None = None
    behind: Sequence[ObjectId] = ()
    priority: Priority | None = None
    priority_reason: str | None = None
    skips: int = 0


@dataclass(frozen=True)
class Patient:
    """A confirmed appointment of half an hour."""

    number: int
    starts_at: datetime = NINE
    status: Status = Status.CONFIRMED
    is_overflow: bool = False
    queue: Place | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    id: ObjectId = field(default_factory=ObjectId)

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + SLOT


@dataclass(frozen=True)
class Former:
    left_at: datetime = NINE


def waiting(number: int, *, slot: int = 0, arrives: int = 0, **place: object) -> Patient:
    """A patient who arrived, by minutes after nine."""
    queue = Place(number + 1, arrived_at=NINE + arrives * MINUTE, **place)  # type: ignore[arg-type]
    return Patient(number, starts_at=NINE + slot * MINUTE, queue=queue)


def numbers(day: Sequence[Patient]) -> list[int]:
    return [entry.appointment.number for entry in rules.line_up(day)]


def stages(day: Sequence[Patient]) -> dict[int, Stage]:
    return {entry.appointment.number: entry.stage for entry in rules.line_up(day)}


@st.composite
def days(draw: st.DrawFn) -> list[Patient]:
    """Patients who all have arrived, in slots of ten minutes, some with priority, late or in overflow places."""
    patients = []
    for number in range(draw(st.integers(1, 9))):
        priority = draw(st.sampled_from([None, None, None, *Priority]))
        slot, arrives = draw(st.integers(0, 12)) * 10, draw(st.integers(-60, 200))
        patient = waiting(number, slot=slot, arrives=arrives, priority=priority)
        patients.append(replace(patient, is_overflow=draw(st.booleans())))
    return patients


class Room:
    """A doctor who sees the patients of a day; `seen` has them in order."""

    def __init__(self, day: Sequence[Patient]) -> None:
        self.patients = {patient.id: patient for patient in day}
        self.now = NINE
        self.seen: list[int] = []

    @property
    def line(self) -> list[Entry[Patient]]:
        return rules.line_up(list(self.patients.values()))

    def change(self, patient: Patient, status: Status | None = None, **place: object) -> None:
        assert patient.queue is not None
        queue = replace(patient.queue, **place)  # type: ignore[arg-type]
        self.patients[patient.id] = replace(patient, queue=queue, status=status or patient.status)

    def call_next(self) -> Patient:
        """Call the next one; there always is one while anybody is left."""
        self.now += MINUTE
        found = rules.next_to_call(self.line)
        assert found is not None
        self.change(found, called_at=self.now)
        return self.patients[found.id]

    def skip(self, patient: Patient) -> list[ObjectId]:
        due_at, behind = rules.after_skip(patient, self.line)
        self.change(patient, called_at=None, skipped_at=self.now, due_at=due_at, behind=behind)
        return behind

    def see(self, patient: Patient) -> None:
        self.change(patient, Status.COMPLETED)
        self.seen.append(patient.number)

    @property
    def is_empty(self) -> bool:
        return all(patient.status is not Status.CONFIRMED for patient in self.patients.values())


@many
@given(days(), st.randoms(use_true_random=False))
def test_every_waiting_patient_is_called_in_the_end(day: list[Patient], random: Random) -> None:
    room, skips = Room(day), 3 * len(day)
    while not room.is_empty:
        called = room.call_next()
        if skips and random.random() < 0.5:
            room.skip(called)
            skips -= 1
        else:
            room.see(called)
        if random.random() < 0.1 and (left := [entry for entry in room.line if entry.stage is Stage.WAITING]):
            room.change(random.choice(left).appointment, Status.CANCELLED)


@many
@given(days())
def test_without_skips_nobody_is_overtaken_but_by_priority_due_time_or_token(day: list[Patient]) -> None:
    room = Room(day)
    while not room.is_empty:
        room.see(room.call_next())

    by_number = {patient.number: patient for patient in day}
    seen = [reasons(by_number[number]) for number in room.seen]
    assert seen == sorted(seen)


def reasons(patient: Patient) -> tuple[int, datetime, int]:
    """The rules for going first, the strongest first."""
    assert patient.queue is not None
    rank = {Priority.EMERGENCY: 0, None: 2}.get(patient.queue.priority, 1)
    return rank, rules.due(patient), patient.queue.token


@many
@given(days(), st.randoms(use_true_random=False))
def test_order_does_not_depend_on_the_order_of_reading(day: list[Patient], random: Random) -> None:
    assert numbers(random.sample(day, len(day))) == numbers(day)


@many
@given(days())
def test_skipped_patient_lets_the_next_two_and_nobody_else_go_first(day: list[Patient]) -> None:
    room = Room(day)
    skipped = room.call_next()
    expected = [entry.appointment.number for entry in room.line if entry.stage is Stage.WAITING][:2]
    behind = room.skip(skipped)
    for number in expected:
        called = room.call_next()
        assert called.number == number
        room.see(called)

    assert [room.patients[one].number for one in behind] == expected
    assert {entry.stage for entry in room.line if entry.appointment.id == skipped.id} == {Stage.WAITING}


@pytest.mark.parametrize(("arrives", "due"), [(-30, 0), (10, 0), (11, 41), (90, 120)])
def test_patient_who_is_at_most_ten_minutes_late_keeps_the_slot_and_others_wait_one_slot(
    arrives: int, due: int
) -> None:
    assert rules.due(waiting(0, arrives=arrives)) == NINE + due * MINUTE


def test_overflow_place_is_due_at_the_end_of_the_last_slot_however_late_the_arrival() -> None:
    assert rules.due(replace(waiting(0, slot=480, arrives=500), is_overflow=True)) == NINE + 480 * MINUTE


def test_emergencies_come_before_other_priorities_and_these_before_all_others() -> None:
    day = [
        waiting(0),
        waiting(1, slot=30, priority=Priority.ELDERLY),
        waiting(2, slot=60, priority=Priority.DISABLED),
        waiting(3, slot=90, priority=Priority.EMERGENCY),
    ]

    assert numbers(day) == [3, 1, 2, 0]


def test_list_of_the_day_shows_the_room_first_and_what_is_over_last() -> None:
    day = [
        Patient(0, status=Status.COMPLETED),
        Patient(1, status=Status.CANCELLED),
        Patient(2),
        waiting(3),
        waiting(4, called_at=NINE),
        Patient(5, status=Status.IN_PROGRESS),
        Patient(6, status=Status.NO_SHOW),
        Patient(7, status=Status.PENDING, starts_at=NINE + SLOT),
        Patient(8, status=Status.REJECTED, starts_at=NINE + SLOT),
    ]

    assert [(entry.appointment.number, str(entry.stage)) for entry in rules.line_up(day)] == [
        (5, "in-progress"),
        (4, "called"),
        (3, "waiting"),
        (2, "expected"),
        (7, "expected"),
        (0, "done"),
        (6, "no-show"),
        (1, "cancelled"),
        (8, "cancelled"),
    ]


def test_undone_arrival_is_expected_and_holds_nobody_back() -> None:
    gone = Patient(1, queue=Place(2, arrived_at=None))
    day = [waiting(0, skipped_at=NINE, behind=[gone.id]), gone]

    assert stages(day) == {0: Stage.WAITING, 1: Stage.EXPECTED}
    assert rules.due(gone) == NINE


def test_patient_whom_another_was_set_behind_may_be_called_again_after_an_undone_call() -> None:
    ahead = waiting(1, slot=30)
    skipped = waiting(0, skipped_at=NINE, due_at=NINE + 40 * MINUTE, behind=[ahead.id])

    assert stages([skipped, ahead]) == {0: Stage.SKIPPED, 1: Stage.WAITING}
    assert stages([skipped, replace(ahead, queue=replace(ahead.queue, called_at=NINE))])[0] is Stage.WAITING  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("step", "allowed"),
    [
        (Step.CALL, {Stage.WAITING}),
        (Step.SKIP, {Stage.WAITING, Stage.CALLED}),
        (Step.RECALL, {Stage.SKIPPED}),
    ],
)
def test_step_is_possible_from_its_stages_only(step: Step, allowed: set[Stage]) -> None:
    for stage in Stage:
        if stage in allowed:
            rules.ensure_step(step, Entry(waiting(0), stage))
        else:
            with pytest.raises(InvalidTransition):
                rules.ensure_step(step, Entry(waiting(0), stage))


def test_expected_waits_are_ranges_that_grow_with_the_place() -> None:
    day = [replace(waiting(0), status=Status.IN_PROGRESS, started_at=NINE), waiting(1, slot=30), waiting(2, slot=60)]

    found = waits.expected_waits(rules.line_up(day), NINE + 10 * MINUTE, slot=SLOT)

    assert found == {day[1].id: Wait(10, 30), day[2].id: Wait(35, 65)}


def test_expected_waits_follow_the_consultations_of_the_day() -> None:
    first = Patient(0, status=Status.COMPLETED, started_at=NINE, completed_at=NINE + 10 * MINUTE)
    finished = [replace(first, number=number, id=ObjectId()) for number in range(3)]
    ahead, patient = waiting(3, called_at=NINE), waiting(4)
    line = rules.line_up([*finished, ahead, patient])

    assert waits.expected_waits(line, NINE + 30 * MINUTE, slot=SLOT) == {patient.id: Wait(5, 15)}


def test_early_patient_waits_until_the_consultation_may_start() -> None:
    patient = waiting(0, slot=180)

    assert waits.expected_waits(rules.line_up([patient]), NINE, slot=SLOT) == {patient.id: Wait(120, 180)}


@pytest.mark.parametrize("seconds", [600, 601])
def test_step_can_be_undone_for_ten_minutes(seconds: int) -> None:
    now = NINE + timedelta(seconds=seconds)
    if seconds == 600:
        rules.ensure_undoable(waiting(0), Former(), now)
    else:
        with pytest.raises(InvalidTransition):
            rules.ensure_undoable(waiting(0), Former(), now)


def test_nothing_is_undone_without_a_step_or_after_the_consultation() -> None:
    for patient, former in ((waiting(0), None), (Patient(0, status=Status.COMPLETED), Former())):
        with pytest.raises(InvalidTransition):
            rules.ensure_undoable(patient, former, NINE)
