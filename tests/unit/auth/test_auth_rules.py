"""Rules of one-time codes, lockout and device names."""

import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from arthomed.auth import rules
from arthomed.auth.rules import AccountLocked, CodeExpired, CodeInvalid, CodeUsedUp, OtpAttempts
from arthomed.config import CodePolicy, settings
from arthomed.core.errors import ClinicError

SECRET = "a secret of the tests, long enough for what it is for"
MOBILE = "9876543210"


@pytest.mark.parametrize("nonce", [bytes([one]) * 16 for one in range(32)])
def test_a_code_has_six_digits_with_leading_zeros(nonce: bytes) -> None:
    assert re.fullmatch(r"[0-9]{6}", rules.code_for(nonce, SECRET))


def test_a_code_depends_on_the_secret() -> None:
    nonces = [bytes([one]) * 16 for one in range(50)]

    assert [rules.code_for(one, SECRET) for one in nonces] != [rules.code_for(one, SECRET + "!") for one in nonces]


def test_the_digits_of_codes_are_evenly_distributed() -> None:
    digits = Counter("".join(rules.code_for(one.to_bytes(16), SECRET) for one in range(5000)))

    assert all(2700 < digits[digit] < 3300 for digit in "0123456789")


@pytest.mark.parametrize(
    ("mobile", "code", "secret"),
    [(MOBILE, "123457", SECRET), ("9876543211", "123456", SECRET), (MOBILE, "123456", SECRET + "!")],
    ids=["other code", "other number", "other secret"],
)
def test_a_digest_depends_on_number_code_and_secret(mobile: str, code: str, secret: str) -> None:
    assert rules.digest_of(mobile, code, secret) != rules.digest_of(MOBILE, "123456", SECRET)


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
def test_the_platform_follows_from_the_user_agent(agent: str, platform: str) -> None:
    assert rules.platform_of(agent) == platform


@pytest.mark.parametrize(
    ("agent", "name"), [("curl/8.5.0", "curl/8.5.0"), (" a ", "a"), ("x" * 201, "x" * 200), ("", None), (" ", None)]
)
def test_the_default_name_of_a_device_is_its_trimmed_user_agent(agent: str, name: str | None) -> None:
    assert rules.name_of(agent) == name


NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
FRESH = OtpAttempts("right", 0, is_used=False, expires_at=NOW + timedelta(minutes=5), failures=0, failures_end_at=None)


class TestOtpAttempts:
    @pytest.fixture
    def policy(self) -> CodePolicy:
        return replace(settings().codes, max_attempts=3, failures_to_lock=5, lock=timedelta(minutes=30))

    @pytest.mark.parametrize(
        ("known", "guess", "refusal"),
        [
            ({}, "right", None),
            ({}, "wrong", CodeInvalid),
            ({"attempts": 2}, "right", None),
            ({"attempts": 3}, "right", CodeUsedUp),
            ({"is_used": True}, "right", CodeExpired),
            ({"is_used": True, "attempts": 3}, "right", CodeExpired),
            ({"expires_at": NOW}, "right", CodeExpired),
            ({"expires_at": NOW, "attempts": 3}, "right", CodeExpired),
            ({"failures": 4, "failures_end_at": NOW + timedelta(minutes=1)}, "right", None),
            ({"failures": 5, "failures_end_at": NOW + timedelta(minutes=1)}, "right", AccountLocked),
            ({"failures": 5, "failures_end_at": NOW + timedelta(minutes=1), "attempts": 3}, "wrong", AccountLocked),
            ({"failures": 5, "failures_end_at": NOW}, "right", None),
        ],
    )
    def test_a_guess_is_accepted_or_refused(
        self, policy: CodePolicy, known: dict[str, Any], guess: str, refusal: type[ClinicError] | None
    ) -> None:
        found = replace(FRESH, **known).refusal(["of another key", guess], now=NOW, policy=policy)

        assert (found and type(found)) == refusal

    @pytest.mark.parametrize(
        ("failures", "ends_in", "expected", "locks"),
        [(0, None, (1, 30), False), (3, 12, (4, 12), False), (4, 12, (5, 30), True), (4, 0, (1, 30), False)],
        ids=["first", "one more", "last", "window over"],
    )
    def test_failures_count_within_a_window_and_the_fifth_locks(
        self, policy: CodePolicy, failures: int, ends_in: int | None, expected: tuple[int, int], *, locks: bool
    ) -> None:
        ends_at = None if ends_in is None else NOW + timedelta(minutes=ends_in)
        attempts = replace(FRESH, failures=failures, failures_end_at=ends_at)

        refusal = attempts.refusal(["wrong"], now=NOW, policy=policy)

        assert isinstance(refusal, CodeInvalid)
        assert refusal.locks is locks
        assert attempts.failed_again(now=NOW, policy=policy) == (expected[0], NOW + timedelta(minutes=expected[1]))
