"""Routes of payments; each requires a permission, and the query decides whose records are reached."""

from typing import Any

from bson import ObjectId
from flask import Response, render_template
from flask_babel import force_locale

from arthomed.appointments.schemas import IdempotencyHeaders
from arthomed.config import settings
from arthomed.core.errors import Code
from arthomed.core.permissions import Permission
from arthomed.http.auth import current_actor, requires
from arthomed.http.blueprint import Blueprint
from arthomed.payments import amounts
from arthomed.payments.schemas import (
    CashReportOut,
    CashReportQuery,
    CorrectPayment,
    PaymentsOut,
    RecordedOut,
    RecordPayment,
    RecordRefund,
)
from arthomed.payments.service import queries, recording

_LANGUAGE = "en"  # the dashboard's receipts are in the language of its reader

blueprint = Blueprint(
    "payments", __name__, url_prefix="/api", description="Payments at the desk.", template_folder="templates"
)


@blueprint.post("/appointments/<object_id:appointment_id>/payments")
@requires(Permission.PAYMENT_RECORD)
@blueprint.arguments(IdempotencyHeaders, location="headers")
@blueprint.arguments(RecordPayment)
@blueprint.response(201, RecordedOut, description="Payment recorded successfully")
@blueprint.refuses(Code.TOO_LATE, Code.IDEMPOTENCY_KEY_REUSED)
def pay(headers: dict[str, Any], body: dict[str, Any], appointment_id: ObjectId) -> recording.Recorded:
    """Record what a patient paid at the desk; at most what is open of the fee.

    Send an `Idempotency-Key` and repeat the request after a lost response: it stays one payment.
    """
    payment = {"reference": body.get("reference"), "key": headers.get("key")}
    return recording.pay(current_actor(), appointment_id, body["amount"], body["method"], **payment)


@blueprint.post("/appointments/<object_id:appointment_id>/refunds")
@requires(Permission.PAYMENT_RECORD)
@blueprint.arguments(IdempotencyHeaders, location="headers")
@blueprint.arguments(RecordRefund)
@blueprint.response(201, RecordedOut, description="Refund recorded successfully")
@blueprint.refuses(Code.IDEMPOTENCY_KEY_REUSED)
def refund(headers: dict[str, Any], body: dict[str, Any], appointment_id: ObjectId) -> recording.Recorded:
    """Record what the clinic paid back; at most what was paid.

    When all that is due after a cancellation is paid back, its `refundStatus` is `refunded`.
    """
    paid_out = {"reason": body["reason"], "key": headers.get("key")}
    return recording.refund(current_actor(), appointment_id, body["amount"], body["method"], **paid_out)


@blueprint.post("/payments/<object_id:payment_id>/correction")
@requires(Permission.PAYMENT_RECORD)
@blueprint.arguments(IdempotencyHeaders, location="headers")
@blueprint.arguments(CorrectPayment)
@blueprint.response(201, RecordedOut, description="Correction recorded successfully")
@blueprint.refuses(Code.DUPLICATE_VALUE, Code.IDEMPOTENCY_KEY_REUSED)
def correct(headers: dict[str, Any], body: dict[str, Any], payment_id: ObjectId) -> recording.Recorded:
    """Cancel a wrong payment or refund by an entry of the opposite amount; entries are never changed.

    An entry is corrected once. Record the right payment or refund afterwards.
    """
    return recording.correct(current_actor(), payment_id, reason=body["reason"], key=headers.get("key"))


@blueprint.get("/appointments/<object_id:appointment_id>/payments")
@requires(Permission.PAYMENT_READ)
@blueprint.response(200, PaymentsOut, description="Payments retrieved successfully")
def list_of_appointment(appointment_id: ObjectId) -> dict[str, Any]:
    """List the payments, refunds and corrections of an appointment, oldest first.

    The reception and admins see those of all appointments, others those of their own as a patient.
    """
    return {"payments": queries.list_of_appointment(current_actor(), appointment_id)}


@blueprint.get("/payments")
@requires(Permission.PAYMENT_RECORD)
@blueprint.arguments(CashReportQuery, location="query")
@blueprint.response(200, CashReportOut, description="Cash report retrieved successfully")
def cash_report(query: dict[str, Any]) -> queries.CashReport:
    """Report a day's payments by method and by the person who received the money, with all entries."""
    return queries.cash_report(current_actor(), query.get("date"))


@blueprint.get("/payments/<object_id:payment_id>/receipt")
@requires(Permission.PAYMENT_READ)
@blueprint.page_response(description="The receipt, to be printed")
def receipt(payment_id: ObjectId) -> Response:
    """Fetch the receipt of a payment, refund or correction as an HTML page.

    The reception and admins get all receipts, others those of their own payments as a patient.
    """
    found = queries.receipt(current_actor(), payment_id)
    with force_locale(_LANGUAGE):
        page = render_template(
            "receipt.html",
            receipt=found,
            clinic=settings().clinic_name,
            address=settings().clinic_address,
            amounts=amounts,
            language=_LANGUAGE,
        )
    return Response(page, mimetype="text/html")
