"""Taking files in: all of a request or nothing, decided by what they hold."""

import shutil
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pymongo.errors import WTimeoutError
from werkzeug.test import TestResponse

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import booking, transitions
from arthomed.config import settings
from arthomed.core import clock
from arthomed.core.documents import transaction
from arthomed.core.permissions import Role
from arthomed.files import content
from arthomed.files.models import File
from arthomed.files.records import cabinet
from arthomed.files.rules import State
from arthomed.users.models import User
from tests import factories
from tests.api import files
from tests.factories import SignedIn, at_once, fields_refused, picture, refused, told

HOUR = factories.every_day("09:00", "10:00")
PROFILES = "/api/files/upload/profiles"


pytestmark = pytest.mark.usefixtures("shelves")
in_a_folder = pytest.mark.parametrize("shelves", ["folder"], indirect=True)


@pytest.fixture
def visit(person: SignedIn) -> Appointment:
    return factories.make_visit(person.user, factories.make_doctor(HOUR))


class TestVisits:
    def test_the_answer_tells_what_was_stored(self, client: FlaskClient, person: SignedIn, visit: Appointment) -> None:
        one, other = files.uploaded(
            client, person, visit.id, picture(name="scan.jpg"), files.pdf("../../blood.test.pdf")
        )

        assert (one["originalName"], one["mimeType"], one["status"]) == ("scan.png", "image/png", "ready")
        assert (other["originalName"], other["mimeType"]) == ("blood_test.pdf", "application/pdf")
        assert other["url"] == f"/api/files/{other['filename']}"

    def test_the_record_knows_whose_it_is_and_who_sent_it(
        self, app: Flask, client: FlaskClient, person: SignedIn, visit: Appointment
    ) -> None:
        desk = factories.sign_in(app, factories.make_user(Role.RECEPTIONIST))
        files.uploaded(client, desk, visit.id, category="prescriptions")

        file = File.objects.get()
        assert (file.owner, file.record, file.uploader) == (person.user.id, visit.id, desk.user.id)
        assert file.key.startswith("appointments/prescriptions/")

    @in_a_folder
    def test_it_is_kept_from_other_users_of_the_machine(
        self, client: FlaskClient, person: SignedIn, visit: Appointment
    ) -> None:
        files.uploaded(client, person, visit.id)

        stored = settings().uploads.folder / File.objects.get().key
        assert stored.stat().st_mode & 0o777 == 0o600

    def test_the_visit_shows_its_files(self, client: FlaskClient, person: SignedIn, visit: Appointment) -> None:
        sent = files.uploaded(client, person, visit.id)

        shown = told(client.get(f"/api/appointments/{visit.id}", headers=person.headers))["appointment"]
        assert shown["images"] == sent

    @pytest.mark.parametrize("wrong", [b"", b"MZ\x90\0", b"<svg/>", b"\xff\xd8\xff\0"])
    def test_one_wrong_file_refuses_all(
        self, client: FlaskClient, person: SignedIn, visit: Appointment, wrong: bytes
    ) -> None:
        answer = files.send(client, person, visit.id, picture(), (BytesIO(wrong), "photo.jpg"))

        assert refused(answer) == (400, "INVALID_FILE_TYPE")
        assert files.nothing_is_left()

    @pytest.mark.parametrize(
        ("sizes", "code"),
        [([1] * 6, "TOO_MANY_FILES"), ([10 * 1024 * 1024 + 1], "FILE_TOO_LARGE")],
        ids=["six", "11 MB"],
    )
    def test_too_many_and_too_large_ones_are_refused(
        self, client: FlaskClient, person: SignedIn, visit: Appointment, sizes: list[int], code: str
    ) -> None:
        sent = [(BytesIO(bytes(size)), "a.png") for size in sizes]

        assert refused(files.send(client, person, visit.id, *sent)) == (400, code)
        assert files.nothing_is_left()

    def test_without_a_file_there_is_nothing_to_do(
        self, client: FlaskClient, person: SignedIn, visit: Appointment
    ) -> None:
        assert fields_refused(files.send(client, person, visit.id)) == ["files"]

    @pytest.mark.parametrize(
        ("field", "make"),
        [("path", lambda: "/etc"), ("category", lambda: "avatars"), ("photo", picture)],
        ids=["path", "category", "photo"],
    )
    def test_what_nobody_asked_for_is_refused(
        self, client: FlaskClient, person: SignedIn, visit: Appointment, field: str, make: Callable[[], object]
    ) -> None:
        assert fields_refused(files.send(client, person, visit.id, picture(), **{field: make()})) == [field]
        assert files.nothing_is_left()

    def test_a_visit_that_was_called_off_takes_none(
        self, client: FlaskClient, person: SignedIn, visit: Appointment
    ) -> None:
        transitions.cancel(factories.acting(person.user), visit.id, reason=None)

        assert refused(files.send(client, person, visit.id, picture())) == (400, "TOO_LATE")
        assert files.nothing_is_left()

    def test_a_visit_that_is_called_off_meanwhile_keeps_none_or_had_it_before(
        self, app: Flask, person: SignedIn, visit: Appointment
    ) -> None:
        def act(number: int) -> int:
            if number:
                transitions.cancel(factories.acting(person.user), visit.id, reason=None)
                return 200
            return files.send(app.test_client(), person, visit.id, picture()).status_code

        sent, _ = at_once(2, act)
        assert Appointment.objects.get(id=visit.id).status is Status.CANCELLED
        assert File.there().count() == (1 if sent == 200 else 0)

    def test_two_uploads_at_once_don_t_exceed_what_a_record_holds(
        self, app: Flask, person: SignedIn, visit: Appointment
    ) -> None:
        for _ in range(48):
            factories.make_file(visit, person.user)

        def send(number: int) -> TestResponse:
            pictures = (picture(size=(8, height)) for height in (number + 1, number + 3))
            return files.send(app.test_client(), person, visit.id, *pictures)

        answers = at_once(2, send)

        assert sorted(answer.status_code for answer in answers) == [200, 400]
        assert File.there().count() == 50

    def test_what_is_sent_again_is_the_file_that_is_there(
        self, app: Flask, client: FlaskClient, person: SignedIn, visit: Appointment
    ) -> None:
        desk = factories.sign_in(app, factories.make_user(Role.RECEPTIONIST))
        (first,) = files.uploaded(client, person, visit.id, picture())
        again = files.uploaded(client, person, visit.id, picture(), picture(), picture(size=(9, 9)))
        (of_another,) = files.uploaded(client, desk, visit.id, picture())
        (of_another_kind,) = files.uploaded(client, person, visit.id, picture(), category="prescriptions")

        assert [one["filename"] == first["filename"] for one in (*again, of_another, of_another_kind)] == [
            *(True, True, False),
            *(False, False),
        ]
        assert File.objects.count() == 4
        assert files.faults_after_a_purge() == []

    @pytest.mark.parametrize("lost", ["record says so", "nobody knows yet", "harmful"])
    def test_what_was_lost_or_harmful_can_be_sent_again(
        self, client: FlaskClient, person: SignedIn, visit: Appointment, lost: str
    ) -> None:
        files.uploaded(client, person, visit.id, picture())
        file = File.objects.get()
        if lost == "harmful":
            File.objects(id=file.id).update(set__state=State.INFECTED)
        else:
            cabinet().storage.delete(file.key)
        if lost == "record says so":
            File.objects(id=file.id).update(set__state=State.MISSING)
        (again,) = files.uploaded(client, person, visit.id, picture())

        assert again["filename"] != file.filename
        assert files.fetch(client, person, again["url"]).status_code == 200

    def test_a_booking_without_files_waits_for_nobodys(self, client: FlaskClient, person: SignedIn) -> None:
        body = factories.booking_body(factories.make_doctor(HOUR))
        with content.one_at_a_time:
            told(client.post("/api/appointments/book", json=body, headers=person.headers), 201)

    def test_it_is_told_whether_the_patient_has_sent_it(
        self, app: Flask, client: FlaskClient, person: SignedIn, visit: Appointment
    ) -> None:
        desk = factories.sign_in(app, factories.make_user(Role.RECEPTIONIST))
        (own,) = files.uploaded(client, person, visit.id, category="prescriptions")
        (clinics,) = files.uploaded(client, desk, visit.id, category="prescriptions")

        assert [(one["category"], one["fromPatient"]) for one in (own, clinics)] == [
            ("prescriptions", True),
            ("prescriptions", False),
        ]

    @in_a_folder
    def test_files_of_a_folder_whose_disk_is_away_are_told_to_come_later(
        self, client: FlaskClient, person: SignedIn, visit: Appointment
    ) -> None:
        files.uploaded(client, person, visit.id)
        shutil.rmtree(settings().uploads.folder)

        assert refused(files.send(client, person, visit.id, picture())) == (503, "SERVICE_UNAVAILABLE")
        assert not settings().uploads.folder.exists()

    @in_a_folder
    def test_the_first_file_takes_a_new_folder_into_use(
        self, client: FlaskClient, person: SignedIn, visit: Appointment
    ) -> None:
        shutil.rmtree(settings().uploads.folder)

        assert len(files.uploaded(client, person, visit.id)) == 1

    @in_a_folder
    def test_a_storage_that_can_not_be_written_is_told_and_leaves_nothing(
        self, client: FlaskClient, person: SignedIn, visit: Appointment
    ) -> None:
        root = settings().uploads.folder
        files.uploaded(client, person, visit.id)
        before = File.objects.count()
        shutil.rmtree(root / "appointments")
        (root / "appointments").write_text("no folder")

        assert refused(files.send(client, person, visit.id, picture())) == (503, "SERVICE_UNAVAILABLE")
        assert File.there().count() == before

    @in_a_folder
    def test_a_json_body_is_no_upload(self, client: FlaskClient, person: SignedIn) -> None:
        answer = client.post("/api/files/upload/appointments", json={}, headers=person.headers)

        assert refused(answer) == (415, "UNSUPPORTED_MEDIA_TYPE")

    @in_a_folder
    def test_a_route_that_takes_no_files_reads_none(self, client: FlaskClient, person: SignedIn) -> None:
        answer = client.put("/api/users/profile", data={"name": picture()}, headers=person.headers)

        assert refused(answer) == (415, "UNSUPPORTED_MEDIA_TYPE")
        assert files.nothing_is_left()

    @in_a_folder
    def test_a_body_beyond_all_measure_is_refused_before_it_is_read(
        self, client: FlaskClient, person: SignedIn
    ) -> None:
        answer = client.post(
            "/api/files/upload/appointments",
            data=b"",
            content_type="multipart/form-data; boundary=x",
            headers=person.headers,
            environ_overrides={"CONTENT_LENGTH": str(100 * 1024 * 1024)},
        )

        assert refused(answer) == (413, "PAYLOAD_TOO_LARGE")

    @in_a_folder
    def test_a_body_that_is_cut_off_leaves_nothing(self, client: FlaskClient, person: SignedIn) -> None:
        part = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n\x89PNG'
        answer = client.post(
            "/api/files/upload/appointments",
            data=part,
            content_type="multipart/form-data; boundary=x",
            headers=person.headers,
        )

        assert answer.status_code == 400
        assert files.nothing_is_left()

    @in_a_folder
    def test_uploads_have_a_budget_of_their_own(self, app: Flask, person: SignedIn, visit: Appointment) -> None:
        del app
        with factories.another_app(rate_limits=factories.rate_limits(upload=1)) as strict:
            answers = [files.send(strict.test_client(), person, visit.id, picture()).status_code for _ in range(2)]

        assert answers == [200, 429]


