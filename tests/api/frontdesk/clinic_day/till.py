"""The money that the desks take and pay out, and the script's own account of it."""

import random
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from arthomed.config import settings
from arthomed.core import clock
from arthomed.users.models import User
from tests.api.frontdesk.clinic_day.plan import Patient
from tests.api.frontdesk.clinic_day.reception import Clinic
from tests.factories import data_of

METHODS = ("cash", "upi", "card")


@dataclass(frozen=True)
class Line:
    """One movement of money, as the script knows it: negative when the clinic pays out."""

    day: date
    kind: str
    method: str
    amount: int
    desk: str


@dataclass
class Till:
    clinic: Clinic
    rng: random.Random
    account: list[Line] = field(default_factory=list)

    def pay(self, patient: Patient, amount: int | None = None) -> None:
        """Take money for an appointment, all that is open by default; a tenth of it is entered wrongly at first."""
        amount = patient.fee - patient.paid if amount is None else amount
        if amount <= 0:
            return
        if self.rng.random() < 0.1:
            self._correct(patient, amount)
        self._pay(patient, amount)
        patient.paid += amount

    def pay_in_part(self, patient: Patient) -> None:
        self.pay(patient, min(100, patient.fee - patient.paid))

    def refund(self, patient: Patient, amount: int) -> None:
        """Pay back what is due after a cancellation, by one desk in cash."""
        if amount:
            desk, reason = self.rng.choice(self.clinic.desks), "Cancelled"
            self._post(desk, patient, "refunds", amount=amount, method="cash", reason=reason)
            self._note("refund", "cash", -amount, desk)
            patient.paid -= amount

    def _pay(self, patient: Patient, amount: int) -> tuple[str, User, str]:
        desk, method = self.rng.choice(self.clinic.desks), self.rng.choice(METHODS)
        payment = self._post(desk, patient, "payments", amount=amount, method=method)
        self._note("payment", method, amount, desk)
        return payment["_id"], desk, method

    def _correct(self, patient: Patient, amount: int) -> None:
        """A payment that was entered wrongly, and its counter-entry, which counts for who took the money."""
        payment_id, receiver, method = self._pay(patient, amount)
        by = self.rng.choice(self.clinic.desks)
        data_of(self.clinic.send(by, "POST", f"payments/{payment_id}/correction", reason="Wrong method"), 201)
        self._note("correction", method, -amount, receiver)

    def _post(self, desk: User, patient: Patient, what: str, **body: Any) -> Any:
        """Send twice with one key, as after a lost response: it is one entry."""
        path, key = f"appointments/{patient.appointment_id}/{what}", f"till-entry-{len(self.account)}"
        sent = [data_of(self.clinic.send(desk, "POST", path, key, **body), 201)["payment"] for _ in range(2)]
        assert sent[0]["_id"] == sent[1]["_id"]
        return sent[0]

    def _note(self, kind: str, method: str, amount: int, desk: User) -> None:
        self.account.append(Line(clock.today(settings().policy.timezone), kind, method, amount, desk.name))
