"""Giving files out, and deleting them: to and by whom they belong to."""

from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any
from urllib.parse import unquote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from mongoengine.connection import get_connection

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.audit import service as audit
from arthomed.audit.models import AuditEvent
from arthomed.core.permissions import Role
from arthomed.files.models import File
from arthomed.files.records import cabinet
from arthomed.files.rules import State
from tests import factories
from tests.api import files
from tests.factories import SignedIn, picture, refused, told

NO_FILE = (404, "NOT_FOUND")

pytestmark = pytest.mark.usefixtures("shelves")
in_a_folder = pytest.mark.parametrize("shelves", ["folder"], indirect=True)


@pytest.fixture
def visit(person: SignedIn) -> Appointment:
    return factories.make_visit(person.user, factories.make_doctor(factories.every_day("09:00", "10:00")))


@pytest.fixture
def url(person: SignedIn, visit: Appointment) -> str:
    """A picture of the person's visit, sent by the person."""
    return f"/api/files/{factories.make_file(visit, person.user)}"


def size_of(url: str) -> int:
    size: int = File.objects.get(filename=url.rpartition("/")[2]).size
    return size


class TestFetching:
    def test_it_is_saved_and_never_shown_or_kept(self, client: FlaskClient, person: SignedIn, url: str) -> None:
        answer = files.fetch(client, person, url)

        assert answer.data.startswith(b"\x89PNG")
        assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''picture.png"
        assert answer.headers["Cache-Control"] == "private, no-store"

    @in_a_folder
    def test_a_browser_runs_nothing_of_it(self, client: FlaskClient, person: SignedIn, url: str) -> None:
        answer = files.fetch(client, person, url)

        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer.headers["Content-Security-Policy"]

    def test_a_name_of_any_script_is_given_back(
        self, client: FlaskClient, person: SignedIn, visit: Appointment
    ) -> None:
        name = factories.make_file(visit, person.user, original_name="जाँच 1.png")

        given = files.fetch(client, person, f"/api/files/{name}").headers["Content-Disposition"]
        assert unquote(given) == "attachment; filename*=UTF-8''जाँच 1.png"
        assert given.isascii()

    def test_a_picture_has_a_small_one(self, client: FlaskClient, person: SignedIn, visit: Appointment) -> None:
        (sent,) = files.uploaded(client, person, visit.id, picture(size=(800, 400)))

        small = files.fetch(client, person, f"{sent['url']}?thumbnail=true")
        assert (small.status_code, small.mimetype) == (200, "image/jpeg")

    def test_a_document_has_none(self, client: FlaskClient, person: SignedIn, visit: Appointment) -> None:
        (sent,) = files.uploaded(client, person, visit.id, files.pdf())

        assert files.fetch(client, person, f"{sent['url']}?thumbnail=true").status_code == 404

    @pytest.mark.parametrize(
        ("asked", "of"),
        [("bytes=0-3", slice(0, 4)), ("bytes=4-", slice(4, None)), ("bytes=-5", slice(-5, None))],
    )
    def test_a_part_can_be_asked_for(
        self, client: FlaskClient, person: SignedIn, url: str, asked: str, of: slice
    ) -> None:
        whole, part = files.fetch(client, person, url).data, files.fetch(client, person, url, Range=asked)

        assert (part.status_code, part.data) == (206, whole[of])
        assert part.headers["Content-Range"].endswith(f"/{len(whole)}")

    def test_a_part_that_is_not_there_is_refused(self, client: FlaskClient, person: SignedIn, url: str) -> None:
        assert files.fetch(client, person, url, Range=f"bytes={size_of(url)}-").status_code == 416

    @in_a_folder
    @pytest.mark.parametrize(
        "asked", ["lines=0-3", "bytes", "bytes=-9999999", "bytes=3-1", "bytes=0-1,3-4", "bytes=a-b"]
    )
    def test_of_a_part_that_makes_no_sense_all_is_given(
        self, client: FlaskClient, person: SignedIn, url: str, asked: str
    ) -> None:
        answer = files.fetch(client, person, url, Range=asked)

        assert (answer.status_code, len(answer.data)) == (200, size_of(url))

    def test_what_was_lost_is_not_found(self, client: FlaskClient, person: SignedIn, url: str) -> None:
        cabinet().storage.delete(File.objects.get().key)

        assert files.fetch(client, person, url).status_code == 404

    def test_who_has_it_need_not_fetch_it(self, client: FlaskClient, person: SignedIn, url: str) -> None:
        etag = files.fetch(client, person, url).headers["ETag"]

        answer = files.fetch(client, person, url, **{"If-None-Match": etag})
        assert (answer.status_code, answer.data) == (304, b"")

    @in_a_folder  # S3 leaves If-Range alone; but then no key of ours is ever given to other content
    def test_a_part_of_what_changed_is_all_of_it(self, client: FlaskClient, person: SignedIn, url: str) -> None:
        answer = files.fetch(client, person, url, **{"Range": "bytes=0-3", "If-Range": '"another"'})

        assert (answer.status_code, len(answer.data)) == (200, size_of(url))

    @in_a_folder
    def test_its_head_tells_its_size(self, client: FlaskClient, person: SignedIn, url: str) -> None:
        answer = client.head(url, headers=person.headers)

        assert (answer.content_length, answer.data) == (size_of(url), b"")

    @in_a_folder
    def test_a_web_server_in_front_sends_it_where_there_is_one(
        self, client: FlaskClient, person: SignedIn, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cabinet().storage, "_accel_prefix", "/protected")

        answer = files.fetch(client, person, url)
        file = File.objects.get(filename=url.rpartition("/")[2])
        assert (answer.headers["X-Accel-Redirect"], answer.data) == (f"/protected/{file.key}", b"")

    @pytest.mark.parametrize(
        ("state", "answered"),
        [
            (State.WAITING, (409, "FILE_NOT_READY")),
            (State.INFECTED, NO_FILE),
            (State.MISSING, NO_FILE),
        ],
    )
    def test_only_what_was_found_harmless_is_given(
        self, client: FlaskClient, person: SignedIn, url: str, state: State, answered: Any
    ) -> None:
        File.objects.update(set__state=state)

        assert refused(files.fetch(client, person, url)) == answered

    @pytest.mark.parametrize("name", ["..%2f..%2fetc%2fpasswd", "%00", "nothing.png", "a" * 5000])
    def test_there_is_nothing_but_what_was_recorded(self, client: FlaskClient, person: SignedIn, name: str) -> None:
        assert files.fetch(client, person, f"/api/files/{name}").status_code == 404

    def test_each_reading_is_noted(self, app: Flask, client: FlaskClient, person: SignedIn, url: str) -> None:
        desk = factories.sign_in(app, factories.make_user(Role.RECEPTIONIST))
        for reader in (desk, person):
            files.fetch(client, reader, url)
        audit.flush()

        events = AuditEvent.objects(kind="file", action="read").order_by("id")
        assert [(event.actor, event.subjects) for event in events] == [
            (reader.user.id, [person.user.id]) for reader in (desk, person)
        ]


