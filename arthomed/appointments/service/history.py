"""The people whom the history of an appointment names."""

from bson import ObjectId

from arthomed.appointments.models import Appointment
from arthomed.users.models import User


def people_of(appointment: Appointment) -> dict[ObjectId, User]:
    """Who changed an appointment, and the doctors of its moves, by their ids."""
    moves = [place for one in appointment.history for place in (one.moved_from, one.moved_to) if place]
    acted = [one.by for one in appointment.history if one.by]
    return User.by_id([*acted, *(place.doctor for place in moves)])
