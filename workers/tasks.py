"""The Celery tasks. Each takes ids and calls one service function."""

from bson import ObjectId

from arthomed.appointments.service import transitions
from arthomed.auth.service import otp
from arthomed.core.jobs import Job
from arthomed.files.service import purging, scanning
from arthomed.infra import failed_jobs
from arthomed.notifications import receipts
from arthomed.notifications import service as notifications
from arthomed.privacy.service import erasure, export
from arthomed.scheduling import service as scheduling
from workers.app import app

# These jobs process whole collections and may exceed the visibility timeout. The broker then delivers the message
# again, and the second run finds the lock held.
_LONG_RUNNING = {"single_run": True, "soft_time_limit": 3300, "time_limit": 3600}


@app.task(name=Job.DELIVER_CODE)
def deliver_code(issue: str) -> None:
    """Add a one-time code to the outbox and send it."""
    otp.deliver(ObjectId(issue))


@app.task(name=Job.DELIVER_CODE_TO_STRANGER)
def deliver_code_to_stranger(issue: str) -> None:
    """Add a one-time code for a number without an account to the outbox and send it."""
    otp.deliver(ObjectId(issue))


@app.task(name=Job.SEND_CODE)
def send_code(notification_id: str) -> None:
    """Send a one-time code from the outbox."""
    notifications.send(ObjectId(notification_id))


@app.task(name=Job.SEND_SMS)
def send_sms(notification_id: str) -> None:
    """Send an SMS from the outbox."""
    notifications.send(ObjectId(notification_id))


@app.task(name=Job.SEND_EMAIL)
def send_email(notification_id: str) -> None:
    """Send an e-mail from the outbox."""
    notifications.send(ObjectId(notification_id))


@app.task(name=Job.SEND_PUSH)
def send_push(notification_id: str) -> None:
    """Send a push notification from the outbox."""
    notifications.send(ObjectId(notification_id))


@app.task(name=Job.SCAN_FILE)
def scan_file(file_id: str) -> None:
    """Scan an uploaded file for viruses."""
    scanning.scan(ObjectId(file_id))


@app.task(name=Job.SWEEP_SCANS, single_run=True)
def sweep_scans() -> None:
    """Enqueue scans of files that are still not scanned."""
    scanning.sweep()


@app.task(name=Job.PURGE_FILES, **_LONG_RUNNING)
def purge_files() -> None:
    """Remove files after their retention period."""
    purging.purge()


@app.task(name=Job.EXPORT)
def prepare_export(user_id: str) -> None:
    """Build the data export of a person."""
    export.prepare(ObjectId(user_id))


@app.task(name=Job.FINISH_ERASURES, **_LONG_RUNNING)
def finish_erasures() -> None:
    """Erase records whose retention period has ended."""
    erasure.erase_expired_records()


@app.task(name=Job.SWEEP_MESSAGES, single_run=True)
def sweep_messages() -> None:
    """Enqueue messages that are due in the outbox."""
    notifications.sweep()
    otp.sweep()


@app.task(name=Job.FALL_BACK, single_run=True)
def fall_back() -> None:
    """Send undelivered messages through the fallback channel."""
    receipts.send_fallbacks()


@app.task(name=Job.GENERATE_SLOTS, single_run=True)
def generate_slots() -> None:
    """Enqueue the generation of slots for all doctors."""
    scheduling.enqueue_generation()


@app.task(name=Job.SYNC_SLOTS)
def sync_doctors_slots(*doctor_ids: str) -> None:
    """Create, change and remove slots of some doctors to match their schedules."""
    scheduling.sync_doctors([*map(ObjectId, doctor_ids)])


@app.task(name=Job.REJECT_UNCONFIRMED, single_run=True)
def reject_unconfirmed() -> None:
    """Reject appointments that were not confirmed in time."""
    transitions.reject_unconfirmed()


@app.task(name=Job.MARK_NO_SHOWS, single_run=True)
def mark_no_shows() -> None:
    """Mark missed appointments as no-shows."""
    transitions.mark_no_shows()


@app.task(name=Job.COMPLETE_FORGOTTEN, single_run=True)
def complete_forgotten() -> None:
    """Settle consultations that nobody completed, and patients whom nobody saw, of earlier days."""
    transitions.close_earlier_days()


@app.task(name=Job.RECORD_FAILURE)
def record_failure(job: str, error: str, *ids: str) -> None:
    """Record a queue entry that cannot be run as a dead letter."""
    failed_jobs.record(job, ids, error=error, attempts=1)
