"""The flask commands: create-admin, database-role, demo, jobs, slots, audit, migrate, uploads, backup."""

import signal
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click
import pymongo
from flask import Flask
from flask.cli import AppGroup
from mongoengine.connection import get_connection, get_db
from pymongo.errors import ConnectionFailure, OperationFailure

from arthomed import demo
from arthomed.appointments.service import consistency
from arthomed.config import settings
from arthomed.core import clock
from arthomed.core.actor import SYSTEM
from arthomed.core.errors import ClinicError
from arthomed.core.jobs import JobsUnavailable
from arthomed.core.permissions import Role
from arthomed.files import file_store
from arthomed.files.service import integrity, purging
from arthomed.infra import backup, failed_jobs, migrations, mongo, roles
from arthomed.infra.failed_jobs import FailedJob
from arthomed.scheduling import service as scheduling
from arthomed.users import rules as user_rules
from arthomed.users import service as users

Command = TypeVar("Command", bound=Callable[..., Any])

_REACHED_WITHIN_SECONDS = 5.0

_jobs = AppGroup("jobs", help="Look after the jobs that failed for good.")
_migrate = AppGroup("migrate", help="Bring the database up to date.")
_slots = AppGroup("slots", help="Make bookable slots.")
_uploads = AppGroup("uploads", help="Look after the stored files.")
_backup = AppGroup("backup", help="The whole database in one file, for its owner.")
_demo = AppGroup("demo", help="A clinic to try things with.")


def register(app: Flask) -> None:
    for command in (_jobs, _migrate, _slots, _demo, _uploads, _backup, audit, create_admin, database_role):
        app.cli.add_command(command)


def _with_patience(command: Command) -> Command:
    """Commands may take longer than a request; what goes wrong is one line, not a stack trace."""

    @wraps(command)
    def patient(*args: Any, **kwargs: Any) -> Any:
        mongo.open_database(settings().mongodb_uri, timeout_ms=mongo.WORKER_TIMEOUT_MS)
        try:
            _reach_database()
            return command(*args, **kwargs)
        except ConnectionFailure:
            sys.exit("MongoDB can't be reached; see MONGODB_URI.")
        except JobsUnavailable:
            sys.exit("The broker can't be reached; see REDIS_URL.")
        except (ClinicError, scheduling.SlotsNotSynced) as error:
            sys.exit(str(error))

    return patient  # type: ignore[return-value]


def _reach_database() -> None:
    """Fail early: a command itself would wait for as long as it may take."""
    with pymongo.timeout(_REACHED_WITHIN_SECONDS):
        get_connection().admin.command("ping")


