"""Rules of one-time codes, lockout and device names."""

import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from arthomed.auth import rules
from arthomed.auth.rules import AccountLocked, CodeExpired, CodeInvalid, CodeUsedUp, FailedGuesses, OtpAttempts
from arthomed.config import settings
from arthomed.config_limits import CodePolicy, Lockout
from arthomed.core.errors import ClinicError
from arthomed.core.permissions import Role
from arthomed.core.quota import Quota

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
    ("name", "platform"),
    [
        *((name, name) for name in ("android", "ios", "web", "other")),
        *(("iOS", "ios"), ("ANDROID", "android"), ("Web", "web")),
        *((name, "other") for name in ("macos", "windows", "iPadOS", "Linux", "tvos", "ios 18", "\U0001fa77")),
    ],
)
def test_an_unknown_platform_is_other(name: str, platform: str) -> None:
    assert rules.platform_named(name) == platform


@pytest.mark.parametrize(
    ("agent", "name"), [("curl/8.5.0", "curl/8.5.0"), (" a ", "a"), ("x" * 201, "x" * 200), ("", None), (" ", None)]
)
def test_the_default_name_of_a_device_is_its_trimmed_user_agent(agent: str, name: str | None) -> None:
    assert rules.name_of(agent) == name


NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
OWN, OTHER = "198.51.100.1", "203.0.113.1"
FRESH = OtpAttempts("right", "login", OWN, 0, 0, is_used=False, expires_at=NOW + timedelta(minutes=5))


def failed(count: int, minutes: int = 1, address: str | None = OWN) -> dict[str, Any]:
    return {"failed_guesses": [FailedGuesses(address, count, NOW + timedelta(minutes=minutes))]}


