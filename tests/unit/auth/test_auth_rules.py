"""How a code comes about, and what a device is called."""

import re
from collections import Counter

import pytest

from arthomed.auth import rules
from arthomed.core.errors import ClinicError, Code

SECRET = "a secret of the tests, long enough for what it is for"
MOBILE = "9876543210"


@pytest.mark.parametrize("nonce", [bytes([one]) * 16 for one in range(32)])
def test_a_code_has_six_digits_even_when_it_begins_with_zeros(nonce: bytes) -> None:
    assert re.fullmatch(r"[0-9]{6}", rules.code_for(nonce, SECRET))


def test_a_code_is_the_same_wherever_it_is_derived() -> None:
    assert rules.code_for(b"n" * 16, SECRET) == rules.code_for(b"n" * 16, SECRET)


def test_a_code_can_not_be_derived_without_the_secret() -> None:
    nonces = [bytes([one]) * 16 for one in range(50)]

    assert [rules.code_for(one, SECRET) for one in nonces] != [rules.code_for(one, SECRET + "!") for one in nonces]


def test_codes_use_all_digits_about_equally() -> None:
    digits = Counter("".join(rules.code_for(one.to_bytes(16), SECRET) for one in range(5000)))

    assert all(2700 < digits[digit] < 3300 for digit in "0123456789")


@pytest.mark.parametrize(
    ("mobile", "code", "secret"),
    [(MOBILE, "123457", SECRET), ("9876543211", "123456", SECRET), (MOBILE, "123456", SECRET + "!")],
    ids=["other code", "other number", "other secret"],
)
def test_a_digest_belongs_to_one_number_code_and_secret(mobile: str, code: str, secret: str) -> None:
    assert rules.digest_of(mobile, code, secret) != rules.digest_of(MOBILE, "123456", SECRET)


def test_a_digest_is_what_the_database_takes_and_not_the_code() -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", rules.digest_of(MOBILE, "123456", SECRET))


@pytest.mark.parametrize(
    ("agent", "platform"),
    [
        ("okhttp/4.12.0", "android"),
        ("Dalvik/2.1.0 (Linux; U; Android 14; Pixel 9)", "android"),
        ("Mozilla/5.0 (Linux; Android 14; Pixel 9) AppleWebKit/537.36 Chrome/130.0 Mobile Safari/537.36", "android"),
        ("Arthomed/12 CFNetwork/1410.0.3 Darwin/22.6.0", "ios"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15", "ios"),
        ("Mozilla/5.0 (iPad; CPU OS 16_0 like Mac OS X) AppleWebKit/605.1.15", "ios"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15", "web"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0", "web"),
        ("curl/8.5.0", "other"),
        ("", "other"),
    ],
)
def test_the_platform_follows_from_what_a_device_calls_itself(agent: str, platform: str) -> None:
    assert rules.platform_of(agent) == platform


@pytest.mark.parametrize(
    ("agent", "name"), [("curl/8.5.0", "curl/8.5.0"), (" a ", "a"), ("x" * 201, "x" * 200), ("", None), (" ", None)]
)
def test_a_device_without_a_name_is_called_what_its_software_is_called(agent: str, name: str | None) -> None:
    assert rules.name_of(agent) == name


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (rules.CodeInvalid, Code.OTP_INVALID),
        (rules.CodeExpired, Code.OTP_EXPIRED),
        (rules.CodeUsedUp, Code.OTP_MAX_ATTEMPTS),
        (rules.AccountLocked, Code.ACCOUNT_LOCKED),
        (rules.UserNotFound, Code.USER_NOT_FOUND),
        (rules.UserInactive, Code.USER_INACTIVE),
        (rules.SessionRevoked, Code.SESSION_REVOKED),
    ],
)
def test_each_refusal_has_its_stable_code(refusal: type[ClinicError], code: Code) -> None:
    assert refusal().code is code