@_migrate.command("up")
@_with_patience
def migrate_up() -> None:
    """Apply the migrations that are missing."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped."))  # and so give the lock back
    applied = migrations.upgrade(settings().mongodb_uri)
    click.echo("\n".join(f"applied {name}" for name in applied) or "The database is up to date.")


@_migrate.command("status")
@_with_patience
def migrate_status() -> None:
    """Show which migrations are applied, and since when."""
    for name, applied in migrations.status(settings().mongodb_uri):
        click.echo(f"{name}  {applied.isoformat(timespec='seconds') if applied else 'missing'}")


@_slots.command("generate")
@_with_patience
def generate_slots() -> None:
    """Make the slots of the whole horizon for every doctor."""
    click.echo(f"{scheduling.generate()} new slots")


@_demo.command("load")
@click.option("--if-empty", is_flag=True, help="Do nothing when there are people already.")
@_with_patience
def load_demo(*, if_empty: bool) -> None:
    """Load the demo clinic; its people have made-up numbers, so never in production."""
    if settings().is_production:
        sys.exit("The demo clinic is not for production.")
    click.echo(demo.load(if_empty=if_empty))


@click.command("audit")
@_with_patience
def audit() -> None:
    """Check that no time is promised twice; exits 1 and says what is wrong."""
    found = list(consistency.violations())
    click.echo("\n".join(found) or "The books are in order.")
    sys.exit(1 if found else 0)


@click.command("create-admin")
@click.argument("mobile_number")
@click.argument("name")
@_with_patience
def create_admin(mobile_number: str, name: str) -> None:
    """Create an admin, who signs in with a code like everybody else."""
    mobile, full_name = user_rules.normalise_mobile(mobile_number), user_rules.normalise_name(name)
    if mobile is None or full_name is None:
        raise click.BadParameter("an Indian mobile number and a name are needed")
    users.register(role=Role.ADMIN, mobile_number=mobile, name=full_name, is_verified=True, by=SYSTEM)
    click.echo(f"{full_name} can sign in as an admin with {mobile}.")


@_jobs.command("failed")
@_with_patience
def list_failed_jobs() -> None:
    """List what failed for good and was not asked for again, the latest first."""
    lines = [
        f"{clock.iso(one.last_failed_at)}  {one.id}  {one.error}  attempts={one.attempts}"
        f"  since={clock.iso(one.first_failed_at)}  request_id={one.request_id}"
        for one in FailedJob.objects.order_by("-last_failed_at")
    ]
    click.echo("\n".join(lines) or "No job has failed.")


@_jobs.command("retry")
@click.argument("failed", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All that are listed.")
@_with_patience
def retry_failed_jobs(failed: tuple[str, ...], *, every: bool) -> None:
    """Ask again for jobs, by their ids of `flask jobs failed`, and take them off the list."""
    if bool(failed) == every:
        raise click.UsageError("Name jobs, or --all.")
    wanted = [str(one) for one in FailedJob.objects.scalar("id")] if every else failed
    done = {one: failed_jobs.retry(one) for one in wanted}
    click.echo("\n".join(f"{one}: {'asked for' if asked else 'not there'}" for one, asked in done.items()))
    sys.exit(0 if every or all(done.values()) else 1)


@_uploads.command("init")
def uploads_init() -> None:
    """Take the place for files into use though files are recorded: a new disk, before they are restored to it."""
    file_store.current().storage.prepare()
    click.echo("Files can be stored.")


@_uploads.command("check")
@_with_patience
def uploads_check() -> None:
    """Say what the records and the stored files don't agree on; exits 1 when there is anything."""
    wrong = list(integrity.check())
    click.echo("\n".join(wrong) or "Every stored file has its record, and every record its file.")
    sys.exit(1 if wrong else 0)


@_uploads.command("purge")
@_with_patience
def uploads_purge() -> None:
    """Do now what is done each night."""
    done = purging.purge()
    click.echo(", ".join(f"{count} {what}" for what, count in done.items() if count) or "Nothing to do.")


@_backup.command("dump")
@click.argument("file", type=click.Path(path_type=Path))
@_with_patience
def backup_dump(file: Path) -> None:
    """Write every document, as of this moment, into a file."""
    count = backup.dump(get_connection(), get_db().name, file, now=clock.now())
    click.echo(f"{count} documents are in {file}.")


@_backup.command("restore")
@click.argument("file", type=click.Path(path_type=Path))
@_with_patience
def backup_restore(file: Path) -> None:
    """Put a backup into a database that is migrated and empty."""
    try:
        count = backup.restore(get_connection(), get_db().name, file)
    except backup.BackupError as error:
        sys.exit(f"Nothing was restored. {error}")
    click.echo(f"{count} documents are back.")


@click.command("database-role")
@_with_patience
def database_role() -> None:
    """Make or update the role of the application's own database user, for whom the audit trail is append-only."""
    database = get_db()
    click.echo(f"The role {roles.NAME} of the database {database.name} is to have")
    for collection, actions in roles.privileges().items():
        click.echo(f"  {collection}: {', '.join(sorted(actions))}")
    try:
        roles.update(database)
    except OperationFailure as error:
        reason = (error.details or {}).get("codeName", error.code)
        sys.exit(f"MongoDB refuses: {reason}; MONGODB_URI must name an owner of the database.")
    click.echo("It has.")
