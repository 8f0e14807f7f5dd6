"""The application's database user can do everything the application needs, but cannot change the audit trail."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
import time_machine
from click.testing import Result
from flask import Flask
from flask.testing import FlaskClient
from mongoengine.connection import get_db
from pymongo import MongoClient
from pymongo.errors import OperationFailure
from redis import Redis

from arthomed.app import wire
from arthomed.appointments.rules import Status
from arthomed.appointments.service import consistency, transitions
from arthomed.audit import service as audit
from arthomed.audit.models import AuditEvent
from arthomed.auth.models import Otp
from arthomed.auth.service import otp
from arthomed.config import settings
from arthomed.core import clock
from arthomed.core.documents import transaction
from arthomed.core.jobs import Job
from arthomed.core.permissions import Role
from arthomed.files.models import File
from arthomed.infra import migrations, mongo, roles
from arthomed.notifications.models import Notification, State
from arthomed.privacy.models import Export
from arthomed.scheduling.models import Slot
from arthomed.users import service as users
from dev.servers import Mongo
from tests import factories
from tests.architecture.test_permissions import TABLE, call_route, make_world
from tests.factories import Records, data_of

pytestmark = pytest.mark.long

OWNER, APPLICATION = "owner:of-the-tests@", "application:of-the-tests@"
OWNERS_ONLY = {"migrations", "migration_locks"}
NAME = "arthomed_guarded"
UNAUTHORIZED = 13
Run = Callable[..., Any]
Refusals = Callable[[], list[str]]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongo]:
    """A mongod with access control."""
    folder = tmp_path_factory.mktemp("guarded")
    with Mongo(folder / "data", folder, key="only+for+the+tests" * 2) as server:
        with MongoClient[dict[str, Any]](server.uri(NAME), **server.root) as root:
            root[NAME].command("createUser", "owner", pwd="of-the-tests", roles=["dbOwner"])
        yield server


@pytest.fixture(scope="module")
def owned(app: Flask, guarded: Mongo) -> Iterator[Records]:
    """The migrated database, opened by its owner, with the role and a user who has it."""
    del app  # its connection is replaced
    uri = guarded.uri(NAME, OWNER)
    mongo.open_database(uri, timeout_ms=mongo.WORKER_TIMEOUT_MS)
    migrations.upgrade(uri)
    with MongoClient[dict[str, Any]](uri) as client:
        database = client[NAME]
        roles.update(database)
        database.command("createUser", "application", pwd="of-the-tests", roles=[roles.NAME])
        yield database
    wire(settings(), database_timeout_ms=mongo.WEB_TIMEOUT_MS)


@pytest.fixture
def as_application(owned: Records, guarded: Mongo, valkey: Any) -> Records:
    """The application of this process uses its own database user; the database is empty."""
    for name in set(owned.list_collection_names()) - OWNERS_ONLY:
        owned[name].delete_many({})
    with Redis.from_url(valkey.url) as redis:
        redis.flushdb()
    wire(replace(settings(), mongodb_uri=guarded.uri(NAME, APPLICATION)), database_timeout_ms=mongo.WEB_TIMEOUT_MS)
    database: Records = get_db()
    return database


@pytest.fixture
def flask(app: Flask, owned: Records, guarded: Mongo, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run `flask database-role` in this process, as this database user."""
    del owned

    def run(user: str) -> Result:
        monkeypatch.setenv("MONGODB_URI", guarded.uri(NAME, user))
        settings.cache_clear()
        return app.test_cli_runner().invoke(args=["database-role"])

    yield run
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def refusals(guarded: Mongo) -> Callable[[], list[str]]:
    """The log lines of mongod about operations that it refused as unauthorized since the test began."""
    log = guarded.process.log
    start = log.stat().st_size

    def found() -> list[str]:
        return [line for line in log.read_bytes()[start:].decode().splitlines() if '"id":20436' in line]

    return found


@pytest.fixture
def client(app: Flask, as_application: Records) -> FlaskClient:
    del as_application
    return app.test_client()


@pytest.fixture
def run(as_application: Records) -> Run:
    """Run the task of a job in this process."""
    del as_application
    celery = import_module("workers.app").app  # it reads the settings when it is imported
    celery.loader.import_default_modules()
    return lambda job, *ids: celery.tasks[job].run(*ids)


