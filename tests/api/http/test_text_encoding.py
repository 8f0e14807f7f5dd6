"""Texts that are not UTF-8 are refused wherever they come from, and name their field."""

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from arthomed.users.models import User
from tests import factories
from tests.api.http.test_multipart import END, MULTIPART, field, file_part, part
from tests.api.http.test_request_bodies import FORM, put
from tests.factories import SignedIn, data_of, envelope_of, error_of, picture

MESSAGE = "Must be encoded in UTF-8."
INVALID = {
    "a byte of Latin-1": b"Jos%E9",
    "a byte of no UTF-8": b"Jos%FF",
    "a surrogate": b"Jos%ED%A0%80",
    "an overlong form": b"Jos%C0%AF",
    "a cut off character": b"Jos%C3",
    "a raw byte": b"Jos\xe9",
}
IN_QUERIES = {name: text.decode("latin-1") for name, text in INVALID.items()}


def named_by(response: TestResponse) -> list[str]:
    """The fields that a refusal names as not UTF-8."""
    assert error_of(response) == (400, "VALIDATION_ERROR")
    assert {one["message"] for one in envelope_of(response)["errors"]} == {MESSAGE}
    assert all("value" not in one for one in envelope_of(response)["errors"])
    return [one["field"] for one in envelope_of(response)["errors"]]


class TestForms:
    @pytest.mark.parametrize("text", INVALID.values(), ids=INVALID)
    def test_a_text_is_refused_and_nothing_is_stored(self, client: FlaskClient, person: SignedIn, text: bytes) -> None:
        before = User.objects.get(id=person.user.id).name

        assert named_by(put(client, person, b"name=" + text + b"&email=a@clinic.example", FORM)) == ["name"]
        assert User.objects.get(id=person.user.id).name == before

    def test_all_such_fields_are_named(self, client: FlaskClient, person: SignedIn) -> None:
        assert named_by(put(client, person, b"name=%FF&email=%FE&email=%FF&x=a", FORM)) == ["name", "email"]

    def test_the_name_of_a_field_is_shown_as_far_as_it_can_be(self, client: FlaskClient, person: SignedIn) -> None:
        assert named_by(put(client, person, b"na%FFme=Asha", FORM)) == ["na?me"]

    def test_a_response_has_at_most_a_hundred_errors(self, client: FlaskClient, person: SignedIn) -> None:
        body = b"&".join(b"%d=%%FF" % number for number in range(900))

        assert len(named_by(put(client, person, body, FORM))) == 100

    @pytest.mark.parametrize("text", ["%EF%BF%BD", "\ufffd"])
    def test_a_replacement_character_that_was_sent_is_text(
        self, client: FlaskClient, person: SignedIn, text: str
    ) -> None:
        response = put(client, person, f"email={text}".encode(), FORM)

        assert envelope_of(response)["errors"][0]["value"] == "\ufffd"

    @pytest.mark.parametrize("path", ["/api/auth/send-otp", "/api/auth/refresh-token", "/api/auth/logout"])
    def test_every_route_refuses_them(self, client: FlaskClient, path: str) -> None:
        assert named_by(client.post(path, data=b"refreshToken=%FF", content_type=FORM)) == ["refreshToken"]


class TestMultipart:
    @pytest.mark.parametrize("charset", [b"", b"; charset=utf-8", b"; charset=us-ascii"])
    def test_a_text_is_refused(self, client: FlaskClient, person: SignedIn, charset: bytes) -> None:
        reason = part(b'name="reason"\r\nContent-Type: text/plain' + charset, b"Jos\xe9")

        assert named_by(book(client, person, field("appointmentTime", "09:00") + reason)) == ["reason"]

    def test_a_text_in_its_declared_charset_is_accepted(self, client: FlaskClient, person: SignedIn) -> None:
        fields = factories.booking_body(factories.make_doctor())
        fields.pop("reason")
        body = b"".join(field(name, str(text)) for name, text in fields.items())
        reason = part(b'name="reason"\r\nContent-Type: text/plain; charset=ISO-8859-1', b"Caf\xe9")

        booked = data_of(book(client, person, reason + body + field("purposeOfVisit", "follow-up")), 201)

        assert (booked["appointment"]["reason"], booked["appointment"]["purposeOfVisit"]) == ("Caf\xe9", "follow-up")

    def test_a_percent_encoded_file_name_is_refused(self, client: FlaskClient, person: SignedIn) -> None:
        names = [b"UTF-8''Jos%E9.png", b"UTF-8''Jos%C3%A9.png"]
        parts = [file_part(picture()[0].read(), b'name="files"; filename*=' + name) for name in names]

        refused, accepted = (upload(client, person, one) for one in parts)

        assert named_by(refused) == ["files"]
        assert data_of(accepted)["uploadedFiles"][0]["originalName"] == "Jos\xe9.png"

    def test_a_replacement_character_in_a_file_name_is_accepted(self, client: FlaskClient, person: SignedIn) -> None:
        name = 'name="files"; filename="Jos\ufffd.png"'

        stored = data_of(upload(client, person, file_part(picture()[0].read(), name.encode())))

        assert stored["uploadedFiles"][0]["originalName"].startswith("Jos")


class TestQueries:
    @pytest.mark.parametrize("text", IN_QUERIES.values(), ids=IN_QUERIES)
    def test_a_parameter_is_refused(self, client: FlaskClient, admin: SignedIn, text: str) -> None:
        query = {"QUERY_STRING": f"search={text}"}

        assert named_by(client.get("/api/users", headers=admin.headers, environ_overrides=query)) == ["search"]

    @pytest.mark.parametrize("query", ["x=%FF", "%FF", "x=\xff", "\xff=1"])
    def test_a_route_without_parameters_refuses_them(self, client: FlaskClient, admin: SignedIn, query: str) -> None:
        response = client.get("/api/auth/me", headers=admin.headers, environ_overrides={"QUERY_STRING": query})

        assert error_of(response) == (400, "VALIDATION_ERROR")


def book(client: FlaskClient, person: SignedIn, body: bytes) -> TestResponse:
    path = "/api/appointments/book"
    return client.post(path, data=body + END, content_type=MULTIPART, headers=person.headers)


def upload(client: FlaskClient, person: SignedIn, body: bytes) -> TestResponse:
    path = "/api/files/upload/profiles"
    return client.post(path, data=body + END, content_type=MULTIPART, headers=person.headers)
