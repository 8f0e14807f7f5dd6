"""What the environment may say, and what is told when it can't be used."""

import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from arthomed.config import AppEnv, ConfigurationError, RateLimits, Settings, require_loopback, settings

Read = Callable[..., Settings]

SECRETS = ("JWT_SECRET", "JWT_REFRESH_SECRET", "OTP_SECRET")
TWILIO = ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_PHONE_NUMBER")
SERVICE = "TWILIO_MESSAGING_SERVICE_SID"
NEEDED = (*SECRETS, "MONGODB_URI", "REDIS_URL", "DLT_ENTITY_ID", *TWILIO)
STRONG = "Zk3v9QwT7rLx2MnB8pYc5HdJ4sGf6AeU"
PRODUCTION = {
    "APP_ENV": "production",
    "JWT_SECRET": STRONG + "1",
    "JWT_REFRESH_SECRET": STRONG + "2",
    "OTP_SECRET": STRONG + "3",
    "MONGODB_URI": "mongodb+srv://clinic:hunter2@db.example/arthomed",
    "REDIS_URL": "rediss://redis.example:6380/0",
    "DLT_ENTITY_ID": "1101000000000000001",
    **dict.fromkeys(TWILIO, "something"),
}
NUMBERS = (
    "PORT",
    "WEB_CONCURRENCY",
    "WEB_THREADS",
    "ACCESS_TOKEN_MINUTES",
    "REFRESH_TOKEN_MINUTES",
    "TRUSTED_PROXIES",
    "RATE_LIMIT_WINDOW_MS",
    "RATE_LIMIT_MAX_REQUESTS",
    "RATE_LIMIT_USER_MAX_REQUESTS",
    "RATE_LIMIT_AUTH_MAX_REQUESTS",
    "RATE_LIMIT_BOOKING_MAX_REQUESTS",
    "MESSAGE_LEASE_SECONDS",
    "RECEIPT_WAIT_MINUTES",
    "SLOT_MINUTES",
    "BOOKING_HORIZON_DAYS",
    "CANCEL_NOTICE_MINUTES",
    "MAX_OPEN_VISITS",
    "NO_SHOW_AFTER_MINUTES",
    "OTP_PER_NUMBER_HOUR",
    "OTP_PER_ADDRESS_HOUR",
    "OTP_PER_CLINIC_DAY",
)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Read:
    """Read the settings from this environment and no other."""
    for name in os.environ:
        monkeypatch.delenv(name)

    def read_settings(**env: str) -> Settings:
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        return settings.__wrapped__()

    return read_settings


def refusal_of(read: Read, **env: str) -> str:
    with pytest.raises(ConfigurationError) as refused:
        read(**env)
    return str(refused.value)


def test_development_needs_no_settings(read: Read) -> None:
    assert read().app_env is AppEnv.DEVELOPMENT


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", 5000),
        ("host", "127.0.0.1"),
        ("trusted_proxies", 0),
        ("log_level", "info"),
        ("twilio", None),
        ("smtp_url", None),
        ("access_token_lifetime", timedelta(hours=1)),
        ("cors_origins", ("http://localhost:3000", "http://localhost:19006")),
    ],
)
def test_defaults_are_those_of_the_contract(read: Read, name: str, value: object) -> None:
    assert getattr(read(), name) == value


def test_rate_limits_have_the_defaults_of_the_contract(read: Read) -> None:
    assert read().rate_limits == RateLimits(
        window=timedelta(minutes=15), address=100, user=1000, auth=30, booking=30, upload=30
    )


def test_the_clinic_s_numbers_have_the_defaults_of_the_contract(read: Read) -> None:
    policy = read().policy

    assert policy.timezone == ZoneInfo("Asia/Kolkata")
    assert (policy.slot_minutes, policy.horizon_days, policy.max_open_appointments) == (30, 90, 10)
    assert policy.cancel_notice == timedelta(minutes=120)


