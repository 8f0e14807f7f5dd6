"""Delivery receipts of the carrier."""

from collections.abc import Mapping

import structlog

from arthomed.core import clock, metrics
from arthomed.notifications.delivery import config, receipt_wait
from arthomed.notifications.gateways import Attempt
from arthomed.notifications.models import Notification

log = structlog.get_logger()


def has_valid_signature(path: str, form: Mapping[str, str], signature: str) -> bool:
    """Whether the carrier signed a receipt; False where no receipts are configured."""
    reader = config().receipts
    return reader is not None and reader.has_valid_signature(path, form, signature)


def record(attempt: Attempt, *, sid: str, status: str, error_code: int | None) -> None:
    """Store a receipt with a valid signature; repeated and reordered receipts have the same result.

    A receipt for an unknown message, or for the failure of an attempt that is not the last, is ignored without an
    error, because the carrier could do nothing about it.
    """
    reader = config().receipts
    receipt = reader.parse(sid, status, error_code) if reader else None
    if receipt is None:
        return
    before = Notification.record_receipt(attempt, receipt, now=clock.now(), wait=receipt_wait())
    stored_rank = before.receipt.rank if before and before.receipt else 0
    if before and receipt.status.is_final and receipt.status.rank > stored_rank:
        metrics.MESSAGES.add(before.channel, receipt.status)
    log.info(
        "receipt_recorded" if before else "receipt_ignored",
        notification_id=attempt.message,
        status=str(receipt.status),
        error=receipt.error_code,
    )
