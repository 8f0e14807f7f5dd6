"""What the carrier tells of messages that it took."""

from collections.abc import Mapping

import structlog

from arthomed.core import clock, metrics
from arthomed.notifications.gateways import Attempt
from arthomed.notifications.models import Notification
from arthomed.notifications.outlets import outlet, receipt_wait

log = structlog.get_logger()


def is_genuine(path: str, form: Mapping[str, str], signature: str) -> bool:
    """Whether the carrier sent it; nothing is where no receipts are asked for."""
    check = outlet().receipts
    return check is not None and check.is_genuine(path, form, signature)


def note(attempt: Attempt, *, sid: str, status: str, error_code: int | None) -> None:
    """Store a genuine receipt; twice or in any order, it comes to the same.

    One about a message that there is not, or a failure of an attempt that is not the last, is passed over: the
    carrier can do nothing about it.
    """
    check = outlet().receipts
    receipt = check.read(sid, status, error_code) if check else None
    if receipt is None:
        return
    found = Notification.note_receipt(attempt, receipt, now=clock.now(), wait=receipt_wait())
    known = found.receipt.rank if found and found.receipt else 0
    if found and receipt.arrival.is_final and receipt.arrival.rank > known:
        metrics.MESSAGES.add(found.channel, receipt.arrival)
    log.info(
        "receipt_noted" if found else "receipt_passed_over",
        notification_id=attempt.message,
        arrival=str(receipt.arrival),
        error=receipt.error_code,
    )
