"""Merge new values into a user's record, and refuse values that contradict each other."""

from datetime import date
from typing import Any

from mongoengine.base import BaseDocument

from arthomed.core import clock
from arthomed.core.errors import FieldError, ValidationFailed
from arthomed.core.permissions import Role
from arthomed.users.models import Condition, DoctorInfo, PatientInfo, User

NewValues = dict[str, Any]
"""New values by field name in snake_case, nested like the document; None clears a field."""

_ROLE_PARTS = {"doctor_info": (Role.DOCTOR, DoctorInfo), "patient_info": (Role.PATIENT, PatientInfo)}


def merge(user: User, changes: NewValues) -> None:
    """Merge changes into a user who is not saved yet.

    Raises:
        ValidationFailed: a part belongs to another role, or a diagnosis is before the date of birth.
    """
    _ensure_role_part(user, changes)
    assign(user, changes)
    _ensure_born_before_diagnoses(user, changes)


def _ensure_role_part(user: User, changes: NewValues) -> None:
    """Add the part that the role requires, and refuse changes of another role's part."""
    for part, (owner, part_type) in _ROLE_PARTS.items():
        if user.role is owner:
            setattr(user, part, getattr(user, part) or part_type())
        elif part in changes:
            name = User._fields[part].db_field
            raise ValidationFailed([FieldError(name, f"Only a {owner} has this", shows_value=False)])


def _ensure_born_before_diagnoses(user: User, changes: NewValues) -> None:
    """Refuse a new date of birth or a new diagnosis that the other one contradicts."""
    new = {name for part in ("profile", "patient_info") for name in changes.get(part) or {}}
    born = user.profile.date_of_birth
    if born is None or not user.patient_info or new.isdisjoint({"date_of_birth", "medical_history"}):
        return
    for index, one in enumerate(user.patient_info.medical_history):
        if one.diagnosed_date is not None and one.diagnosed_date < born:
            is_new = "medical_history" in new
            field = f"patientInfo.medicalHistory.{index}.diagnosedDate" if is_new else "profile.dateOfBirth"
            raise ValidationFailed.of(field, "A diagnosis can't be before the date of birth.")


def assign(document: BaseDocument, changes: NewValues) -> None:
    """Assign changes field by field; fields that are not named stay as they are."""
    for name, value in changes.items():
        if isinstance(value, dict):
            part = getattr(document, name) or document._fields[name].document_type()
            assign(part, value)
            setattr(document, name, part)
        else:
            setattr(document, name, _to_stored_value(name, value))


def _to_stored_value(name: str, value: Any) -> Any:
    if isinstance(value, date):
        return clock.midnight_utc(value)
    if name == "medical_history" and value is not None:
        return [Condition(**{key: _to_stored_value(key, one) for key, one in row.items()}) for row in value]
    return value
