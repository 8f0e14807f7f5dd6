"""The events of a day in the order of their times; each one may lead to later ones."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from heapq import heappop, heappush
from itertools import count
from typing import Any

from arthomed.appointments.service import transitions
from arthomed.core import clock
from tests import factories
from tests.api.frontdesk.clinic_day.plan import MONDAY, TUESDAY, Fate, Patient, Size, Source
from tests.api.frontdesk.clinic_day.reception import Clinic
from tests.api.frontdesk.clinic_day.till import Till
from tests.factories import at_clinic, data_of

MINUTE = timedelta(minutes=1)
Event = Callable[[], object]


@dataclass(frozen=True)
class Call:
    """A call, and who else was in the waiting room at that moment."""

    at: datetime
    patient: Patient
    others: list[Patient]


@dataclass
class Play:
    """The agenda of the day, and what happened: `calls` and how often each thing was done (`story`)."""

    clinic: Clinic
    size: Size
    people: list[Patient]
    rng: random.Random
    till: Till
    calls: list[Call] = field(default_factory=list)
    story: Counter[str] = field(default_factory=Counter)
    agenda: list[tuple[datetime, int, Event]] = field(default_factory=list)
    numbers: Any = field(default_factory=count)

    def at(self, time: datetime, event: Event) -> None:
        heappush(self.agenda, (time, next(self.numbers), event))

    def after(self, minutes: float, event: Event) -> None:
        self.at(clock.now() + minutes * MINUTE, event)

    def run(self) -> None:
        while self.agenda:
            time, _, event = heappop(self.agenda)
            self.clinic.move_clock(time)
            event()

    @property
    def desk(self) -> Any:
        """One of the receptionists."""
        return self.rng.choice(self.clinic.desks)

    def doctor(self, patient: Patient) -> Any:
        return self.clinic.doctors[patient.doctor]

    def in_room(self, doctor: int) -> list[Patient]:
        """Those who wait for a doctor, as the script knows it."""
        return [one for one in self.people if one.doctor == doctor and one.is_in_room]

    def note_call(self, patient: Patient) -> None:
        self.story["call"] += 1
        others = [replace(one) for one in self.in_room(patient.doctor) if one is not patient]
        self.calls.append(Call(clock.now(), replace(patient), others))


def schedule_jobs(play: Play) -> None:
    """The periodic jobs of the system, and the night's."""
    time, closes = at_clinic(TUESDAY, "08:00"), at_clinic(TUESDAY, "23:59")
    while time < closes:
        play.at(time, partial(_count_jobs, play))
        time += 15 * MINUTE
    play.at(at_clinic(TUESDAY + timedelta(days=1), "03:05"), partial(_complete_forgotten, play))


def _count_jobs(play: Play) -> None:
    play.story["rejected by the system"] += transitions.reject_unconfirmed()
    play.story["no-show"] += transitions.mark_no_shows()


def _complete_forgotten(play: Play) -> None:
    play.story["completed by the system"] += transitions.close_earlier_days()


def schedule_bookings(play: Play) -> None:
    """Monday: the app books from seven on, and the desk from eight on."""
    for number, patient in enumerate(play.people):
        minutes = number * 0.4 * MINUTE
        if patient.source is Source.APP:
            play.at(at_clinic(MONDAY, "07:00") + minutes, partial(_book_by_app, play, patient))
        elif patient.source is Source.DESK:
            play.at(at_clinic(MONDAY, "08:00") + minutes, partial(_book_by_desk, play, patient))


def _book_by_app(play: Play, patient: Patient) -> None:
    clinic = play.clinic
    body = factories.booking_body(play.doctor(patient), appointmentDate=f"{TUESDAY}", appointmentTime=patient.time)
    if patient.head is None:
        patient.user = factories.make_user(name=patient.name, mobile_number=patient.mobile)
    else:
        body["dependentId"] = _join_family(play, patient, patient.head)
    assert patient.user
    key = f"book-{patient.mobile}"
    response = clinic.send(patient.user, "POST", "appointments/book", key, **body)
    booked(patient, data_of(response, 201)["appointment"])
    play.story["booked by app"] += 1
    if patient.fate is Fate.UNCONFIRMED:
        return
    if patient.fate is Fate.REJECTED:
        play.after(20, partial(put_status, play, patient, "rejected", reason="The doctor is away"))
        return
    play.after(10, partial(put_status, play, patient, "confirmed"))
    _plan_changes(play, patient)


