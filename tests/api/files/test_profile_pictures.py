"""Uploading a profile picture."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from arthomed.files.models import File
from arthomed.users.models import User
from tests.api.files import file_requests
from tests.api.files.file_requests import FormFile
from tests.factories import SignedIn, data_of, error_of, in_parallel, picture

PROFILES = "/api/files/upload/profiles"

pytestmark = pytest.mark.usefixtures("empty_storage")


class TestProfilePictures:
    def post(self, client: FlaskClient, user: SignedIn, *pictures: FormFile) -> Any:
        return client.post(PROFILES, data={"files": list(pictures)}, headers=user.headers)

    def test_profile_has_the_url_of_the_picture(self, client: FlaskClient, person: SignedIn) -> None:
        (uploaded,) = data_of(self.post(client, person, picture()))["uploadedFiles"]

        shown = data_of(client.get("/api/users/profile", headers=person.headers))["user"]
        assert shown["avatar"] == uploaded["url"]

    def test_new_picture_replaces_the_previous_one(self, client: FlaskClient, person: SignedIn) -> None:
        first, second = (data_of(self.post(client, person, picture()))["uploadedFiles"][0] for _ in range(2))

        assert [file.filename for file in File.available()] == [second["filename"]]
        assert file_requests.fetch(client, person, first["url"]).status_code == 404

    def test_concurrent_uploads_leave_one_picture(self, app: Flask, person: SignedIn) -> None:
        in_parallel(2, lambda _: self.post(app.test_client(), person, picture()))

        (left,) = File.available()
        assert User.objects.get(id=person.user.id).avatar == left.filename

    @pytest.mark.parametrize(
        ("uploads", "code"),
        [([file_requests.pdf], "INVALID_FILE_TYPE"), ([picture, picture], "TOO_MANY_FILES")],
        ids=["PDF", "two"],
    )
    def test_pdf_or_second_picture_is_rejected(
        self, client: FlaskClient, person: SignedIn, uploads: Any, code: str
    ) -> None:
        assert error_of(self.post(client, person, *(make() for make in uploads))) == (400, code)
        assert file_requests.is_store_empty()
