"""Payments at the desk: record one, pay back, correct, print the receipt.

Each form holds an idempotency key: sent twice, or again after a lost answer, it makes one entry.
"""

import secrets
from collections.abc import Callable
from typing import Any

from bson import ObjectId
from flask import Response, make_response, render_template

from arthomed.appointments.schemas import IdempotencyHeaders
from arthomed.config import settings
from arthomed.core.errors import IdempotencyKeyReused, ValidationFailed
from arthomed.core.permissions import Permission
from arthomed.dashboard import appointment_texts as texts
from arthomed.dashboard import assets, forms
from arthomed.dashboard.blueprint import Pages
from arthomed.dashboard.i18n import language
from arthomed.dashboard.payment_forms import PaymentForm, RefundForm, amount_error
from arthomed.http.auth import current_actor, requires_page
from arthomed.http.errors import STATUS_OF
from arthomed.payments import amounts
from arthomed.payments.schemas import CorrectPayment
from arthomed.payments.service import queries, recording
from arthomed.payments.service.recording import Recorded

_PAYMENT, _REFUND, _CORRECTION = (f"dashboard/_{name}.html" for name in ("payment", "refund", "correction"))
_SENT_BEFORE = "This form was sent before with other values. Close it and look at the payments."
_CHANGED = "changed"  # what shows the appointment asks for a newer version

blueprint = Pages("payments", __name__)


@blueprint.get("/appointments/<object_id:appointment_id>/payment")
@requires_page(Permission.PAYMENT_RECORD)
def ask(appointment_id: ObjectId) -> str:
    """Ask what was paid; what is open is filled in."""
    account = queries.account(current_actor(), appointment_id)
    return _form(_PAYMENT, account=account, amount=account.open_amount or "")


@blueprint.post("/appointments/<object_id:appointment_id>/payment")
@requires_page(Permission.PAYMENT_RECORD)
def pay(appointment_id: ObjectId) -> Response:
    def record() -> Recorded:
        form = forms.read(PaymentForm)
        details = {"reference": form.get("reference"), "key": _key()}
        return recording.pay(current_actor(), appointment_id, form["amount"], form["method"], **details)

    return _record(record, lambda error: _account_form(_PAYMENT, appointment_id, error))


@blueprint.get("/appointments/<object_id:appointment_id>/refund")
@requires_page(Permission.PAYMENT_RECORD)
def ask_to_refund(appointment_id: ObjectId) -> str:
    """Ask what was paid back; what is due after a cancellation is filled in, or all that was paid."""
    account = queries.account(current_actor(), appointment_id)
    return _form(_REFUND, account=account, amount=account.refund_due or account.appointment.payment.paid_amount)


@blueprint.post("/appointments/<object_id:appointment_id>/refund")
@requires_page(Permission.PAYMENT_RECORD)
def refund(appointment_id: ObjectId) -> Response:
    def record() -> Recorded:
        form = forms.read(RefundForm)
        details = {"reason": form["reason"], "key": _key()}
        return recording.refund(current_actor(), appointment_id, form["amount"], form["method"], **details)

    return _record(record, lambda error: _account_form(_REFUND, appointment_id, error))


@blueprint.get("/payments/<object_id:payment_id>/correction")
@requires_page(Permission.PAYMENT_RECORD)
def ask_to_correct(payment_id: ObjectId) -> str:
    return _form(_CORRECTION, receipt=queries.receipt(current_actor(), payment_id))


@blueprint.post("/payments/<object_id:payment_id>/correction")
@requires_page(Permission.PAYMENT_RECORD)
def correct(payment_id: ObjectId) -> Response:
    def record() -> Recorded:
        return recording.correct(current_actor(), payment_id, reason=forms.read(CorrectPayment)["reason"], key=_key())

    def again(error: ValidationFailed) -> str:
        return _form(_CORRECTION, error, receipt=queries.receipt(current_actor(), payment_id))

    return _record(record, again)


@blueprint.get("/payments/<object_id:payment_id>/receipt")
@requires_page(Permission.PAYMENT_RECORD)
def receipt(payment_id: ObjectId) -> str:
    """The receipt of the API in the reader's language, with its style in a file."""
    return render_template(
        "receipt.html",
        receipt=queries.receipt(current_actor(), payment_id),
        clinic=settings().clinic_name,
        amounts=amounts,
        language=language(),
        stylesheet=assets.url("receipt.css"),
        script=assets.url("print.js"),
    )


def _key() -> str | None:
    key: str | None = forms.read(IdempotencyHeaders).get("key")
    return key


def _record(record: Callable[[], Recorded], again: Callable[[ValidationFailed], str]) -> Response:
    """Make an entry and show its receipt, or the form again with what is wrong in it."""
    try:
        recorded = record()
    except IdempotencyKeyReused as error:
        raise IdempotencyKeyReused(_SENT_BEFORE) from error
    except ValidationFailed as error:
        return make_response(again(error), STATUS_OF[error.code])
    response = make_response(render_template("dashboard/_recorded.html", recorded=recorded))
    response.headers["HX-Trigger"] = _CHANGED
    return response


def _account_form(template: str, appointment_id: ObjectId, error: ValidationFailed) -> str:
    account = queries.account(current_actor(), appointment_id)
    limit = account.open_amount if template == _PAYMENT else account.appointment.payment.paid_amount
    return _form(template, error, account=account, limit=limit)


def _form(template: str, error: ValidationFailed | None = None, *, limit: int | None = None, **shown: Any) -> str:
    """A form; after an error with what was typed, and with its key, because nothing is recorded yet."""
    typed = forms.typed() if error else {"amount": shown.pop("amount", "")}
    errors = dict(forms.messages(error)) if error else {}
    if "amount" in errors and limit is not None:
        errors["amount"] = amount_error(limit)
    key = typed.get("Idempotency-Key") or secrets.token_urlsafe(24)
    return render_template(template, typed=typed, errors=errors, key=key, **shown)


@blueprint.context_processor
def _words() -> dict[str, Any]:
    return {"texts": texts}