def _join_family(play: Play, patient: Patient, head: Patient) -> str:
    assert head.user
    patient.user = head.user
    body = {"name": patient.name, "relationship": "child"}
    member_id: str = data_of(play.clinic.send(head.user, "POST", "dependents", **body), 201)["dependent"]["_id"]
    play.story["booked for a family member"] += 1
    return member_id


def _book_by_desk(play: Play, patient: Patient) -> None:
    body = factories.booking_body(play.doctor(patient), appointmentDate=f"{TUESDAY}", appointmentTime=patient.time)
    book_manually(play, patient, body)
    play.story["booked by desk"] += 1
    _plan_changes(play, patient)


def book_manually(play: Play, patient: Patient, body: dict[str, Any]) -> None:
    body |= {"mobileNumber": patient.mobile, "name": patient.name}
    response = play.clinic.send(play.desk, "POST", "appointments/manual", f"manual-{patient.mobile}", **body)
    booked(patient, data_of(response, 201)["appointment"])


def booked(patient: Patient, appointment: Any) -> None:
    patient.appointment_id = appointment["_id"]
    patient.fee = appointment["paymentInfo"]["amount"]
    patient.time = appointment["appointmentTime"]
    patient.starts_at = at_clinic(TUESDAY, patient.time)


def put_status(play: Play, patient: Patient, status: str, **body: Any) -> None:
    """The desk changes a status."""
    play.clinic.step(play.desk, patient, "status", status=status, **body)
    play.story[f"{status} by the desk"] += 1


def _plan_changes(play: Play, patient: Patient) -> None:
    """What happens before the day, some of it with payments in advance."""
    evening, morning = at_clinic(MONDAY, "20:00"), at_clinic(TUESDAY, "07:00")
    changes: dict[Fate, tuple[datetime, Event]] = {
        Fate.CANCELS_EARLY: (clock.now() + 20 * MINUTE, partial(_cancel_by_app, play, patient, percent=100)),
        Fate.CANCELS_LATE: (at_clinic(MONDAY, "18:30"), partial(_cancel_by_app, play, patient, percent=50)),
        Fate.CALLS_OFF: (
            min(patient.starts_at - 60 * MINUTE, at_clinic(TUESDAY, "09:15")),
            partial(_call_off, play, patient),
        ),
        Fate.MOVES: (play.rng.choice([evening, morning]), partial(_move, play, patient)),
    }
    if patient.fate in changes:
        play.after(15, partial(play.till.pay, patient))
        play.at(*changes[patient.fate])
    elif play.rng.random() < 0.2:
        play.after(15, partial(play.till.pay_in_part, patient))


def _cancel_by_app(play: Play, patient: Patient, *, percent: int) -> None:
    answer = data_of(play.clinic.send(patient.user, "PUT", f"appointments/{patient.appointment_id}/cancel"))  # type: ignore[arg-type]
    assert answer["refundInfo"]["refundAmount"] == patient.paid * percent // 100
    play.till.refund(patient, patient.paid * percent // 100)
    patient.has_left = True
    play.story[f"cancelled by app, {percent} %"] += 1


def _call_off(play: Play, patient: Patient) -> None:
    """A patient who calls on the day: the desk cancels, and pays all back."""
    cancel_by_desk(play, patient)
    play.story["called off"] += 1


def cancel_by_desk(play: Play, patient: Patient) -> None:
    body = {"reason": "The patient asked for it"}
    answer = data_of(play.clinic.send(play.desk, "PUT", f"appointments/{patient.appointment_id}/cancel", **body))
    assert answer["refundInfo"]["refundAmount"] == patient.paid
    play.till.refund(patient, patient.paid)
    patient.has_left, patient.is_in_room = True, False


def _move(play: Play, patient: Patient) -> None:
    """Move to a free time of the same doctor, or else of another one; by app if that is how it was booked."""
    free = [(one, time) for one in range(len(play.clinic.doctors)) for time in play.clinic.free_times(one)]
    free = [place for place in free if place != (patient.doctor, patient.time)]
    doctor, time = next((one for one in free if one[0] == patient.doctor), play.rng.choice(free))
    body = {"appointmentDate": f"{TUESDAY}", "appointmentTime": time, "doctorId": str(play.clinic.doctors[doctor].id)}
    by = play.desk
    if patient.user is not None and clock.now() < patient.starts_at - 120 * MINUTE:
        by = patient.user
    moved = play.clinic.step(by, patient, "reschedule", **body)
    patient.doctor = doctor
    booked(patient, moved)
    assert moved["paymentInfo"]["paidAmount"] == patient.paid
    play.story["moved"] += 1