def test_codes_have_the_numbers_of_the_contract(read: Read) -> None:
    codes = read().codes

    assert (codes.lifetime, codes.resend_after, codes.lock) == tuple(timedelta(minutes=n) for n in (5, 1, 30))
    assert (codes.max_attempts, codes.failures_to_lock) == (3, 5)
    assert (codes.hourly_quota_per_number, codes.hourly_quota_per_address) == (10, 20)


def test_settings_can_not_be_changed(read: Read) -> None:
    found: Any = read()

    with pytest.raises(AttributeError):
        found.port = 1


@pytest.mark.parametrize("env", AppEnv)
def test_the_three_environments_are_known(read: Read, env: AppEnv) -> None:
    assert read(**{**PRODUCTION, "APP_ENV": env}).app_env is env


def test_an_unknown_environment_is_refused_with_the_known_ones(read: Read) -> None:
    assert "APP_ENV: Must be one of: development, test, production." in refusal_of(read, APP_ENV="staging")


@pytest.mark.parametrize("level", ["debug", "info", "warn", "warning", "error", "critical", "ERROR"])
def test_log_levels_are_known_in_any_case(read: Read, level: str) -> None:
    assert read(LOG_LEVEL=level).log_level == level.lower()


@pytest.mark.parametrize("level", ["loud", "", "0", "notset"])
def test_an_unknown_log_level_is_refused_with_the_known_ones(read: Read, level: str) -> None:
    told = refusal_of(read, LOG_LEVEL=level)

    assert "LOG_LEVEL: Must be one of: debug, info, warn, warning, error, critical." in told


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("text", ["ten", "", "1.5", "1e3", "-1", "0x10", "9" * 5000])
def test_a_malformed_number_is_named(read: Read, name: str, text: str) -> None:
    assert f"{name}: " in refusal_of(read, **{name: text})


@pytest.mark.parametrize("name", ["ACCESS_TOKEN_MINUTES", "REFRESH_TOKEN_MINUTES", "CANCEL_NOTICE_MINUTES"])
def test_a_span_that_no_calendar_holds_is_named(read: Read, name: str) -> None:
    assert f"{name}: " in refusal_of(read, **{name: "999999999999"})


@pytest.mark.parametrize("port", ["0", "65536"])
def test_a_port_that_there_is_not_is_named(read: Read, port: str) -> None:
    assert "PORT: " in refusal_of(read, PORT=port)


@pytest.mark.parametrize("dsn", ["sentry", "https://sentry.example/1", "https://key@sentry.example", "https://key@/1"])
def test_a_dsn_without_key_host_and_project_is_named(read: Read, dsn: str) -> None:
    assert "SENTRY_DSN: Must be https://key@host/project." in refusal_of(read, SENTRY_DSN=dsn)


@pytest.mark.parametrize("sender", ["Arthomed", "@arthomed.example", "clinic@", "Arthomed <clinic>", "a@b\nBcc: c@d"])
def test_a_sender_without_an_address_is_named(read: Read, sender: str) -> None:
    assert "EMAIL_FROM: Must be an address, or Name <address>." in refusal_of(read, EMAIL_FROM=sender)


@pytest.mark.parametrize(
    ("said", "sender"),
    [("", "clinic@arthomed.example"), ("a@b.example", "a@b.example"), ("Asha <a@b.example>", "Asha <a@b.example>")],
)
def test_the_sender_of_letters(read: Read, said: str, sender: str) -> None:
    assert read(EMAIL_FROM=said).email_from == sender


@pytest.mark.parametrize("entity", ["1", "1" * 20, "110100000000000000x"])
def test_an_entity_id_that_carriers_never_gave_is_named(read: Read, entity: str) -> None:
    assert "DLT_ENTITY_ID: Must be 19 digits." in refusal_of(read, DLT_ENTITY_ID=entity)


@pytest.mark.parametrize("zone", ["Mars/Base", "", "Asia", "../../etc/passwd", "/etc/localtime", "Asia/Kolkata\x1b"])
def test_an_unknown_time_zone_is_named(read: Read, zone: str) -> None:
    assert "CLINIC_TIMEZONE: There is no time zone" in refusal_of(read, CLINIC_TIMEZONE=zone)


