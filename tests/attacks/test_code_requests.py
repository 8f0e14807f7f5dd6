"""Requests for codes that spend the clinic's quotas of SMS, so that nobody can sign in."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from structlog.testing import capture_logs

from arthomed.auth import rules as auth_rules
from arthomed.auth.models import Otp
from arthomed.auth.service import otp
from arthomed.config import settings
from arthomed.core.permissions import Role
from dev.servers import Mongo, Valkey
from tests import factories
from tests.api.auth.sign_in import Now, code_sent
from tests.factories import data_of, error_of, request_code, submit_code
from tests.faults.clinic import Clinic
from tests.stack import stack_with, wait_for

REQUESTS, ADDRESSES, PATIENTS, STAFF = 2_000, 500, 200, 5
STRANGERS_AN_HOUR, PATIENTS_A_DAY = 40, 60
LEAKED = ["9000000001", "9000000002", "9000000021"]  # an admin, a receptionist and a patient of the demo clinic
NOT_LEAKED, NEWCOMER = ["9000000011", "9000000022"], "9000000023"  # a doctor and a patient, and another patient


def exhaust_quotas(redis: Any) -> None:
    codes = settings().codes
    redis.set("quota:strangers", codes.hourly_stranger_quota, ex=3000)
    redis.set("quota:patients", codes.daily_patient_quota, ex=3000)


def is_sent(client: FlaskClient, mobile: str, *, address: str = "127.0.0.1") -> bool:
    """Request a code, and add its SMS to the outbox as the worker does."""
    data_of(request_code(client, mobile, address=address))
    return bool(otp.add_message_to_outbox(Otp.objects.get(mobile_number=mobile).issue))


def test_exhausted_quotas_change_no_response(client: FlaskClient, redis: Any) -> None:
    exhaust_quotas(redis)
    numbers = [factories.new_mobile(), *(factories.make_user(role).mobile_number for role in Role)]

    responses = [factories.envelope_of(request_code(client, number)) for number in numbers]

    assert all({**one, "timestamp": ""} == {**responses[0], "timestamp": ""} for one in responses)
    assert responses[0]["success"]


def test_the_sms_to_a_stranger_over_the_quota_is_not_sent(client: FlaskClient, redis: Any) -> None:
    exhaust_quotas(redis)

    with capture_logs() as logs:
        assert not is_sent(client, factories.new_mobile())

    assert [(line["event"], line["quota"]) for line in logs if "quota" in line] == [("code_withheld", "strangers")]


def test_a_code_whose_sms_is_not_sent_signs_nobody_in(client: FlaskClient, redis: Any) -> None:
    exhaust_quotas(redis)
    mobile = factories.new_mobile()

    assert not is_sent(client, mobile)

    assert error_of(submit_code(client, mobile, factories.code_for(mobile))) == (400, "OTP_EXPIRED")


def test_one_address_cannot_use_up_the_quota_of_strangers(client: FlaskClient) -> None:
    sent = [is_sent(client, factories.new_mobile()) for _ in range(settings().codes.hourly_stranger_quota)]

    assert sent.count(True) == settings().codes.hourly_stranger_quota // 5
    assert is_sent(client, factories.new_mobile(), address="198.51.100.1")


def test_strangers_use_no_quota_of_patients(client: FlaskClient, redis: Any) -> None:
    assert is_sent(client, factories.new_mobile())

    assert (redis.get("quota:strangers"), redis.get("quota:patients")) == (b"1", None)


@pytest.mark.parametrize("role", [Role.ADMIN, Role.DOCTOR, Role.RECEPTIONIST])
def test_staff_get_their_codes_whatever_the_quotas(client: FlaskClient, redis: Any, now: Now, role: Role) -> None:
    exhaust_quotas(redis)
    mobile = factories.make_user(role).mobile_number

    for _ in range(3):
        assert is_sent(client, mobile)
        now.shift(timedelta(seconds=61))


def test_a_patient_gets_the_first_code_of_a_day_whatever_the_quota(client: FlaskClient, redis: Any, now: Now) -> None:
    exhaust_quotas(redis)
    mobile = factories.make_user().mobile_number

    sent = [is_sent(client, mobile)]
    now.shift(timedelta(seconds=61))
    sent.append(is_sent(client, mobile))

    assert sent == [True, False]


def test_a_patient_gets_codes_at_an_address_of_an_earlier_sign_in_whatever_the_quota(
    client: FlaskClient, redis: Any, now: Now
) -> None:
    mobile = factories.make_user().mobile_number
    data_of(submit_code(client, mobile, code_sent(client, mobile)))
    exhaust_quotas(redis)
    redis.set(f"quota:first:{mobile}", 1, ex=3000)

    now.shift(timedelta(seconds=61))

    assert is_sent(client, mobile)
    assert not is_sent(client, mobile, address="198.51.100.1")


def test_a_number_whose_quota_others_used_up_gets_codes_at_an_address_of_an_earlier_sign_in(
    client: FlaskClient, now: Now
) -> None:
    mobile = factories.make_user().mobile_number
    data_of(submit_code(client, mobile, code_sent(client, mobile)))
    for nth in range(11):
        now.shift(timedelta(seconds=61))
        refused = request_code(client, mobile, address=f"198.51.100.{nth}")

    assert error_of(refused) == (429, "RATE_LIMIT_EXCEEDED")
    assert submit_code(client, mobile, code_sent(client, mobile)).status_code == 200


def test_half_of_a_quota_is_logged_once(client: FlaskClient, redis: Any) -> None:
    redis.set("quota:strangers", settings().codes.hourly_stranger_quota // 2 - 1, ex=3000)

    with capture_logs() as logs:
        for _ in range(3):
            assert is_sent(client, factories.new_mobile())

    assert [line for line in logs if line["event"] == "otp_quota_half_used"] == [
        {"event": "otp_quota_half_used", "quota": "strangers", "log_level": "warning"}
    ]


def test_codes_to_strangers_have_a_queue_of_their_own(client: FlaskClient, redis: Any) -> None:
    """So a flood of them delays nobody else."""
    users = [factories.make_user(role).mobile_number for role in Role]
    for mobile in [*users, factories.new_mobile(), factories.make_user(is_active=False).mobile_number]:
        data_of(request_code(client, mobile))

    assert (redis.llen("codes"), redis.llen("strangers")) == (len(users), 2)


@pytest.fixture
def attacked(mongo: Mongo, valkey: Valkey, tmp_path: Path) -> Iterator[Clinic]:
    """A clinic with the ordinary limits, and small quotas for all its SMS, behind a proxy."""
    env = {
        "TRUSTED_PROXIES": "1",
        "OTP_PER_ADDRESS_HOUR": "100",
        "RATE_LIMIT_AUTH_MAX_REQUESTS": "300",
        "OTP_TO_STRANGERS_HOUR": str(STRANGERS_AN_HOUR),
        "OTP_PER_CLINIC_DAY": str(PATIENTS_A_DAY),
    }
    with stack_with(mongo, valkey, tmp_path, redis=6, demo=True, env=env) as stack, Clinic(stack) as clinic:
        yield clinic


@pytest.mark.long
def test_two_thousand_requests_from_five_hundred_addresses_stop_nobody_known(attacked: Clinic) -> None:
    """The attacker requests codes for strangers, and for patients and staff whose numbers leaked.

    Those signed in before from addresses of their own; others sign in from new addresses.
    """
    assert sign_in_responses(attacked, *LEAKED) == [200, 200, 200]
    attacked.users(Role.PATIENT, PATIENTS)
    attacked.users(Role.RECEPTIONIST, STAFF)
    users = attacked.database.users
    leaked = users.distinct("mobileNumber", {"mobileNumber": {"$nin": [*NOT_LEAKED, NEWCOMER]}})
    targets = [factories.new_mobile() if nth % 2 else leaked[nth // 2 % len(leaked)] for nth in range(REQUESTS)]

    def request(nth: int) -> int:
        headers = {"X-Forwarded-For": attacker(nth % ADDRESSES)}
        return attacked.api.post("/auth/send-otp", json={"mobileNumber": targets[nth]}, headers=headers).status_code

    with ThreadPoolExecutor(16) as pool:
        responses = Counter(pool.map(request, range(REQUESTS)))
    waiting = attacked.database.otps
    wait_for(lambda: waiting.count_documents({"tellAt": {"$exists": True}}) == 0, seconds=300, what="the worker")
    messages = attacked.database.notifications.count_documents({"kind": "code"})

    assert set(responses) == {200, 429}
    patients = users.count_documents({"mobileNumber": {"$in": leaked}, "role": "patient"})
    staff = len(leaked) - patients
    assert messages <= STRANGERS_AN_HOUR + patients + PATIENTS_A_DAY + 10 * staff + len(LEAKED)
    assert sign_in_responses(attacked, *LEAKED, *NOT_LEAKED) == [200] * 5
    stranger, known = (request_as_a_newcomer(attacked, one) for one in (factories.new_mobile(), NEWCOMER))
    assert stranger == known


def attacker(nth: int) -> str:
    """One of many addresses: half of them IPv4, half of them IPv6 in a few networks."""
    return f"198.18.{nth // 200}.{nth % 200}" if nth % 2 else f"2001:db8:{nth % 7:x}:{nth:x}::1"


def sign_in_responses(clinic: Clinic, *mobiles: str) -> list[int]:
    """Sign in with the code of the SMS, each number from an address of its own."""
    statuses = []
    for nth, mobile in enumerate(mobiles):
        headers = {"X-Forwarded-For": f"203.0.113.{nth}"}
        clinic.api.post("/auth/send-otp", json={"mobileNumber": mobile}, headers=headers).raise_for_status()
        nonce = clinic.database.otps.find_one({"mobileNumber": mobile})["nonce"]  # type: ignore[index]
        code = auth_rules.code_for(nonce, settings().otp_secret)
        wait_for(lambda code=code, to=mobile: _has_arrived(clinic, to, code), what="the SMS")  # type: ignore[misc]
        guess = {"mobileNumber": mobile, "otp": code}
        statuses.append(clinic.api.post("/auth/verify-otp", json=guess, headers=headers).status_code)
    return statuses


def _has_arrived(clinic: Clinic, mobile: str, code: str) -> bool:
    return any(one["text"].startswith(code) for one in clinic.stack.mailbox(mobile))


def request_as_a_newcomer(clinic: Clinic, mobile: str) -> tuple[int, dict[str, Any]]:
    response = clinic.api.post(
        "/auth/send-otp", json={"mobileNumber": mobile}, headers={"X-Forwarded-For": "203.0.113.99"}
    )
    return response.status_code, {**response.json(), "timestamp": ""}