class TestBooking:
    def test_images_come_with_a_booking(self, client: FlaskClient, person: SignedIn) -> None:
        body = factories.booking_body(factories.make_doctor(HOUR), images=[picture(), files.pdf()])
        booked = told(client.post("/api/appointments/book", data=body, headers=person.headers), 201)["appointment"]

        assert [one["mimeType"] for one in booked["images"]] == ["image/png", "application/pdf"]
        assert File.there().count() == 2

    def test_a_refused_booking_leaves_no_file(self, client: FlaskClient, person: SignedIn) -> None:
        doctor = factories.make_doctor(HOUR)
        factories.make_visit(doctor=doctor)
        body = factories.booking_body(doctor, images=[picture()])

        answer = client.post("/api/appointments/book", data=body, headers=person.headers)

        assert refused(answer) == (400, "SLOT_UNAVAILABLE")
        assert files.nothing_is_left()

    def test_a_refused_file_books_nothing(self, client: FlaskClient, person: SignedIn) -> None:
        body = factories.booking_body(factories.make_doctor(HOUR), images=[(BytesIO(b"no"), "a.png")])

        assert (
            refused(client.post("/api/appointments/book", data=body, headers=person.headers))[1] == "INVALID_FILE_TYPE"
        )
        assert Appointment.objects.count() == 0

    def test_sent_twice_with_its_key_it_is_one_visit_with_one_set_of_files(self, app: Flask, person: SignedIn) -> None:
        doctor, headers = factories.make_doctor(HOUR), {**person.headers, "Idempotency-Key": "the-same-key"}

        def book(_: int) -> Any:
            body = factories.booking_body(doctor, images=[picture()])
            return told(app.test_client().post("/api/appointments/book", data=body, headers=headers), 201)[
                "appointment"
            ]

        one, other = at_once(2, book)
        assert one["_id"] == other["_id"]
        assert File.objects.count() == 1

    def test_a_key_with_other_files_is_another_request(self, client: FlaskClient, person: SignedIn) -> None:
        doctor, headers = factories.make_doctor(HOUR), {**person.headers, "Idempotency-Key": "the-same-key"}
        answers = [
            client.post("/api/appointments/book", data=factories.booking_body(doctor, images=[sent]), headers=headers)
            for sent in (picture(), picture(size=(9, 9)))
        ]

        assert [answer.status_code for answer in answers] == [201, 422]
        assert File.objects.count() == 1