@pytest.mark.parametrize(("name", "scheme"), [("MONGODB_URI", "mongodb"), ("REDIS_URL", "redis")])
def test_an_address_of_another_kind_is_named_but_not_repeated(read: Read, name: str, scheme: str) -> None:
    told = refusal_of(read, **{name: "http://clinic:hunter2@db.example"})

    assert f"{name}: Must begin with {scheme}://." in told
    assert "hunter2" not in told


def test_all_that_is_wrong_is_told_at_once(read: Read) -> None:
    env = {"PORT": "x", "CLINIC_TIMEZONE": "Mars", "LOG_LEVEL": "loud", "APP_ENV": "staging", "SLOT_MINUTES": "1"}

    told = refusal_of(read, **env)

    assert [name for name in env if name not in told] == []


def test_a_production_without_settings_names_all_that_is_missing_in_one_message(read: Read) -> None:
    told = refusal_of(read, APP_ENV="production")

    assert [name for name in NEEDED if name not in told] == []


def test_what_is_malformed_and_what_is_missing_are_told_together(read: Read) -> None:
    told = refusal_of(read, APP_ENV="production", PORT="x")

    assert [name for name in ("PORT", *NEEDED) if name not in told] == []


@pytest.mark.parametrize("name", NEEDED)
@pytest.mark.parametrize("value", [None, ""], ids=["absent", "empty"])
def test_production_names_the_one_setting_that_is_missing(read: Read, name: str, value: str | None) -> None:
    env = {**PRODUCTION, name: value or ""}
    if value is None:
        del env[name]

    told = refusal_of(read, **env)

    assert name in told
    assert "missing" in told


def test_a_complete_production_starts(read: Read) -> None:
    assert read(**PRODUCTION).is_production


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize(
    "secret",
    ["secret", STRONG[:31], "a" * 64, "abcd" * 16, " " * 40, f"only-for-development-and-test-{STRONG}"],
    ids=["short", "one byte short", "one letter", "four letters", "blanks", "of development"],
)
def test_production_refuses_a_weak_secret(read: Read, name: str, secret: str) -> None:
    assert f"{name}: weak" in refusal_of(read, **{**PRODUCTION, name: secret})


def test_the_secrets_of_development_are_not_good_enough_for_production(read: Read) -> None:
    local = read()
    env = {**PRODUCTION, "JWT_SECRET": local.jwt_secret, "OTP_SECRET": local.otp_secret}

    told = refusal_of(read, **env)

    assert "JWT_SECRET: weak" in told
    assert "OTP_SECRET: weak" in told


@pytest.mark.parametrize(("one", "other"), [SECRETS[:2], SECRETS[1:], SECRETS[::2]])
def test_production_refuses_equal_secrets(read: Read, one: str, other: str) -> None:
    assert "must differ" in refusal_of(read, **{**PRODUCTION, one: STRONG, other: STRONG})


def test_a_refusal_does_not_repeat_a_secret(read: Read) -> None:
    assert "hunter2" not in refusal_of(read, APP_ENV="production", JWT_SECRET="hunter2")


@pytest.mark.parametrize("name", SECRETS)
def test_no_secret_has_a_default_in_production(read: Read, name: str) -> None:
    env = {key: value for key, value in PRODUCTION.items() if key != name}

    assert f"{name}: missing" in refusal_of(read, **env)


def test_an_empty_secret_is_none_outside_production(read: Read) -> None:
    found = read(JWT_SECRET="", JWT_REFRESH_SECRET="", OTP_SECRET="")

    assert len({found.jwt_secret, found.jwt_refresh_secret, found.otp_secret, ""}) == 4


def test_an_empty_address_of_a_server_is_none_outside_production(read: Read) -> None:
    found = read(MONGODB_URI="", REDIS_URL="")

    assert (found.mongodb_uri, found.redis_url) == ("mongodb://127.0.0.1:27017/arthomed", "redis://127.0.0.1:6379/0")


