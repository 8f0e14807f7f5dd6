"""A reception that takes payments for an appointment."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import consistency, transitions
from arthomed.core.permissions import Role
from arthomed.payments.service import consistency as payments_consistency
from arthomed.users.models import User
from tests import factories
from tests.factories import SignedIn, data_of

TUESDAY = date(2026, 12, 1)
FEE = 500


@dataclass
class Desk:
    """Joseph receives the money; Asha has a confirmed appointment on Tuesday at nine, for 500 rupees."""

    app: Flask
    joseph: SignedIn
    asha: SignedIn
    doctor: User
    appointment: Appointment

    def post(self, path: str, caller: SignedIn | None = None, key: str | None = None, **body: Any) -> TestResponse:
        headers = {**(caller or self.joseph).headers, **({} if key is None else {"Idempotency-Key": key})}
        return self.app.test_client().post(f"/api/{path}", json=body, headers=headers)

    def get(self, path: str, caller: SignedIn | None = None) -> TestResponse:
        return self.app.test_client().get(f"/api/{path}", headers=(caller or self.joseph).headers)

    def pay(self, amount: int = FEE, method: str = "cash", **more: Any) -> TestResponse:
        return self.post(f"appointments/{self.appointment.id}/payments", amount=amount, method=method, **more)

    def refund(self, amount: int, method: str = "cash", **more: Any) -> TestResponse:
        more = {"reason": "The doctor was called away", **more}
        return self.post(f"appointments/{self.appointment.id}/refunds", amount=amount, method=method, **more)

    def correct(self, payment_id: str, **more: Any) -> TestResponse:
        return self.post(f"payments/{payment_id}/correction", **{"reason": "Entered twice", **more})

    def paid(self, amount: int = FEE, method: str = "cash", **more: Any) -> Any:
        """A recorded payment."""
        return data_of(self.pay(amount, method, **more), 201)["payment"]

    def payments(self, caller: SignedIn | None = None) -> Any:
        return data_of(self.get(f"appointments/{self.appointment.id}/payments", caller))["payments"]

    def payment_info(self) -> Any:
        """What the patient's own list shows of the fee."""
        [shown] = data_of(self.get("appointments/my-appointments", self.asha))["items"]
        return shown["paymentInfo"]

    def cancel(self, role: Role = Role.ADMIN) -> Any:
        """Cancel the appointment; by default the clinic does, so that all of what was paid is due."""
        actor = self.asha.user if role is Role.PATIENT else factories.make_user(role)
        transitions.cancel(factories.actor_of(actor), self.appointment.id, reason="Called away")

    def cancellation(self) -> Any:
        return data_of(self.get(f"appointments/{self.appointment.id}"))["appointment"]["cancellation"]


def open_desk(app: Flask) -> Desk:
    joseph = factories.sign_in(app, factories.make_user(Role.RECEPTIONIST, name="Joseph Mathew"))
    asha = factories.sign_in(app, factories.make_user(name="Asha Verma"))
    doctor = factories.make_doctor(factories.every_day("09:00", "20:00")[1:2], name="Dr Meera Iyer", fee=FEE)
    appointment = factories.make_appointment(asha.user, doctor, day=TUESDAY)
    transitions.change_status(factories.actor_of(joseph.user), appointment.id, Status.CONFIRMED)
    return Desk(app, joseph, asha, doctor, appointment)


def violations() -> list[str]:
    """What `flask audit` finds."""
    return [*consistency.violations(), *payments_consistency.violations()]
