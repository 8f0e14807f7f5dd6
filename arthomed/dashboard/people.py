"""What the pages say about people."""

from datetime import date, datetime

from flask_babel import gettext

from arthomed.appointments.models import Appointment
from arthomed.config import settings
from arthomed.core import clock
from arthomed.dashboard.day_texts import GENDERS

_INFANT_YEARS = 2
_MONTHS = 12


def age(born: date, today: date) -> str:
    """In years, of an infant in months."""
    months = (today.year - born.year) * _MONTHS + today.month - born.month - (today.day < born.day)
    if months < _INFANT_YEARS * _MONTHS:
        return str(gettext("%(number)s months", number=max(months, 0)))
    return str(gettext("%(number)s years", number=months // _MONTHS))


def facts(born: datetime | None, gender: str | None) -> list[str]:
    """Age and sex, as far as they are known."""
    known = [] if born is None else [age(born.date(), clock.today(settings().policy.timezone))]
    return [*known, *([str(GENDERS[gender])] if gender and gender in GENDERS else [])]


def facts_of_patient(appointment: Appointment) -> list[str]:
    """Age, sex and the end of the number; of a family member also whose family it is."""
    patient, member = appointment.patient, appointment.dependent
    number = f"…{patient.mobile_number[-4:]}"
    if member is not None:
        return [*facts(member.date_of_birth, member.gender), number, gettext("family of %(name)s", name=patient.name)]
    return [*facts(patient.profile.date_of_birth, patient.profile.gender), number]