class TestOutcomes:
    def test_files_of_a_commit_that_was_made_unheard_stay(
        self, client: FlaskClient, person: SignedIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def made_unheard(work: Callable[[Any], Any], *, once: bool) -> Any:
            transaction(work, once=once)
            raise WTimeoutError("the commit was made, but its answer got lost")

        monkeypatch.setattr(booking, "transaction", made_unheard)
        body = factories.booking_body(factories.make_doctor(HOUR), images=[picture()])

        assert client.post("/api/appointments/book", data=body, headers=person.headers).status_code == 503
        assert (Appointment.objects.count(), File.there().count()) == (1, 1)

    def test_what_the_purge_took_meanwhile_books_nothing(
        self, client: FlaskClient, person: SignedIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def after_a_purge(work: Callable[[Any], Any], *, once: bool) -> Any:
            File.doom({}, now=clock.now())
            return transaction(work, once=once)

        monkeypatch.setattr(booking, "transaction", after_a_purge)
        body = factories.booking_body(factories.make_doctor(HOUR), images=[picture()])

        assert refused(client.post("/api/appointments/book", data=body, headers=person.headers))[0] == 503
        assert Appointment.objects.count() == 0


class TestPortraits:
    def send(self, client: FlaskClient, who: SignedIn, *sent: files.Sent) -> Any:
        return client.post(PROFILES, data={"files": list(sent)}, headers=who.headers)

    def test_it_is_shown_in_the_profile(self, client: FlaskClient, person: SignedIn) -> None:
        (sent,) = told(self.send(client, person, picture()))["uploadedFiles"]

        shown = told(client.get("/api/users/profile", headers=person.headers))["user"]
        assert shown["avatar"] == sent["url"]

    def test_a_new_one_takes_the_place_of_the_old(self, client: FlaskClient, person: SignedIn) -> None:
        first, second = (told(self.send(client, person, picture()))["uploadedFiles"][0] for _ in range(2))

        assert [file.filename for file in File.there()] == [second["filename"]]
        assert files.fetch(client, person, first["url"]).status_code == 404

    def test_two_at_once_leave_one(self, app: Flask, person: SignedIn) -> None:
        at_once(2, lambda _: self.send(app.test_client(), person, picture()))

        (left,) = File.there()
        assert User.objects.get(id=person.user.id).avatar == left.filename

    @pytest.mark.parametrize(
        ("sent", "code"),
        [([files.pdf], "INVALID_FILE_TYPE"), ([picture, picture], "TOO_MANY_FILES")],
        ids=["PDF", "two"],
    )
    def test_it_is_one_picture(self, client: FlaskClient, person: SignedIn, sent: Any, code: str) -> None:
        assert refused(self.send(client, person, *(make() for make in sent))) == (400, code)
        assert files.nothing_is_left()