class TestPortraits:
    @pytest.fixture
    def portrait(self, client: FlaskClient, person: SignedIn) -> str:
        body = {"files": [picture()]}
        answer = client.post("/api/files/upload/profiles", data=body, headers=person.headers)
        url: str = told(answer)["uploadedFiles"][0]["url"]
        return url

    @pytest.mark.parametrize(
        ("role", "status"),
        [(Role.PATIENT, 404), (Role.DOCTOR, 404), (Role.RECEPTIONIST, 200), (Role.ADMIN, 200)],
    )
    def test_strangers_don_t_see_a_patient(
        self, app: Flask, client: FlaskClient, portrait: str, role: Role, status: int
    ) -> None:
        stranger = factories.sign_in(app, factories.make_user(role))

        assert files.fetch(client, stranger, portrait).status_code == status

    def test_a_doctor_sees_who_has_a_visit(
        self, app: Flask, client: FlaskClient, person: SignedIn, portrait: str
    ) -> None:
        doctor = factories.make_doctor()
        factories.make_visit(person.user, doctor)

        assert files.fetch(client, factories.sign_in(app, doctor), portrait).status_code == 200

    def test_one_that_is_deleted_is_named_no_more(self, client: FlaskClient, person: SignedIn, portrait: str) -> None:
        told(client.delete(portrait, headers=person.headers))

        assert told(client.get("/api/users/profile", headers=person.headers))["user"]["avatar"] is None


class TestDeleting:
    def test_who_sent_it_deletes_it(self, client: FlaskClient, person: SignedIn, url: str) -> None:
        told(client.delete(url, headers=person.headers))

        assert files.fetch(client, person, url).status_code == 404
        assert File.objects.count() == 0
        assert files.faults_after_a_purge() == []

    def test_once_the_visit_is_completed_it_stays(
        self, client: FlaskClient, person: SignedIn, visit: Appointment, url: str
    ) -> None:
        Appointment.objects(id=visit.id).update(set__status=Status.COMPLETED)

        assert refused(client.delete(url, headers=person.headers)) == (403, "PERMISSION_DENIED")

    def test_it_waits_for_who_is_just_completing_the_visit(
        self, app: Flask, person: SignedIn, visit: Appointment, url: str
    ) -> None:
        completed = {"$set": {"status": Status.COMPLETED}}
        with get_connection().start_session() as session, ThreadPoolExecutor(1) as threads:
            with session.start_transaction():
                Appointment.collection().update_one({"_id": visit.id}, completed, session=session)
                answer = threads.submit(app.test_client().delete, url, headers=person.headers)
                assert wait([answer], timeout=0.2).not_done
            assert refused(answer.result()) == (403, "PERMISSION_DENIED")

    def test_what_the_doctor_sent_is_not_the_patients_to_delete(
        self, client: FlaskClient, person: SignedIn, visit: Appointment
    ) -> None:
        sent = factories.make_file(visit, factories.make_user(Role.DOCTOR))

        assert refused(client.delete(f"/api/files/{sent}", headers=person.headers)) == (403, "PERMISSION_DENIED")

    def test_twice_is_once(self, client: FlaskClient, person: SignedIn, url: str) -> None:
        answers = [client.delete(url, headers=person.headers).status_code for _ in range(2)]

        assert answers == [200, 404]
        assert AuditEvent.objects(kind="file", action="delete").count() == 1
