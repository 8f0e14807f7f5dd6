"""The settings of the environment, and the error message if they are not usable."""

import re
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from arthomed.config import AppEnv, settings
from arthomed.config_limits import Lockout, RateLimits
from tests.stack import ROOT
from tests.unit.config.environment import PRODUCTION, Read, configuration_error

NUMBERS = (
    "PORT",
    "WEB_CONCURRENCY",
    "WEB_THREADS",
    "ACCESS_TOKEN_MINUTES",
    "REFRESH_TOKEN_MINUTES",
    "STAFF_SESSION_MAX_HOURS",
    "DASHBOARD_IDLE_MINUTES",
    "TRUSTED_PROXIES",
    "RATE_LIMIT_WINDOW_MS",
    "RATE_LIMIT_MAX_REQUESTS",
    "RATE_LIMIT_USER_MAX_REQUESTS",
    "RATE_LIMIT_AUTH_MAX_REQUESTS",
    "RATE_LIMIT_BOOKING_MAX_REQUESTS",
    "RATE_LIMIT_STAFF_BOOKING_MAX_REQUESTS",
    "RATE_LIMIT_STATIC_MAX_REQUESTS",
    "RATE_LIMIT_POLL_MAX_REQUESTS",
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
    "OTP_TO_STRANGERS_HOUR",
)


def test_development_requires_no_settings(read: Read) -> None:
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
        ("staff_session_lifetime", timedelta(hours=12)),
        ("dashboard_idle", timedelta(minutes=10)),
        ("cors_origins", tuple(f"http://localhost:{port}" for port in (3000, 5173, 8081, 19006))),
    ],
)
def test_settings_have_the_defaults_of_the_contract(read: Read, name: str, value: object) -> None:
    assert getattr(read(), name) == value


def test_rate_limits_have_the_defaults_of_the_contract(read: Read) -> None:
    assert read().rate_limits == RateLimits(
        window=timedelta(minutes=15),
        address=100,
        user=1000,
        auth=300,
        booking=30,
        staff_booking=300,
        upload=30,
        static=3000,
        poll=2000,
    )


def test_the_rules_of_the_clinic_have_the_defaults_of_the_contract(read: Read) -> None:
    policy = read().policy

    assert policy.timezone == ZoneInfo("Asia/Kolkata")
    assert (policy.slot_minutes, policy.horizon_days, policy.max_open_appointments) == (30, 90, 10)
    assert policy.cancel_notice == timedelta(minutes=120)


def test_one_time_codes_have_the_defaults_of_the_contract(read: Read) -> None:
    codes = read().codes

    assert (codes.lifetime, codes.resend_after, codes.max_attempts) == (timedelta(minutes=5), timedelta(minutes=1), 3)
    assert codes.address_lockout == Lockout(5, timedelta(minutes=30))
    assert codes.number_lockout == Lockout(100, timedelta(days=1))
    assert (codes.hourly_quota_per_number, codes.hourly_quota_per_address) == (10, 100)
    assert (codes.daily_patient_quota, codes.hourly_stranger_quota) == (5000, 100)


def test_settings_are_immutable(read: Read) -> None:
    immutable: Any = read()

    with pytest.raises(AttributeError):
        immutable.port = 1


@pytest.mark.parametrize("env", AppEnv)
def test_each_environment_is_accepted(read: Read, env: AppEnv) -> None:
    assert read(**{**PRODUCTION, "APP_ENV": env}).app_env is env


def test_an_unknown_environment_is_refused_with_the_list_of_valid_ones(read: Read) -> None:
    assert "APP_ENV: Must be one of: development, test, production." in configuration_error(read, APP_ENV="staging")


@pytest.mark.parametrize("level", ["debug", "info", "warn", "warning", "error", "critical", "ERROR"])
def test_log_levels_are_case_insensitive(read: Read, level: str) -> None:
    assert read(LOG_LEVEL=level).log_level == level.lower()


@pytest.mark.parametrize("level", ["loud", "", "0", "notset"])
def test_an_unknown_log_level_is_refused_with_the_list_of_valid_ones(read: Read, level: str) -> None:
    error = configuration_error(read, LOG_LEVEL=level)

    assert "LOG_LEVEL: Must be one of: debug, info, warn, warning, error, critical." in error


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("text", ["ten", "", "1.5", "1e3", "-1", "0x10", "9" * 5000])
def test_a_malformed_number_is_refused_by_name(read: Read, name: str, text: str) -> None:
    assert f"{name}: " in configuration_error(read, **{name: text})


@pytest.mark.parametrize(
    "name", ["ACCESS_TOKEN_MINUTES", "REFRESH_TOKEN_MINUTES", "STAFF_SESSION_MAX_HOURS", "CANCEL_NOTICE_MINUTES"]
)
def test_a_duration_beyond_the_maximum_is_refused(read: Read, name: str) -> None:
    assert f"{name}: " in configuration_error(read, **{name: "999999999999"})


