"""Tuesday: patients arrive, wait, are called, are treated or leave, and pay."""

from datetime import datetime
from functools import partial
from typing import Any

from arthomed.core import clock
from tests.api.frontdesk.clinic_day import play as day
from tests.api.frontdesk.clinic_day.plan import TUESDAY, Fate, Patient, Source
from tests.api.frontdesk.clinic_day.play import MINUTE, Play
from tests.api.frontdesk.clinic_day.reception import REFUSED
from tests.factories import at_clinic, data_of, error_of

_STAY_AWAY = frozenset(
    {Fate.NO_SHOW, Fate.CANCELS_EARLY, Fate.CANCELS_LATE, Fate.CALLS_OFF, Fate.UNCONFIRMED, Fate.REJECTED}
)


def schedule(play: Play) -> None:
    """All arrivals, once the moves of the evening and the morning are done."""
    play.at(at_clinic(TUESDAY, "07:30"), partial(_schedule_arrivals, play))
    for number, hours in enumerate(play.size.doctors):
        begins = at_clinic(TUESDAY, hours.start) + 25 * MINUTE  # so late that several wait
        play.at(begins, partial(_look, play, number))


def _schedule_arrivals(play: Play) -> None:
    for patient in play.people:
        if patient.fate in _STAY_AWAY:
            continue
        event = _walk_in if patient.source is Source.WALK_IN else _arrive
        if patient.fate is Fate.MISTAKEN:
            early = patient.starts_at - 75 * MINUTE
            play.at(early, partial(_arrive_by_mistake, play, patient))
        play.at(_arrival(play, patient), partial(event, play, patient))


def _arrival(play: Play, patient: Patient) -> datetime:
    minutes = {Fate.LATE: (11, 50), Fate.MISSED: (110, 140)}.get(patient.fate, (-40, 9))
    return patient.starts_at + play.rng.uniform(*minutes) * MINUTE


def _arrive_by_mistake(play: Play, patient: Patient) -> None:
    """The wrong patient was marked; undone at once. The token stays theirs."""
    patient.token = play.clinic.step(play.desk, patient, "arrive")["queue"]["token"]
    undone = play.clinic.step(play.desk, patient, "undo")["queue"]
    assert (undone["stage"], undone["token"]) == ("expected", patient.token)
    play.story["undone arrival"] += 1


def _arrive(play: Play, patient: Patient) -> None:
    if patient.fate is Fate.MISSED:
        assert play.clinic.refused(play.desk, patient, "arrive") == REFUSED
        assert play.clinic.step(play.desk, patient, "undo")["status"] == "confirmed"
        play.story["undone no-show"] += 1
    if play.rng.random() < 0.4:
        answers = [data_of(one) for one in play.clinic.by_both_desks(patient, "arrive")]
        tokens = {one["appointment"]["queue"]["token"] for one in answers}
        assert len(tokens) == 1
        play.story["arrived at both desks"] += 1
    if play.rng.random() < 0.1:
        patient.priority = "elderly"
    priority = {"priority": patient.priority, "priorityReason": "By the desk"} if patient.priority else {}
    appointment = play.clinic.step(play.desk, patient, "arrive", **priority)
    _is_here(play, patient, appointment["queue"])


def _walk_in(play: Play, patient: Patient) -> None:
    body = {"doctorId": str(play.doctor(patient).id), "isWalkIn": True}
    day.book_manually(play, patient, body)
    patient.is_overflow = patient.time == play.size.doctors[patient.doctor].end
    play.story["overflow" if patient.is_overflow else "walk-in with a slot"] += 1
    if patient.fate is Fate.EMERGENCY:
        patient.priority = "emergency"
        play.clinic.step(play.desk, patient, "arrive", priority="emergency", priorityReason="Chest pain")
        play.story["emergency"] += 1
    [shown] = [one for one in play.clinic.line(patient.doctor) if one["_id"] == patient.appointment_id]
    _is_here(play, patient, shown["queue"])


def _is_here(play: Play, patient: Patient, queue: Any) -> None:
    assert queue["stage"] == "waiting"
    assert patient.token in (0, queue["token"])
    patient.token, patient.arrived_at, patient.is_in_room = queue["token"], clock.now(), True
    play.story["late" if patient.arrived_at > patient.starts_at + 10 * MINUTE else "in time"] += 1
    if patient.fate is Fate.LEAVES:
        play.after(0.2, partial(_leave, play, patient))
    if (chance := play.rng.random()) < 0.4:
        play.till.pay(patient)
    elif chance < 0.6:
        play.till.pay_in_part(patient)
        play.story["paid in part"] += 1