@pytest.mark.parametrize("absent", TWILIO)
def test_sms_go_through_twilio_only_when_all_three_settings_are_present(read: Read, absent: str) -> None:
    assert read(**{name: "something" for name in TWILIO if name != absent}).twilio is None


def test_a_messaging_service_does_for_the_number(read: Read) -> None:
    env = {**PRODUCTION, SERVICE: "MG1"}
    del env["TWILIO_PHONE_NUMBER"]

    found = read(**env).twilio

    assert found is not None
    assert (found.phone_number, found.messaging_service_sid) == (None, "MG1")


def test_production_is_quiet_at_night_and_the_rest_is_not(read: Read) -> None:
    assert read(**PRODUCTION).delivery.quiet == ("21:00", "08:00")
    assert read(APP_ENV="development").delivery.quiet is None


@pytest.mark.parametrize(("hours", "quiet"), [("22:30-07:00", ("22:30", "07:00")), ("off", None), ("", None)])
def test_quiet_hours_can_be_chosen(read: Read, hours: str, quiet: object) -> None:
    assert read(**PRODUCTION, QUIET_HOURS=hours).delivery.quiet == quiet


@pytest.mark.parametrize("hours", ["21-8", "21:00", "24:00-08:00", "21:00-08:00-09:00", "21:00-08:00\n", "on"])
def test_quiet_hours_that_are_none_are_named(read: Read, hours: str) -> None:
    assert "QUIET_HOURS: Must be HH:MM-HH:MM, or off." in refusal_of(read, QUIET_HOURS=hours)


def test_without_receipts_in_ten_minutes_another_way_is_taken(read: Read) -> None:
    assert read().delivery.receipt_wait == timedelta(minutes=10)


@pytest.mark.parametrize("url", ["https://api.clinic.example", "https://api.clinic.example/"])
def test_the_public_address_ends_without_a_slash(read: Read, url: str) -> None:
    assert read(PUBLIC_URL=url).public_url == "https://api.clinic.example"


@pytest.mark.parametrize(
    "url", ["api.clinic.example", "https://clinic.example/api", "https://", "ftp://clinic.example"]
)
def test_a_public_address_that_is_no_origin_is_named(read: Read, url: str) -> None:
    assert "PUBLIC_URL: Must be an origin" in refusal_of(read, PUBLIC_URL=url)


def test_pushes_need_the_file_of_a_service_account(read: Read, tmp_path: Path) -> None:
    file = tmp_path / "account.json"
    assert read().fcm is None
    assert "FCM_CREDENTIALS_FILE: Must be the JSON file of a service account." in refusal_of(
        read, FCM_CREDENTIALS_FILE=str(file)
    )
    for content in ("", "{}", "[]", '{"client_email": 5}'):
        file.write_text(content)
        assert "FCM_CREDENTIALS_FILE: " in refusal_of(read, FCM_CREDENTIALS_FILE=str(file))

    file.write_text(json.dumps(dict.fromkeys(("client_email", "private_key", "token_uri", "project_id"), "x")))
    found = read(FCM_CREDENTIALS_FILE=str(file)).fcm
    assert found is not None
    assert (found.credentials_file, found.api_url) == (file, "https://fcm.googleapis.com")


def test_origins_are_a_list_with_commas(read: Read) -> None:
    found = read(CORS_ORIGINS=" https://a.example, https://b.example ,")

    assert found.cors_origins == ("https://a.example", "https://b.example")


def test_production_lets_no_origin_in_unless_it_is_told(read: Read) -> None:
    assert read(**PRODUCTION).cors_origins == ()


def test_production_listens_everywhere_unless_it_is_told(read: Read) -> None:
    assert read(**PRODUCTION).host == "0.0.0.0"


LOOPBACK = ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost", "LOCALHOST"]
PUBLIC = ["0.0.0.0", "::", "[::]", "192.168.1.5", "10.0.0.1", "clinic.example", "127.0.0.1.example", "::ffff:10.0.0.1"]