def test_every_collection_of_the_migrations_is_in_the_role(owned: Records) -> None:
    assert set(owned.list_collection_names()) - OWNERS_ONLY <= roles.privileges().keys()


def test_the_role_reaches_neither_migrations_nor_other_databases(as_application: Records) -> None:
    with pytest.raises(OperationFailure, match="not authorized"):
        as_application.migrations.find_one()
    with pytest.raises(OperationFailure, match="not authorized"):
        as_application.client["another"].users.find_one()


def test_an_update_grants_missing_and_revokes_surplus_privileges(owned: Records) -> None:
    audit_events = {"db": NAME, "collection": "audit_events"}
    owned.command("grantPrivilegesToRole", roles.NAME, privileges=[{"resource": audit_events, "actions": ["remove"]}])
    revoked = {"resource": {"db": NAME, "collection": "users"}, "actions": ["find"]}
    owned.command("revokePrivilegesFromRole", roles.NAME, privileges=[revoked])

    roles.update(owned)

    assert roles.granted(owned) == roles.privileges()


def test_concurrent_updates_create_one_complete_role(guarded: Mongo) -> None:
    other = "arthomed_another"
    with MongoClient[dict[str, Any]](guarded.uri(other), **guarded.root) as root:
        factories.in_parallel(4, lambda _: roles.update(root[other]))

        assert roles.granted(root[other]) == roles.privileges()


def test_the_command_lists_the_privileges(flask: Run) -> None:
    result = flask(OWNER)

    assert result.exit_code == 0
    assert result.output.startswith(f"Privileges of the role arthomed-app in the database {NAME}:\n")
    assert "  audit_events: find, insert, listIndexes\n" in result.output
    assert "  users: find, insert, listIndexes, remove, update\n" in result.output
    assert result.output.endswith("\nThe role is up to date.\n")


def test_the_command_explains_that_it_needs_the_owner_of_the_database(flask: Run) -> None:
    result = flask(APPLICATION)

    assert result.exit_code == 1
    assert result.output.splitlines()[-1] == (
        "MongoDB refuses: Unauthorized; MONGODB_URI must name an owner of the database."
    )


