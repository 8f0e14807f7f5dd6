"""Delivery receipts of the carrier, and the fallback to another channel for what was not delivered."""

from collections.abc import Mapping

import structlog

from arthomed.core import clock, metrics
from arthomed.notifications import delivery, rules, service
from arthomed.notifications.gateways import Attempt
from arthomed.notifications.models import Notification

log = structlog.get_logger()

_FALLBACK_BATCH_SIZE = 500


def has_valid_signature(path: str, form: Mapping[str, str], signature: str) -> bool:
    """Whether the carrier signed a receipt; False where no receipts are configured."""
    reader = delivery.config().receipts
    return reader is not None and reader.has_valid_signature(path, form, signature)


def record(attempt: Attempt, *, sid: str, status: str, error_code: int | None) -> None:
    """Store a receipt with a valid signature; repeated and reordered receipts have the same result.

    A receipt for an unknown message, or for the failure of an attempt that is not the last, is ignored without an
    error, because the carrier could do nothing about it.
    """
    reader = delivery.config().receipts
    receipt = reader.parse(sid, status, error_code) if reader else None
    if receipt is None:
        return
    before = Notification.record_receipt(attempt, receipt, now=clock.now(), wait=delivery.receipt_wait())
    stored_rank = before.receipt.rank if before and before.receipt else 0
    if before and receipt.status.is_final and receipt.status.rank > stored_rank:
        metrics.MESSAGES.add(before.channel, receipt.status)
    log.info(
        "receipt_recorded" if before else "receipt_ignored",
        notification_id=attempt.message,
        status=str(receipt.status),
        error=receipt.error_code,
    )


def send_fallbacks() -> int:
    """Create fallbacks for messages that failed, or have no delivery receipt in time; returns how many were due.

    Each message gets at most one fallback, also when runs overlap. The next run completes an interrupted one.
    """
    due = list(Notification.due_for_fallback(clock.now()).limit(_FALLBACK_BATCH_SIZE))
    for notification in due:
        _send_fallback(notification)
    return len(due)


def _send_fallback(notification: Notification) -> None:
    channel, now = notification.fallback, clock.now()
    is_available = channel is not None and delivery.is_available(channel, notification.kind)
    if is_available and rules.is_useful(notification.useful_until, now):
        fallback = Notification.from_topic(notification.topic, channel, is_fallback=True, due_at=now - rules.CLOCK_SKEW)
        if fallback.insert_if_new():
            service.enqueue_or_leave_to_sweeper(service.sending_jobs([fallback]))
            log.warning("message_fallback_created", notification_id=str(notification.id), fallback=str(fallback.id))
    notification.clear_fallback()
