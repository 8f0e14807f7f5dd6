"""The settings of SMS, e-mail and push."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.config.environment import PRODUCTION, Read, configuration_error

SERVICE = "TWILIO_MESSAGING_SERVICE_SID"


@pytest.mark.parametrize("sender", ["Arthomed", "@arthomed.example", "clinic@", "Arthomed <clinic>", "a@b\nBcc: c@d"])
def test_an_email_sender_without_an_address_is_refused(read: Read, sender: str) -> None:
    assert "EMAIL_FROM: Must be an address, or Name <address>" in configuration_error(read, EMAIL_FROM=sender)


@pytest.mark.parametrize(
    ("value", "sender"),
    [("", "clinic@arthomed.example"), ("a@b.example", "a@b.example"), ("Asha <a@b.example>", "Asha <a@b.example>")],
)
def test_the_email_sender_may_have_a_name(read: Read, value: str, sender: str) -> None:
    assert read(EMAIL_FROM=value).email_from == sender


@pytest.mark.parametrize("entity", ["1", "1" * 20, "110100000000000000x"])
def test_a_dlt_entity_id_without_19_digits_is_refused(read: Read, entity: str) -> None:
    assert "DLT_ENTITY_ID: Must be 19 digits." in configuration_error(read, DLT_ENTITY_ID=entity)


def test_a_messaging_service_replaces_the_phone_number(read: Read) -> None:
    env = {**PRODUCTION, SERVICE: "MG" + "2" * 32}
    del env["TWILIO_PHONE_NUMBER"]

    found = read(**env).twilio

    assert found is not None
    assert (found.phone_number, found.messaging_service_sid) == (None, "MG" + "2" * 32)


def test_quiet_hours_are_on_by_default_in_production_only(read: Read) -> None:
    assert read(**PRODUCTION).delivery.quiet == ("21:00", "08:00")
    assert read(APP_ENV="development").delivery.quiet is None


@pytest.mark.parametrize(("hours", "quiet"), [("22:30-07:00", ("22:30", "07:00")), ("off", None), ("", None)])
def test_quiet_hours_are_configurable(read: Read, hours: str, quiet: object) -> None:
    assert read(**PRODUCTION, QUIET_HOURS=hours).delivery.quiet == quiet


@pytest.mark.parametrize("hours", ["21-8", "21:00", "24:00-08:00", "21:00-08:00-09:00", "21:00-08:00\n", "on"])
def test_malformed_quiet_hours_are_refused(read: Read, hours: str) -> None:
    assert "QUIET_HOURS: Must be HH:MM-HH:MM, or off." in configuration_error(read, QUIET_HOURS=hours)


def test_the_fallback_channel_is_used_after_ten_minutes_by_default(read: Read) -> None:
    assert read().delivery.receipt_wait == timedelta(minutes=10)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://api.clinic.example", "https://api.clinic.example"),
        ("https://api.clinic.example/", "https://api.clinic.example"),
        (" HTTPS://API.Clinic.example:443", "https://api.clinic.example"),
        ("http://127.0.0.1:05000", "http://127.0.0.1:5000"),
        (" ", None),
    ],
)
def test_the_public_url_is_normalized_to_an_origin(read: Read, url: str, origin: str | None) -> None:
    assert read(PUBLIC_URL=url).public_url == origin


@pytest.mark.parametrize(
    "url",
    [
        "api.clinic.example",
        "https://clinic.example/api",
        "https://",
        "ftp://clinic.example",
        "https://user:password@clinic.example",
        "https://*.clinic.example",
        "https://clinic.example:port",
        "https://clinic.example:0",
        "https://clinic.example:65536",
        "capacitor://localhost",
    ],
)
def test_a_public_url_that_is_not_an_origin_is_refused(read: Read, url: str) -> None:
    assert "PUBLIC_URL: Must be an origin" in configuration_error(read, PUBLIC_URL=url)


def test_push_notifications_require_the_file_of_a_service_account(read: Read, tmp_path: Path) -> None:
    file = tmp_path / "account.json"
    assert read().fcm is None
    assert "FCM_CREDENTIALS_FILE: Must be the JSON file of a service account." in configuration_error(
        read, FCM_CREDENTIALS_FILE=str(file)
    )
    for content in ("", "{}", "[]", '{"client_email": 5}'):
        file.write_text(content)
        assert "FCM_CREDENTIALS_FILE: " in configuration_error(read, FCM_CREDENTIALS_FILE=str(file))

    file.write_text(json.dumps(dict.fromkeys(("client_email", "private_key", "token_uri", "project_id"), "x")))
    found = read(FCM_CREDENTIALS_FILE=str(file)).fcm
    assert found is not None
    assert (found.credentials_file, found.api_url) == (file, "https://fcm.googleapis.com")