@pytest.mark.parametrize("app_env", ["development", "test"])
@pytest.mark.parametrize("host", PUBLIC)
def test_development_and_test_refuse_a_host_that_is_not_loopback(read: Read, app_env: str, host: str) -> None:
    refusal = refusal_of(read, APP_ENV=app_env, HOST=host)

    assert f"HOST: {host} is not a loopback address" in refusal
    assert "set HOST=127.0.0.1, APP_ENV=production, or ALLOW_PUBLIC_DEVELOPMENT=true" in refusal


def test_an_unset_environment_refuses_a_host_that_is_not_loopback(read: Read) -> None:
    assert "HOST: 0.0.0.0 is not a loopback address" in refusal_of(read, HOST="0.0.0.0")


@pytest.mark.parametrize("host", LOOPBACK)
def test_development_listens_on_loopback(read: Read, host: str) -> None:
    assert read(HOST=host).host == host


def test_an_empty_host_is_the_default(read: Read) -> None:
    assert read(HOST="").host == "127.0.0.1"


def test_development_listens_on_any_address_when_told_explicitly(read: Read) -> None:
    assert read(HOST="0.0.0.0", ALLOW_PUBLIC_DEVELOPMENT="true").host == "0.0.0.0"
    assert "HOST: 0.0.0.0 is not" in refusal_of(read, HOST="0.0.0.0", ALLOW_PUBLIC_DEVELOPMENT="false")


@pytest.mark.parametrize("host", PUBLIC)
def test_production_listens_on_any_address(read: Read, host: str) -> None:
    assert read(**PRODUCTION, HOST=host).host == host


@pytest.mark.parametrize("address", [*((host, 5000) for host in PUBLIC), ("", 5000), 3], ids=str)
def test_development_refuses_to_bind_an_address_that_is_not_loopback(read: Read, address: Any) -> None:
    with pytest.raises(ConfigurationError, match="is not a loopback address"):
        require_loopback(read(), [("127.0.0.1", 5000), address])


@pytest.mark.parametrize("address", [*((host, 5000) for host in LOOPBACK), "/run/arthomed.sock"], ids=str)
def test_development_binds_loopback_and_unix_sockets(read: Read, address: Any) -> None:
    require_loopback(read(), [address])


def test_production_binds_any_address(read: Read) -> None:
    require_loopback(read(**PRODUCTION), [("0.0.0.0", 5000)])


def test_development_binds_any_address_when_told_explicitly(read: Read) -> None:
    require_loopback(read(ALLOW_PUBLIC_DEVELOPMENT="true"), [("0.0.0.0", 5000)])


def test_the_mailbox_is_among_the_data(read: Read) -> None:
    assert str(read(VAR_DIR="/data/clinic").mailbox_file) == "/data/clinic/mailbox.jsonl"


def test_settings_are_read_once() -> None:
    assert settings() is settings()


@pytest.mark.parametrize("name", SECRETS)
def test_the_secret_of_before_may_be_kept_while_it_is_changed(read: Read, name: str) -> None:
    found = read(**PRODUCTION, **{f"{name}_PREVIOUS": STRONG + "0"})

    kept = {"JWT_SECRET": found.jwt_keys, "JWT_REFRESH_SECRET": found.jwt_refresh_keys, "OTP_SECRET": found.otp_keys}
    assert kept[name] == (PRODUCTION[name], STRONG + "0")


@pytest.mark.parametrize(
    ("secret", "why"), [("short", "weak"), (PRODUCTION["OTP_SECRET"], "must differ"), ("a" * 40, "weak")]
)
def test_a_secret_of_before_is_no_weaker_than_others(read: Read, secret: str, why: str) -> None:
    refusal = refusal_of(read, **PRODUCTION, JWT_SECRET_PREVIOUS=secret)

    assert "JWT_SECRET_PREVIOUS" in refusal
    assert why in refusal
