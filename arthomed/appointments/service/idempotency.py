"""A repeated request with the same `Idempotency-Key` returns the appointment of the first one."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from bson import ObjectId

from arthomed.appointments.keys import IdempotencyKey
from arthomed.appointments.models import Appointment
from arthomed.appointments.service import audit_trail
from arthomed.core.actor import Actor
from arthomed.core.errors import IdempotencyKeyReused

_LATER_FIELDS = frozenset({"dependent_id", "profile"})  # left out while empty: keys of older versions still match


def new_key(
    actor: Actor, key: str | None, appointment: ObjectId, request: Mapping[str, Any], *parts: str
) -> IdempotencyKey | None:
    """The key of a request, to be stored in its transaction; None for a request without one."""
    if key is None:
        return None
    digest = fingerprint_of(request, *parts)
    return IdempotencyKey(user=actor.user_id, key=key, fingerprint=digest, appointment=appointment)


def find_replayed(actor: Actor, key: IdempotencyKey | None) -> Appointment | None:
    """The appointment that was booked with the same key, as it is now; None if there is none.

    Raises:
        IdempotencyKeyReused: the key was used for another request.
    """
    used = key and IdempotencyKey.objects(user=key.user, key=key.key).first()
    if key is None or used is None:
        return None
    if used.fingerprint != key.fingerprint:
        raise IdempotencyKeyReused
    appointment: Appointment = Appointment.visible_to(actor).require(used.appointment)
    audit_trail.record_read(actor, [appointment])
    return Appointment.with_people([appointment])[0]


def fingerprint_of(request: Mapping[str, Any], *parts: str) -> str:
    """A digest of the request, in which the order of the fields does not matter, and of its other parts."""
    known = {name: value for name, value in request.items() if value is not None or name not in _LATER_FIELDS}
    text = json.dumps(known, default=str, sort_keys=True)
    return sha256("".join([text, *parts]).encode()).hexdigest()