def _leave(play: Play, patient: Patient) -> None:
    if patient.is_in_room and not patient.is_called:
        day.cancel_by_desk(play, patient)
        play.story["left"] += 1


def _look(play: Play, doctor: int) -> None:
    """Call the first who may be called; look again in a few minutes if there is nobody, until the evening."""
    if not (play.in_room(doctor) and _call_first(play, doctor)) and clock.now() < at_clinic(TUESDAY, play.size.closes):
        play.after(5, partial(_look, play, doctor))


def _call_first(play: Play, doctor: int) -> bool:
    line = play.clinic.line(doctor)
    assert not [item for item in line if item["queue"]["stage"] == "called"]
    waiting = [_known(play, item) for item in line if item["queue"]["stage"] == "waiting"]
    shown = [item for item in line if item["queue"]["stage"] in ("waiting", "skipped")]
    assert {item["_id"] for item in shown} == {one.appointment_id for one in play.in_room(doctor)}
    for patient in waiting:
        if clock.now() >= patient.starts_at - 60 * MINUTE or patient.is_overflow:
            _call(play, patient)
            return True
        assert play.clinic.refused(play.desk, patient, "call") == REFUSED
        play.story["too early"] += 1
    return False


def _known(play: Play, item: Any) -> Patient:
    return next(one for one in play.people if one.appointment_id == item["_id"])


def _call(play: Play, patient: Patient) -> None:
    play.note_call(patient)
    if play.rng.random() < 0.3:
        answers = play.clinic.by_both_desks(patient, "call")
        assert sorted(one.status_code for one in answers) == [200, 400], [one.text for one in answers]
        assert [error_of(one) for one in answers if one.status_code == 400] == [REFUSED]
        play.story["called by both desks"] += 1
    else:
        play.clinic.step(play.rng.choice([play.desk, play.doctor(patient)]), patient, "call")
    if play.rng.random() < 0.15:
        assert play.clinic.step(play.desk, patient, "undo")["queue"]["stage"] == "waiting"
        play.story["undone call"] += 1
        play.after(1, partial(_look, play, patient.doctor))
    else:
        patient.is_called = True
        _answer_call(play, patient)


def _answer_call(play: Play, patient: Patient) -> None:
    """Whether the patient who is called comes into the room."""
    now = clock.now()
    if patient.fate is Fate.AWAY and patient.away_until is None:
        patient.away_until = now + play.rng.uniform(3.2, 15) * MINUTE
        play.at(patient.away_until, partial(_return, play, patient))
    if patient.away_until is not None and now < patient.away_until:
        play.after(3, partial(_skip, play, patient))
    else:
        play.after(1, partial(_start, play, patient))


def _skip(play: Play, patient: Patient) -> None:
    queue = play.clinic.step(play.desk, patient, "skip")["queue"]
    patient.is_called = False
    patient.skips += 1
    assert queue["skips"] == patient.skips
    play.story["skip"] += 1
    if queue["stage"] == "skipped" and play.rng.random() < 0.7:  # back before the next is called
        patient.away_until = clock.now()
        play.after(0.3, partial(_return, play, patient))
    play.after(0.5, partial(_look, play, patient.doctor))


def _return(play: Play, patient: Patient) -> None:
    """Recall a patient who is back; one who waits again already needs it no more."""
    [shown] = [one for one in play.clinic.line(patient.doctor) if one["_id"] == patient.appointment_id]
    if shown["queue"]["stage"] == "skipped":
        assert play.clinic.step(play.desk, patient, "recall")["queue"]["stage"] == "waiting"
        play.story["recall"] += 1


def _start(play: Play, patient: Patient) -> None:
    doctor = play.doctor(patient)
    play.clinic.step(doctor, patient, "status", status="in-progress")
    if patient.fate is Fate.RESTARTED:
        assert play.clinic.step(doctor, patient, "undo")["queue"]["stage"] == "called"
        play.clinic.step(doctor, patient, "status", status="in-progress")
        play.story["undone start"] += 1
    patient.is_in_room = False
    play.after(play.rng.uniform(8, 17), partial(_end, play, patient))


def _end(play: Play, patient: Patient) -> None:
    doctor = play.doctor(patient)
    if patient.fate is Fate.INTERRUPTED:
        play.clinic.step(doctor, patient, "status", status="cancelled", reason="The doctor was called away")
        play.till.refund(patient, patient.paid)
        play.story["interrupted"] += 1
    else:
        if patient.fate is not Fate.FORGOTTEN:
            play.clinic.step(doctor, patient, "status", status="completed", notes="Rest and warm fluids")
            play.story["treated"] += 1
        play.after(2, partial(play.till.pay, patient))
    play.after(0.5, partial(_look, play, patient.doctor))
