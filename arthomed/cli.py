"""The flask commands: create-admin, database-role, demo, jobs, slots, audit, migrate, search-keys, uploads, backup."""

import signal
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click
import pymongo
from flask import Flask
from flask.cli import AppGroup, run_command
from mongoengine.connection import get_connection, get_db
from pymongo.errors import OperationFailure

from arthomed import demo
from arthomed.appointments.service import consistency, staff
from arthomed.config import settings
from arthomed.core import clock
from arthomed.core.actor import SYSTEM
from arthomed.core.errors import ClinicError
from arthomed.core.jobs import JobsUnavailable
from arthomed.core.permissions import Role
from arthomed.files import file_store
from arthomed.files.service import integrity, purging
from arthomed.files.storage import StorageUnavailable
from arthomed.infra import backup, failed_jobs, migrations, mongo, redis_check, roles
from arthomed.infra.failed_jobs import FailedJob
from arthomed.payments.service import consistency as payments_consistency
from arthomed.scheduling import service as scheduling
from arthomed.users import rules as user_rules
from arthomed.users import search_index
from arthomed.users import service as users
from arthomed.users.models import User

Command = TypeVar("Command", bound=Callable[..., Any])

CONNECT_TIMEOUT_SECONDS = 5.0
"""A command that does not reach MongoDB in this time fails."""

_NO_STORAGE = "The file storage can't be used: correct the rights of UPLOADS_DIR, or S3_BUCKET"

_jobs = AppGroup("jobs", help="List, retry and discard failed jobs.")
_migrate = AppGroup("migrate", help="Apply and list migrations of the database.")
_slots = AppGroup("slots", help="Generate slots.")
_uploads = AppGroup("uploads", help="Check and clean the file storage.")
_backup = AppGroup(
    "backup", help="Back up the whole database into a file, or restore it, as the owner of the database."
)
_demo = AppGroup("demo", help="A clinic with example data for development.")


def register(app: Flask) -> None:
    groups = (_jobs, _migrate, _slots, _demo, _uploads, _backup)
    for command in (*groups, audit, create_admin, database_role, search_keys):
        app.cli.add_command(command)


def flask_run_addresses() -> list[tuple[str, int] | str]:
    """The address that `flask run` is about to bind, from --host or FLASK_RUN_HOST; nothing in any other process."""
    context = click.get_current_context(silent=True)
    if context is None or context.command is not run_command:
        return []
    host: str = context.params["host"]
    return [host if host.startswith("unix://") else (host, context.params["port"])]


def _with_database(command: Command) -> Command:
    """Connect with the timeout of workers, and print expected errors in one line without a stack trace."""

    @wraps(command)
    def connected(*args: Any, **kwargs: Any) -> Any:
        mongo.open_database(settings().mongodb_uri, timeout_ms=mongo.WORKER_TIMEOUT_MS)
        try:
            with mongo.reporting_problems(get_connection()):
                with pymongo.timeout(CONNECT_TIMEOUT_SECONDS):  # the command itself would wait as long as workers
                    mongo.require_replica_set(get_connection())
                return command(*args, **kwargs)
        except JobsUnavailable:
            sys.exit(redis_check.problem_of(settings().redis_url) or "Redis did not answer in time; see REDIS_URL")
        except (ClinicError, scheduling.SlotsNotSynced, mongo.DatabaseNotReady) as error:
            sys.exit(str(error))
        except StorageUnavailable as error:
            sys.exit(f"{_NO_STORAGE} ({error})")

    return connected  # type: ignore[return-value]


