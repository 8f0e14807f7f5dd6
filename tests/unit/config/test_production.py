"""Production requires settings that development does not, and strong secrets."""

import pytest

from tests.unit.config.environment import PRODUCTION, REQUIRED, SECRETS, STRONG, Read, configuration_error


def test_one_message_names_malformed_and_missing_settings(read: Read) -> None:
    error = configuration_error(read, APP_ENV="production", PORT="x")

    assert [name for name in ("PORT", *REQUIRED) if name not in error] == []


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("value", [None, ""], ids=["absent", "empty"])
def test_production_names_a_single_missing_setting(read: Read, name: str, value: str | None) -> None:
    env = {**PRODUCTION, name: value or ""}
    if value is None:
        del env[name]

    error = configuration_error(read, **env)

    assert name in error
    assert "missing" in error


def test_production_accepts_complete_settings(read: Read) -> None:
    assert read(**PRODUCTION).is_production


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize(
    "secret",
    ["secret", STRONG[:31], "a" * 64, "abcd" * 16, " " * 40, f"only-for-development-and-test-{STRONG}"],
    ids=["short", "one byte short", "one letter", "four letters", "blanks", "development default"],
)
def test_production_refuses_a_weak_secret(read: Read, name: str, secret: str) -> None:
    assert f"{name}: weak" in configuration_error(read, **{**PRODUCTION, name: secret})


def test_production_refuses_the_secrets_of_development(read: Read) -> None:
    local = read()
    env = {**PRODUCTION, "JWT_SECRET": local.jwt_secret, "OTP_SECRET": local.otp_secret}

    error = configuration_error(read, **env)

    assert "JWT_SECRET: weak" in error
    assert "OTP_SECRET: weak" in error


@pytest.mark.parametrize(("one", "other"), [SECRETS[:2], SECRETS[1:], SECRETS[::2]])
def test_production_refuses_equal_secrets(read: Read, one: str, other: str) -> None:
    assert "must differ" in configuration_error(read, **{**PRODUCTION, one: STRONG, other: STRONG})


def test_the_message_does_not_repeat_a_secret(read: Read) -> None:
    assert "hunter2" not in configuration_error(read, APP_ENV="production", JWT_SECRET="hunter2")


def test_an_empty_secret_is_replaced_by_the_default_outside_production(read: Read) -> None:
    found = read(JWT_SECRET="", JWT_REFRESH_SECRET="", OTP_SECRET="")

    assert len({found.jwt_secret, found.jwt_refresh_secret, found.otp_secret, ""}) == 4


def test_an_empty_server_address_is_replaced_by_the_default_outside_production(read: Read) -> None:
    found = read(MONGODB_URI="", REDIS_URL="")

    assert (found.mongodb_uri, found.redis_url) == ("mongodb://127.0.0.1:27017/arthomed", "redis://127.0.0.1:6379/0")


def test_production_listens_on_all_addresses_by_default(read: Read) -> None:
    assert read(**PRODUCTION).host == "0.0.0.0"


@pytest.mark.parametrize("name", SECRETS)
def test_the_previous_secret_stays_accepted_during_a_rotation(read: Read, name: str) -> None:
    found = read(**PRODUCTION, **{f"{name}_PREVIOUS": STRONG + "0"})

    keys = {"JWT_SECRET": found.jwt_keys, "JWT_REFRESH_SECRET": found.jwt_refresh_keys, "OTP_SECRET": found.otp_keys}
    assert keys[name] == (PRODUCTION[name], STRONG + "0")


@pytest.mark.parametrize(
    ("secret", "why"), [("short", "weak"), (PRODUCTION["OTP_SECRET"], "must differ"), ("a" * 40, "weak")]
)
def test_a_weak_previous_secret_is_refused(read: Read, secret: str, why: str) -> None:
    error = configuration_error(read, **PRODUCTION, JWT_SECRET_PREVIOUS=secret)

    assert "JWT_SECRET_PREVIOUS" in error
    assert why in error
