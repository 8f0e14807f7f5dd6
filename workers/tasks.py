"""The tasks: an id and a call."""

from bson import ObjectId

from arthomed.appointments.service import transitions
from arthomed.auth.service import otp
from arthomed.core.jobs import Job
from arthomed.files.service import purging, scanning
from arthomed.notifications import fallback
from arthomed.notifications import service as notifications
from arthomed.privacy.service import erasure, export
from arthomed.scheduling import service as scheduling
from workers.app import app

# They look through all that there is. Longer than the broker waits for an answer: it then delivers the message
# again, to a run that finds the lock held.
_LONG = {"single_run": True, "soft_time_limit": 3300, "time_limit": 3600}


@app.task(name=Job.TELL_CODE)
def tell_code(issue: str) -> None:
    """Put one code into the outbox, and send it."""
    otp.deliver(ObjectId(issue))


@app.task(name=Job.SEND_CODE)
def send_code(notification_id: str) -> None:
    """Send one code from the outbox."""
    notifications.send(ObjectId(notification_id))


@app.task(name=Job.SEND_SMS)
def send_sms(notification_id: str) -> None:
    """Send one SMS from the outbox."""
    notifications.send(ObjectId(notification_id))


@app.task(name=Job.SEND_EMAIL)
def send_email(notification_id: str) -> None:
    """Send one e-mail from the outbox."""
    notifications.send(ObjectId(notification_id))


@app.task(name=Job.SEND_PUSH)
def send_push(notification_id: str) -> None:
    """Send one push from the outbox."""
    notifications.send(ObjectId(notification_id))


@app.task(name=Job.SCAN_FILE)
def scan_file(file_id: str) -> None:
    """Have one file looked at."""
    scanning.scan(ObjectId(file_id))


@app.task(name=Job.SWEEP_SCANS, single_run=True)
def sweep_scans() -> None:
    """Ask again for what was not looked at."""
    scanning.sweep()


@app.task(name=Job.PURGE_FILES, **_LONG)
def purge_files() -> None:
    """Remove the files that are to be kept no longer."""
    purging.purge()


@app.task(name=Job.EXPORT)
def prepare_export(user_id: str) -> None:
    """Make one person's export."""
    export.prepare(ObjectId(user_id))


@app.task(name=Job.FINISH_ERASURES, **_LONG)
def finish_erasures() -> None:
    """Erase what had to be kept until now."""
    erasure.erase_expired_records()


@app.task(name=Job.SWEEP_MESSAGES, single_run=True)
def sweep_messages() -> None:
    """Ask again for what was left in the outbox, or did not get there."""
    notifications.sweep()
    otp.sweep()


@app.task(name=Job.FALL_BACK, single_run=True)
def fall_back() -> None:
    """Tell by another channel what did not arrive."""
    fallback.send_fallbacks()


@app.task(name=Job.GENERATE_SLOTS, single_run=True)
def generate_slots() -> None:
    """Ask for the slots of every doctor."""
    scheduling.enqueue_generation()


@app.task(name=Job.SYNC_SLOTS)
def sync_doctors_slots(*doctor_ids: str) -> None:
    """Bring some doctors' slots in line with their hours."""
    scheduling.sync_doctors([*map(ObjectId, doctor_ids)])


@app.task(name=Job.REJECT_UNCONFIRMED, single_run=True)
def reject_unconfirmed() -> None:
    """Reject what nobody confirmed in time."""
    transitions.reject_unconfirmed()


@app.task(name=Job.MARK_NO_SHOWS, single_run=True)
def mark_no_shows() -> None:
    """Note the visits that nobody came to."""
    transitions.mark_no_shows()
