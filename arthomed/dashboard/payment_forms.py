"""The forms of payments: the schemas of the API, with amounts as people type them, and the dialogs that ask."""

import re
import secrets
from collections.abc import Mapping
from typing import Any

from flask import render_template
from flask_babel import gettext
from marshmallow.validate import Range

from arthomed.core import text
from arthomed.core.errors import ValidationFailed
from arthomed.dashboard import appointment_texts as texts
from arthomed.dashboard import forms
from arthomed.dashboard.i18n import rupees
from arthomed.http.schema import WholeNumber
from arthomed.payments.schemas import RecordPayment, RecordRefund
from arthomed.payments.service.queries import Account

PAYMENT, REFUND, CORRECTION = (f"dashboard/_{name}.html" for name in ("payment", "refund", "correction"))
_AROUND_NUMBERS = re.compile(r"^(₹|rs\.?)|[,\s]|(/-|\.0{1,2})$", re.IGNORECASE)


class _Rupees(WholeNumber):
    """Whole rupees as they are typed: `1,500`, `₹ 1500`, `१५००`."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        typed = _AROUND_NUMBERS.sub("", text.plain_number(value).strip()) if isinstance(value, str) else value
        number = int(typed) if re.fullmatch(r"[0-9]{1,9}", typed) else typed
        return super()._deserialize(number, attr, data, **kwargs)


def _amount() -> _Rupees:
    return _Rupees(required=True, strict=True, validate=Range(1))


class PaymentForm(RecordPayment):
    amount = _amount()


class RefundForm(RecordRefund):
    amount = _amount()


def ask_to_pay(account: Account) -> str:
    """What is open is filled in."""
    return dialog(PAYMENT, {"amount": account.open_amount or ""}, account=account)


def ask_to_refund(account: Account) -> str:
    """What is due after a cancellation is filled in, or all that was paid; and how it was paid."""
    appointment, due = account.appointment, account.refund_due
    reason = (appointment.cancellation.reason or gettext("Appointment cancelled")) if due else ""
    amount = due or appointment.payment.paid_amount
    return dialog(REFUND, {"amount": amount, "method": account.method or "", "reason": reason}, account=account)


def ask_again(template: str, error: ValidationFailed, account: Account) -> str:
    limit = account.open_amount if template == PAYMENT else account.appointment.payment.paid_amount
    return dialog(template, {}, error, limit=limit, account=account)


def dialog(
    template: str,
    filled: Mapping[str, Any],
    error: ValidationFailed | None = None,
    *,
    limit: int | None = None,
    **shown: Any,
) -> str:
    """A form; after an error with what was typed, and with its key, because nothing is recorded yet."""
    typed = forms.typed() if error else filled
    errors = dict(forms.messages(error)) if error else {}
    if "amount" in errors and limit is not None:
        errors["amount"] = _amount_error(limit)
    key = typed.get("Idempotency-Key") or secrets.token_urlsafe(24)
    return render_template(template, typed=typed, errors=errors, key=key, texts=texts, **shown)


def _amount_error(limit: int) -> str:
    """What is wrong with an amount, which is at most a limit."""
    if limit:
        return str(gettext("Enter whole rupees, %(amount)s at most.", amount=rupees(limit)))
    return str(gettext("There is nothing left to pay."))
