"""Examples of responses for the OpenAPI document, each of a state that can be."""

from typing import Any

from arthomed.appointments.queue_schemas import QueueOut
from arthomed.appointments.rules import Source, Status
from arthomed.appointments.schemas import AppointmentOut, CancellationOut, RefundOut
from arthomed.appointments.stages import Stage
from arthomed.core.permissions import Role
from arthomed.http.schema import example_of
from arthomed.users.schemas import DoctorInfoOut, UserOut

_PENDING = example_of(AppointmentOut())
_BOOKED = _PENDING["history"][0]
_RECOVERED = "I have recovered"


def _moved(target: Status, reason: str | None = None, **more: Any) -> dict[str, Any]:
    """The pending appointment of the examples after a change of its status."""
    change = {**_BOOKED, "from": _PENDING["status"], "to": str(target), "reason": reason}
    return {**_PENDING, "status": str(target), "history": [_BOOKED, change], **more}


CONFIRMED = _moved(Status.CONFIRMED)
WALKED_IN = {
    **_PENDING,
    "status": str(Status.CONFIRMED),
    "source": str(Source.WALK_IN),
    "queue": {**example_of(QueueOut()), "token": 7, "stage": str(Stage.WAITING), "arrivedAt": _BOOKED["at"]},
    "history": [{**_BOOKED, "to": str(Status.CONFIRMED)}],
}
WALK_IN_BOOKED = {"appointment": WALKED_IN, "possibleDuplicates": []}
_NINE = {"doctor": _PENDING["doctor"]["_id"], "startsAt": "2026-12-01T03:30:00.000Z"}
_HALF_PAST_NINE = {**_NINE, "startsAt": _PENDING["startsAt"]}
_RESCHEDULE = {**_BOOKED, "from": _PENDING["status"], "movedFrom": _NINE, "movedTo": _HALF_PAST_NINE}
RESCHEDULED = {**_PENDING, "history": [_BOOKED, _RESCHEDULE]}
CANCELLED = _moved(Status.CANCELLED, _RECOVERED, cancellation={**example_of(CancellationOut()), "reason": _RECOVERED})
CANCELLATION = {"appointment": CANCELLED, "refundInfo": example_of(RefundOut())}

_DOCTOR = {
    **{name: value for name, value in example_of(UserOut()).items() if name != "patientInfo"},
    "name": _PENDING["doctor"]["name"],
    "role": str(Role.DOCTOR),
    "doctorInfo": example_of(DoctorInfoOut()),
}
DOCTOR_ACCOUNT: dict[str, Any] = {"user": _DOCTOR, "upcomingAppointments": []}
LEFT_DOCTOR = {"user": {**_DOCTOR, "isActive": False}, "upcomingAppointments": [CONFIRMED]}
