"""A full day of today at the demo clinic, in all states, whatever the weekday and the hour.

The services do all of it, in the order of the times at which it happens; only the clock is arranged (`clock.at`).
"""

from datetime import timedelta
from typing import Any

from bson import ObjectId

from arthomed.appointments.models import Appointment
from arthomed.core import clock
from arthomed.core.actor import SYSTEM, Actor
from arthomed.core.permissions import Role
from arthomed.demo.clinic import ADMIN
from arthomed.demo.day import Day
from arthomed.demo.people import PRACTICES, Person
from arthomed.demo.rounds import Round
from arthomed.demo.visits import Patient
from arthomed.users import family
from arthomed.users import service as users
from arthomed.users.models import User

_FIRST_MOBILE = 9000000101


def load_today() -> str:
    """Create the day unless there is one; returns a message for the command line."""
    if users.find_by_mobile(ADMIN) is None:
        return "There is no demo clinic, so it has no day."
    day = Day(clock.now())
    mobiles = [str(_FIRST_MOBILE + number) for number in range(sum(len(one.people) for one in PRACTICES))]
    known = [user.id for user in User.objects(mobile_number__in=mobiles)]
    if Appointment.objects(patient_id__in=known, appointment_date=clock.midnight_utc(day.date)).first() is not None:
        return "The demo clinic has a day of today already."
    numbers = iter(mobiles)
    for practice in PRACTICES:
        Round(day, practice).plan([(_patient(next(numbers), person, day), person) for person in practice.people])
    day.play()
    booked = Appointment.objects(appointment_date=clock.midnight_utc(day.date)).count()
    return f"Loaded a day of the demo clinic: {booked} appointments."


def _patient(mobile: str, person: Person, day: Day) -> Patient:
    """A patient a month ago, or a child of one: the parent books with the number of the family."""
    with clock.at(day.evening_before - timedelta(days=30)):
        if person.parent:
            parent = User.objects(name=person.parent, role=Role.PATIENT).first() or _register(mobile, person.parent)
            return Patient(_actor(parent), _join_family(parent, person, day))
        profile = {"gender": person.gender, "date_of_birth": person.born(day.date)}
        return Patient(_actor(users.find_by_mobile(mobile) or _register(mobile, person.name, profile=profile)))


def _register(mobile: str, name: str, **parts: Any) -> User:
    return users.register(role=Role.PATIENT, mobile_number=mobile, name=name, is_verified=True, by=SYSTEM, **parts)


def _join_family(parent: User, child: Person, day: Day) -> ObjectId:
    relationship = "son" if child.gender == "male" else "daughter"
    known = {"name": child.name, "relationship": relationship, "gender": child.gender}
    added = family.add(_actor(parent), parent.id, {**known, "date_of_birth": child.born(day.date)})
    return ObjectId(added.dependent.id)


def _actor(user: User) -> Actor:
    return Actor(user.id, user.role)