CHANGES: dict[str, Callable[[Any], object]] = {
    "update": lambda trail: trail.update_many({}, {"$set": {"actor": None}}),
    "replace": lambda trail: trail.replace_one({}, {}),
    "find and modify": lambda trail: trail.find_one_and_update({}, {"$unset": {"changes": ""}}),
    "upsert": lambda trail: trail.update_one({"_id": 1}, {"$set": {"actor": None}}, upsert=True),
    "delete one": lambda trail: trail.delete_one({}),
    "delete all": lambda trail: trail.delete_many({}),
    "find and remove": lambda trail: trail.find_one_and_delete({}),
    "merge over it": lambda trail: list(trail.aggregate([{"$merge": {"into": "audit_events"}}])),
    "write over it": lambda trail: list(trail.aggregate([{"$limit": 1}, {"$out": "audit_events"}])),
    "rename": lambda trail: trail.rename("elsewhere"),
    "drop": lambda trail: trail.drop(),
    "expire sooner": lambda trail: trail.create_index("at", expireAfterSeconds=0, name="soon"),
    "drop indexes": lambda trail: trail.drop_indexes(),
    "loosen its validator": lambda trail: trail.database.command("collMod", trail.name, validator={}),
    "insert without validation": lambda trail: trail.insert_one({}, bypass_document_validation=True),
    "drop the database": lambda trail: trail.database.client.drop_database(NAME),
    "grant itself more": lambda trail: roles.update(trail.database),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_server_refuses_every_change_of_the_audit_trail_by_the_application(
    as_application: Records, owned: Records, change: str
) -> None:
    factories.make_user()
    before = list(owned.audit_events.find())

    with pytest.raises(OperationFailure) as refusal:
        CHANGES[change](AuditEvent.collection())

    assert refusal.value.code == UNAUTHORIZED
    assert len(before) == 1
    assert list(owned.audit_events.find()) == before


@pytest.mark.parametrize("route", TABLE, ids=" ".join)
def test_every_route_works_with_the_privileges_of_the_application(
    app: Flask, client: FlaskClient, refusals: Refusals, route: tuple[str, str]
) -> None:
    row = TABLE[route]
    role = min(row.roles)
    world = make_world(app, role, row.status)

    response = call_route(client, route, world, world.accessible_record(row))

    audit.flush()
    assert response.status_code < 300, response.text
    assert refusals() == []


def test_reads_and_searches_are_recorded_with_the_privileges_of_the_application(
    app: Flask, client: FlaskClient
) -> None:
    admin = factories.sign_in(app, factories.make_user(Role.ADMIN))
    factories.make_user(name="Asha Verma")

    data_of(client.get("/api/users?search=Asha", headers=admin.headers))

    audit.flush()
    assert {"search", "read"} <= set(AuditEvent.objects(actor=admin.user.id).scalar("action"))


def test_a_patient_signs_in_books_and_is_notified_with_the_privileges_of_the_application(
    client: FlaskClient, run: Run
) -> None:
    doctor, mobile = factories.make_doctor(), factories.new_mobile()
    data_of(factories.request_code(client, mobile))
    run(Job.DELIVER_CODE, str(Otp.objects.get().issue))
    code = factories.code_for(mobile)
    assert factories.error_of(factories.submit_code(client, mobile, factories.wrong_code(code)))[0] == 400
    tokens = data_of(factories.submit_code(client, mobile, code))["tokens"]
    tokens = data_of(client.post("/api/auth/refresh-token", json={"refreshToken": tokens["refreshToken"]}))
    headers = {"Authorization": f"Bearer {tokens['accessToken']}", "Idempotency-Key": "the-tests-key"}
    for _ in range(2):
        data_of(client.post("/api/appointments/book", json=factories.booking_body(doctor), headers=headers), 201)
    run(Job.SEND_SMS, str(Notification.objects.get(state=State.WAITING).id))

    audit.flush()
    created = AuditEvent.objects(action="create", role=Role.PATIENT)
    assert set(created.distinct("kind")) == {"user", "session", "appointment"}
    assert set(Notification.objects.distinct("state")) == {State.SENT}
    assert list(consistency.violations()) == []


@pytest.mark.parametrize("job", sorted(Job))
def test_every_job_works_with_the_privileges_of_the_application(run: Run, refusals: Refusals, job: Job) -> None:
    patient = factories.make_user(email="asha@example.com")
    appointment = factories.make_appointment(patient)
    Notification.objects.update(set__fallback_at=clock.now())
    transitions.change_status(factories.actor_of(factories.make_user(Role.ADMIN)), appointment.id, Status.CONFIRMED)
    Slot.objects(doctor=appointment.doctor_id, is_available=True).delete()
    Export.request(patient.id, now=clock.now(), retry_after=timedelta(0), ttl=timedelta(hours=1))
    otp.request_code(patient.mobile_number, purpose="login", address="127.0.0.1", networks=["127.0.0.1"])
    erased = factories.make_user().id
    transaction(lambda session: users.anonymise(erased, keep_until=clock.now(), session=session))
    code = Otp.objects.get(mobile_number=patient.mobile_number).issue
    confirmed = Notification.objects(kind="appointment-confirmed")
    sms, email = (confirmed.filter(channel=channel).first().id for channel in ("sms", "email"))
    ids: dict[Job, tuple[object, ...]] = {
        **dict.fromkeys((Job.DELIVER_CODE, Job.DELIVER_CODE_TO_STRANGER), (code,)),
        **dict.fromkeys((Job.SEND_CODE, Job.SEND_SMS), (sms,)),
        **dict.fromkeys((Job.SEND_EMAIL, Job.SEND_PUSH), (email,)),
        Job.SYNC_SLOTS: (appointment.doctor_id,),
        Job.EXPORT: (patient.id,),
        Job.SCAN_FILE: (File.objects.get(filename=factories.make_file(appointment, patient)).id,),
        Job.RECORD_FAILURE: ("malformed", "MalformedEntry"),
    }

    with time_machine.travel(clock.now() if job in ids else appointment.ends_at + timedelta(hours=2), tick=True):
        run(job, *map(str, ids.get(job, ())))

    assert refusals() == []


@pytest.mark.usefixtures("owned")
def test_the_web_process_finds_the_required_indexes_with_the_privileges_of_the_application(
    guarded: Mongo, refusals: Refusals
) -> None:
    mongo.require_indexes(guarded.uri(NAME, APPLICATION))
    assert refusals() == []