@pytest.mark.parametrize("port", ["0", "65536"])
def test_a_port_out_of_range_is_refused(read: Read, port: str) -> None:
    assert "PORT: " in configuration_error(read, PORT=port)


@pytest.mark.parametrize("dsn", ["sentry", "https://sentry.example/1", "https://key@sentry.example", "https://key@/1"])
def test_a_sentry_dsn_without_key_host_or_project_is_refused(read: Read, dsn: str) -> None:
    assert "SENTRY_DSN: Must be https://key@host/project." in configuration_error(read, SENTRY_DSN=dsn)


@pytest.mark.parametrize("zone", ["Mars/Base", "", "Asia", "../../etc/passwd", "/etc/localtime", "Asia/Kolkata\x1b"])
def test_an_unknown_time_zone_is_refused(read: Read, zone: str) -> None:
    assert "CLINIC_TIMEZONE: There is no time zone" in configuration_error(read, CLINIC_TIMEZONE=zone)


@pytest.mark.parametrize(("name", "scheme"), [("MONGODB_URI", "mongodb"), ("REDIS_URL", "redis")])
def test_a_server_address_with_another_scheme_is_refused_without_repeating_it(
    read: Read, name: str, scheme: str
) -> None:
    error = configuration_error(read, **{name: "http://clinic:hunter2@db.example"})

    assert f"{name}: Must begin with {scheme}://." in error
    assert "hunter2" not in error


def test_one_message_names_all_malformed_settings(read: Read) -> None:
    env = {"PORT": "x", "CLINIC_TIMEZONE": "Mars", "LOG_LEVEL": "loud", "APP_ENV": "staging", "SLOT_MINUTES": "1"}

    error = configuration_error(read, **env)

    assert [name for name in env if name not in error] == []


def test_cors_origins_are_separated_by_commas(read: Read) -> None:
    found = read(CORS_ORIGINS=" https://a.example, https://b.example ,")

    assert found.cors_origins == ("https://a.example", "https://b.example")


@pytest.mark.parametrize(
    ("sent", "origin"),
    [
        ("https://clinic.in/", "https://clinic.in"),
        ("https://Clinic.IN", "https://clinic.in"),
        ("https://clinic.in:443", "https://clinic.in"),
        ("http://clinic.in:80/", "http://clinic.in"),
        ("http://clinic.in:443", "http://clinic.in:443"),
        ("https://clinic.in:0443", "https://clinic.in"),
        ("https://clinic.in:08443", "https://clinic.in:8443"),
        ("https://clinic.in:65535", "https://clinic.in:65535"),
        ("http://192.168.1.5:8081", "http://192.168.1.5:8081"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("https://a.in,https://A.in/", "https://a.in"),
    ],
)
def test_cors_origins_are_normalized_to_what_browsers_send(read: Read, sent: str, origin: str) -> None:
    assert read(CORS_ORIGINS=sent).cors_origins == (origin,)


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "https://*.clinic.in",
        "https://.*",
        "https://clinic.in/app",
        "https://clinic.in//",
        "https://clinic.in?x",
        "https://clinic.in#x",
        "https://user@clinic.in",
        "https://clinic.in:port",
        "https://clinic.in:0",
        "https://clinic.in:65536",
        "https://clinic.in:99999",
        "https://clinic.in.",
        "https://clinic..in",
        "https://(clinic|evil).in",
        "^https://clinic.in$",
        "https://[::1]:8081",
        "https://\u0915.in",
        "clinic.in",
        "//clinic.in",
        "https:/clinic.in",
        "https://",
        "https://a.in https://b.in",
    ],
)
def test_a_cors_origin_that_cannot_work_is_refused(read: Read, origin: str) -> None:
    error = configuration_error(read, CORS_ORIGINS=f"https://clinic.in,{origin}")

    assert f"CORS_ORIGINS: {origin.lower()!r}: must be https://host" in error.replace(origin, origin.lower())


def test_production_has_no_cors_origins_by_default(read: Read) -> None:
    assert read(**PRODUCTION).cors_origins == ()


def test_the_mailbox_is_in_the_var_dir(read: Read) -> None:
    assert str(read(VAR_DIR="/data/clinic").mailbox_file) == "/data/clinic/mailbox.jsonl"


def test_every_setting_is_documented() -> None:
    """README's table names each variable that the modules config and config_* read."""
    sources = [path.read_text() for path in (ROOT / "arthomed").glob("config*.py")]
    names = {name for source in sources for name in re.findall(r'"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)"', source)}
    table = re.findall(r"^\| (`.+?) \|", (ROOT / "README.md").read_text(), re.MULTILINE)

    assert names - set(re.findall(r"`(\w+)`", " ".join(table))) == {"UTC"}


def test_settings_are_read_once_per_process() -> None:
    assert settings() is settings()