@_migrate.command("up")
@_with_database
def migrate_up() -> None:
    """Apply missing migrations."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped."))  # the exception releases the lock
    applied = migrations.upgrade(settings().mongodb_uri)
    click.echo("\n".join(f"applied {name}" for name in applied) or "The database is up to date.")


@_migrate.command("status")
@_with_database
def migrate_status() -> None:
    """List all migrations with the time when they were applied."""
    for name, applied in migrations.status(settings().mongodb_uri):
        click.echo(f"{name}  {applied.isoformat(timespec='seconds') if applied else 'missing'}")


@click.command("search-keys")
@_with_database
def search_keys() -> None:
    """Correct the search keys of users, after an upgrade during which an older version changed some."""
    click.echo(f"{search_index.fill(User.collection())} users corrected")


@_slots.command("generate")
@_with_database
def generate_slots() -> None:
    """Generate the missing slots of all doctors up to the booking horizon."""
    click.echo(f"{scheduling.generate()} new slots")


@_demo.command("load")
@click.option("--if-empty", is_flag=True, help="Do nothing if the database has other users.")
@_with_database
def load_demo(*, if_empty: bool) -> None:
    """Load the demo clinic. Its users have invented phone numbers, so production refuses it."""
    if settings().is_production:
        sys.exit("The demo clinic can't be loaded in production.")
    click.echo(demo.load(if_empty=if_empty))


@_demo.command("today")
@_with_database
def load_today() -> None:
    """Load a day of the demo clinic: today, with patients in all states and payments."""
    if settings().is_production:
        sys.exit("The demo clinic can't be loaded in production.")
    click.echo(demo.load_today())


@click.command("audit")
@_with_database
def audit() -> None:
    """Check that appointments, slots and payments are consistent; lists errors and exits with 1 if there are any."""
    errors = [*consistency.violations(), *payments_consistency.violations()]
    click.echo("\n".join(errors) or "Appointments and slots are consistent.")
    sys.exit(1 if errors else 0)


@click.command("create-admin")
@click.argument("mobile_number")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Make an existing user an admin without a question.")
@_with_database
def create_admin(mobile_number: str, name: str, *, yes: bool) -> None:
    """Create an admin, or make an existing user one. Admins sign in with a one-time code like all users."""
    mobile, full_name = user_rules.normalise_mobile(mobile_number), user_rules.normalise_name(name)
    if mobile is None or full_name is None:
        raise click.BadParameter("enter an Indian mobile number and a full name")
    user, upcoming = users.find_by_mobile(mobile), 0
    if user is None:
        users.register(role=Role.ADMIN, mobile_number=mobile, name=full_name, is_verified=True, by=SYSTEM)
    else:
        if not yes:
            status = user.role if user.is_active else f"deactivated {user.role}"
            owner = f"{mobile} belongs to {user.name} ({status})."
            question = f"{owner} Make this user an admin named {full_name}? All devices are signed out."
            click.confirm(question, abort=True)
        account = staff.update(SYSTEM, user.id, {"role": Role.ADMIN, "name": full_name, "is_verified": True})
        upcoming = len(account.upcoming)
        staff.set_active(SYSTEM, user.id, is_active=True)
    click.echo(f"{full_name} can sign in as an admin with {mobile}.")
    if upcoming:
        click.echo(f"Upcoming appointments that need another doctor: {upcoming}")


@_jobs.command("failed")
@_with_database
def list_failed_jobs() -> None:
    """List failed jobs that were not retried and malformed queue entries, the latest first."""
    lines = [
        f"{clock.iso(job.last_failed_at)}  {job.id}  {job.error}  attempts={job.attempts}"
        f"  since={clock.iso(job.first_failed_at)}  request_id={job.request_id}"
        for job in FailedJob.objects.order_by("-last_failed_at")
    ]
    click.echo("\n".join(lines) or "No job has failed.")


@_jobs.command("retry")
@click.argument("failed_ids", nargs=-1)
@click.option("--all", "retry_all", is_flag=True, help="Retry all failed jobs.")
@_with_database
def retry_failed_jobs(failed_ids: tuple[str, ...], *, retry_all: bool) -> None:
    """Enqueue failed jobs again, by their ids of `flask jobs failed`, and remove them from the list."""
    if bool(failed_ids) == retry_all:
        raise click.UsageError("Enter the ids of failed jobs, or --all.")
    selected = [str(failed_id) for failed_id in FailedJob.objects.scalar("id")] if retry_all else failed_ids
    results = {failed_id: failed_jobs.retry(failed_id) for failed_id in selected}
    click.echo("\n".join(f"{failed_id}: {'enqueued' if ok else 'not found'}" for failed_id, ok in results.items()))
    sys.exit(0 if retry_all or all(results.values()) else 1)


@_jobs.command("discard")
@click.argument("failed_ids", nargs=-1, required=True)
@_with_database
def discard_failed_jobs(failed_ids: tuple[str, ...]) -> None:
    """Remove failed jobs from the list without running them, for example malformed queue entries."""
    click.echo(f"{FailedJob.objects(id__in=failed_ids).delete()} discarded")


@_uploads.command("init")
def uploads_init() -> None:
    """Prepare an empty storage although the database has files: a new disk, before files are restored to it."""
    try:
        file_store.current().storage.prepare()
    except StorageUnavailable as error:
        sys.exit(f"{_NO_STORAGE} ({error})")
    click.echo("Files can be stored.")


@_uploads.command("check")
@_with_database
def uploads_check() -> None:
    """List differences between records and stored files; exits with 1 if there are any."""
    differences = list(integrity.check())
    click.echo("\n".join(differences) or "Every stored file has its record, and every record its file.")
    sys.exit(1 if differences else 0)


@_uploads.command("purge")
@_with_database
def uploads_purge() -> None:
    """Run the nightly cleaning of the file storage now."""
    counts = purging.purge()
    click.echo(", ".join(f"{count} {result}" for result, count in counts.items() if count) or "Nothing to do.")


@_backup.command("dump")
@click.argument("file", type=click.Path(path_type=Path))
@_with_database
def backup_dump(file: Path) -> None:
    """Write a consistent snapshot of the whole database into a file."""
    try:
        count = backup.dump(get_connection(), get_db().name, file, now=clock.now())
    except OSError as error:
        sys.exit(f"{file} can't be written ({error.strerror}): name another file, or correct the rights of its folder")
    click.echo(f"Wrote {count} documents to {file}.")


@_backup.command("restore")
@click.argument("file", type=click.Path(path_type=Path))
@_with_database
def backup_restore(file: Path) -> None:
    """Restore a backup into a database that is migrated and empty."""
    try:
        count = backup.restore(get_connection(), get_db().name, file)
    except backup.BackupError as error:
        sys.exit(f"Nothing was restored. {error}")
    click.echo(f"Restored {count} documents.")


@click.command("database-role")
@_with_database
def database_role() -> None:
    """Create or update the database role of the application, for which the audit trail is append-only."""
    database = get_db()
    click.echo(f"Privileges of the role {roles.NAME} in the database {database.name}:")
    for collection, actions in roles.privileges().items():
        click.echo(f"  {collection}: {', '.join(sorted(actions))}")
    try:
        roles.update(database)
    except OperationFailure as error:
        reason = (error.details or {}).get("codeName", error.code)
        sys.exit(f"MongoDB refuses: {reason}; MONGODB_URI must name an owner of the database.")
    click.echo("The role is up to date.")
