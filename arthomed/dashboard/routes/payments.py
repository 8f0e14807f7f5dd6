"""Payments at the desk: record one, pay back, correct, print the receipt.

Each form holds an idempotency key: sent twice, or again after a lost answer, it makes one entry.
"""

from collections.abc import Callable
from typing import Any

from bson import ObjectId
from flask import Response, make_response, render_template

from arthomed.appointments.schemas import IdempotencyHeaders
from arthomed.config import settings
from arthomed.core.errors import IdempotencyKeyReused, ValidationFailed
from arthomed.core.permissions import Permission
from arthomed.dashboard import appointment_texts as texts
from arthomed.dashboard import assets, forms, payment_forms
from arthomed.dashboard.blueprint import Pages
from arthomed.dashboard.i18n import language
from arthomed.dashboard.payment_forms import PaymentForm, RefundForm
from arthomed.http.auth import current_actor, requires_page
from arthomed.http.errors import STATUS_OF
from arthomed.payments import amounts
from arthomed.payments.schemas import CorrectPayment
from arthomed.payments.service import queries, recording
from arthomed.payments.service.recording import Recorded

_SENT_BEFORE = "This form was sent before with other values. Close it and look at the payments."
_CHANGED = "changed"  # what shows the appointment asks for a newer version

blueprint = Pages("payments", __name__)


@blueprint.get("/appointments/<object_id:appointment_id>/payment")
@requires_page(Permission.PAYMENT_RECORD)
def ask(appointment_id: ObjectId) -> str:
    """Ask what was paid."""
    return payment_forms.ask_to_pay(queries.account(current_actor(), appointment_id))


@blueprint.post("/appointments/<object_id:appointment_id>/payment")
@requires_page(Permission.PAYMENT_RECORD)
def pay(appointment_id: ObjectId) -> Response:
    def record() -> Recorded:
        form = forms.read(PaymentForm)
        details = {"reference": form.get("reference"), "key": _key()}
        return recording.pay(current_actor(), appointment_id, form["amount"], form["method"], **details)

    return _record(record, lambda error: _ask_again(payment_forms.PAYMENT, appointment_id, error))


@blueprint.get("/appointments/<object_id:appointment_id>/refund")
@requires_page(Permission.PAYMENT_RECORD)
def ask_to_refund(appointment_id: ObjectId) -> str:
    """Ask what was paid back."""
    return payment_forms.ask_to_refund(queries.account(current_actor(), appointment_id))


@blueprint.post("/appointments/<object_id:appointment_id>/refund")
@requires_page(Permission.PAYMENT_RECORD)
def refund(appointment_id: ObjectId) -> Response:
    def record() -> Recorded:
        form = forms.read(RefundForm)
        details = {"reason": form["reason"], "key": _key()}
        return recording.refund(current_actor(), appointment_id, form["amount"], form["method"], **details)

    return _record(record, lambda error: _ask_again(payment_forms.REFUND, appointment_id, error))


@blueprint.get("/payments/<object_id:payment_id>/correction")
@requires_page(Permission.PAYMENT_RECORD)
def ask_to_correct(payment_id: ObjectId) -> str:
    return payment_forms.dialog(payment_forms.CORRECTION, {}, receipt=queries.receipt(current_actor(), payment_id))


@blueprint.post("/payments/<object_id:payment_id>/correction")
@requires_page(Permission.PAYMENT_RECORD)
def correct(payment_id: ObjectId) -> Response:
    def record() -> Recorded:
        return recording.correct(current_actor(), payment_id, reason=forms.read(CorrectPayment)["reason"], key=_key())

    def again(error: ValidationFailed) -> str:
        found = queries.receipt(current_actor(), payment_id)
        return payment_forms.dialog(payment_forms.CORRECTION, {}, error, receipt=found)

    return _record(record, again)


@blueprint.get("/payments/<object_id:payment_id>/receipt")
@requires_page(Permission.PAYMENT_RECORD)
def receipt(payment_id: ObjectId) -> str:
    """The receipt of the API in the reader's language, with its style in a file."""
    return render_template(
        "receipt.html",
        receipt=queries.receipt(current_actor(), payment_id),
        clinic=settings().clinic_name,
        address=settings().clinic_address,
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


def _ask_again(template: str, appointment_id: ObjectId, error: ValidationFailed) -> str:
    return payment_forms.ask_again(template, error, queries.account(current_actor(), appointment_id))


@blueprint.context_processor
def _words() -> dict[str, Any]:
    return {"texts": texts}