class TestOtpAttempts:
    @pytest.fixture
    def policy(self) -> CodePolicy:
        by_address, by_number = Lockout(5, timedelta(minutes=30)), Lockout(100, timedelta(days=1))
        return replace(settings().codes, max_attempts=3, address_lockout=by_address, number_lockout=by_number)

    @pytest.mark.parametrize(
        ("known", "guess", "refusal"),
        [
            ({}, "right", None),
            ({}, "wrong", CodeInvalid),
            ({"attempts": 2}, "right", None),
            ({"attempts": 3}, "right", CodeUsedUp),
            ({"other_attempts": 3}, "right", None),
            ({"is_used": True}, "right", CodeExpired),
            ({"is_used": True, "attempts": 3}, "right", CodeExpired),
            ({"expires_at": NOW}, "right", CodeExpired),
            ({"expires_at": NOW, "attempts": 3}, "right", CodeExpired),
            (failed(4), "right", None),
            (failed(5), "right", AccountLocked),
            ({**failed(5), "attempts": 3}, "wrong", AccountLocked),
            (failed(5, 0), "right", None),
            (failed(5, address=OTHER), "right", None),
            (failed(99, address=None), "right", None),
            (failed(100, address=None), "right", AccountLocked),
        ],
    )
    def test_a_guess_is_accepted_or_refused(
        self, policy: CodePolicy, known: dict[str, Any], guess: str, refusal: type[ClinicError] | None
    ) -> None:
        digests = ["of another key", guess]
        found = replace(FRESH, **known).refusal(digests, OWN, is_known_address=False, now=NOW, policy=policy)

        assert (found and type(found)) == refusal

    @pytest.mark.parametrize(
        ("purpose", "guess", "refusal"),
        [
            ("login", "right", None),
            ("login", "wrong", CodeInvalid),
            ("registration", "right", CodeInvalid),
            ("registration", "wrong", CodeInvalid),
        ],
    )
    def test_a_right_code_for_another_purpose_is_refused_as_a_wrong_one(
        self, policy: CodePolicy, purpose: str, guess: str, refusal: type[ClinicError] | None
    ) -> None:
        found = FRESH.refusal([guess], OWN, purpose=purpose, is_known_address=False, now=NOW, policy=policy)

        assert (found and type(found)) == refusal

    def test_other_addresses_share_three_attempts(self, policy: CodePolicy) -> None:
        used_up = replace(FRESH, other_attempts=3)

        found = used_up.refusal(["right"], OTHER, is_known_address=False, now=NOW, policy=policy)

        assert isinstance(found, CodeUsedUp)

    def test_a_known_address_is_not_locked_by_the_failures_of_others(self, policy: CodePolicy) -> None:
        locked = replace(FRESH, **failed(100, address=None))

        assert locked.refusal(["right"], OWN, is_known_address=True, now=NOW, policy=policy) is None

    @pytest.mark.parametrize("address", [OWN, None], ids=["one address", "all addresses"])
    @pytest.mark.parametrize(
        ("missing", "minutes", "is_new", "locks"),
        [(None, 0, True, False), (2, 12, False, False), (1, 12, False, True), (1, 0, True, False)],
        ids=["first", "one more", "last before the lock", "window over"],
    )
    def test_failures_count_within_a_window_and_the_last_one_locks(
        self, policy: CodePolicy, address: str | None, *, missing: int | None, minutes: int, is_new: bool, locks: bool
    ) -> None:
        """So many failures were `missing` until the lock, and the window had so many minutes left."""
        lockout = policy.number_lockout if address is None else policy.address_lockout
        count = 0 if missing is None else lockout.failures - missing
        attempts = replace(FRESH, **failed(count, minutes, address)) if count else FRESH

        refusal = attempts.refusal(["wrong"], OWN, is_known_address=False, now=NOW, policy=policy)
        [counted] = [
            one for one in attempts.with_one_more_failure(OWN, now=NOW, policy=policy) if one.address == address
        ]

        ends_at = NOW + (lockout.duration if is_new or locks else timedelta(minutes=minutes))
        assert isinstance(refusal, CodeInvalid)
        assert refusal.locks_for == (lockout.duration if locks else None)
        assert counted == FailedGuesses(address, 1 if is_new else count + 1, ends_at)

    def test_failures_during_a_lock_do_not_prolong_it(self, policy: CodePolicy) -> None:
        locked = replace(FRESH, **failed(100, 12, address=None))

        refusal = locked.refusal(["wrong"], OWN, is_known_address=True, now=NOW, policy=policy)
        counted = locked.with_one_more_failure(OWN, now=NOW, policy=policy)

        assert isinstance(refusal, CodeInvalid)
        assert refusal.locks_for is None
        assert FailedGuesses(None, 101, NOW + timedelta(minutes=12)) in counted

    def test_failures_from_other_addresses_are_kept_until_their_window_ends(self, policy: CodePolicy) -> None:
        others = [*failed(2, 1, OTHER)["failed_guesses"], *failed(4, 0, "192.0.2.1")["failed_guesses"]]

        counted = replace(FRESH, failed_guesses=others).with_one_more_failure(OWN, now=NOW, policy=policy)

        assert [(one.address, one.count) for one in counted] == [(OWN, 1), (None, 1), (OTHER, 2)]


@pytest.mark.parametrize(
    ("role", "hours_since_sign_in", "hours_left"),
    [
        (Role.PATIENT, 0, 720),
        (Role.PATIENT, 700, 720),
        (Role.RECEPTIONIST, 0, 12),
        (Role.DOCTOR, 11, 1),
        (Role.ADMIN, 13, -1),
    ],
)
def test_a_session_of_staff_has_an_absolute_end(role: Role, hours_since_sign_in: int, hours_left: int) -> None:
    end = rules.session_end(
        role,
        signed_in_at=NOW - timedelta(hours=hours_since_sign_in),
        now=NOW,
        lifetime=timedelta(days=30),
        staff_lifetime=timedelta(hours=12),
    )

    assert end == NOW + timedelta(hours=hours_left)


def test_codes_to_patients_share_a_quota_of_the_day_and_those_to_strangers_two_of_the_hour() -> None:
    policy = replace(settings().codes, daily_patient_quota=60, hourly_stranger_quota=41)

    to_patients = rules.clinic_quotas("198.51.100.7", is_patient=True, policy=policy)
    to_strangers = rules.clinic_quotas("198.51.100.7", is_patient=False, policy=policy)

    assert to_patients == [Quota("patients", 60, timedelta(days=1))]
    assert to_strangers == [
        Quota("strangers", 41, timedelta(hours=1)),
        Quota("strangers:198.51.100.7", 9, timedelta(hours=1)),
    ]
