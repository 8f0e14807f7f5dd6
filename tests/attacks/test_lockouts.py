"""Wrong codes that lock another person's number."""

from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from arthomed.config import settings
from tests import factories
from tests.api.auth.sign_in import MOBILE, Now, code_sent, lock
from tests.factories import code_for, data_of, error_of, request_code, submit_code, wrong_code

HOME = "203.0.113.1"


def guess_wrong(client: FlaskClient, mobile: str, times: int, address: str) -> list[str]:
    """Enter wrong codes; returns the error codes."""
    wrong = wrong_code(code_for(mobile))
    return [error_of(submit_code(client, mobile, wrong, address=address))[1] for _ in range(times)]


def test_seven_requests_of_an_attacker_do_not_lock_the_number_elsewhere(client: FlaskClient, now: Now) -> None:
    lock(client, now)
    assert error_of(request_code(client, MOBILE)) == (423, "ACCOUNT_LOCKED")

    data_of(request_code(client, MOBILE, address=HOME))

    assert submit_code(client, MOBILE, code_for(MOBILE), address=HOME).status_code == 200


def test_guesses_from_elsewhere_do_not_use_up_the_attempts_of_the_address_that_requested_the_code(
    client: FlaskClient,
) -> None:
    data_of(request_code(client, MOBILE, address=HOME))

    refusals = [guess_wrong(client, MOBILE, 2, f"198.51.100.{nth}") for nth in range(2)]

    assert refusals == [["OTP_INVALID", "OTP_INVALID"], ["OTP_INVALID", "OTP_MAX_ATTEMPTS"]]
    assert submit_code(client, MOBILE, code_for(MOBILE), address=HOME).status_code == 200


def test_a_code_takes_six_guesses_at_most_from_however_many_addresses(client: FlaskClient) -> None:
    code = code_sent(client)

    refusals = [guess_wrong(client, MOBILE, 1, f"198.51.100.{nth}") for nth in range(10)]
    refusals += [guess_wrong(client, MOBILE, 4, "127.0.0.1")]

    assert sum(one.count("OTP_INVALID") for one in refusals) == 6
    assert error_of(submit_code(client, MOBILE, code)) == (400, "OTP_MAX_ATTEMPTS")


@pytest.fixture
def attacked_number(client: FlaskClient, now: Now) -> str:
    """The number of a patient who signed in at home, for which many addresses have entered a hundred wrong codes."""
    mobile: str = factories.make_user().mobile_number
    data_of(request_code(client, mobile, address=HOME))
    data_of(submit_code(client, mobile, code_for(mobile), address=HOME))
    failures = nth = 0
    while failures < settings().codes.number_lockout.failures:
        now.shift(timedelta(minutes=7))
        data_of(request_code(client, mobile, address=f"198.51.100.{nth % 250}"))
        failures += guess_wrong(client, mobile, 3, f"198.51.100.{nth % 250}").count("OTP_INVALID")
        failures += guess_wrong(client, mobile, 3, f"192.0.2.{nth % 250}").count("OTP_INVALID")
        nth += 1
    return mobile


def test_a_hundred_wrong_codes_from_many_addresses_lock_a_number_for_new_addresses_only(
    client: FlaskClient, attacked_number: str
) -> None:
    refusal = request_code(client, attacked_number, address="192.0.2.251")
    guess = submit_code(client, attacked_number, code_for(attacked_number), address="192.0.2.251")
    data_of(request_code(client, attacked_number, address=HOME))

    assert [error_of(one) for one in (refusal, guess)] == [(423, "ACCOUNT_LOCKED")] * 2
    assert submit_code(client, attacked_number, code_for(attacked_number), address=HOME).status_code == 200


def test_sign_ins_of_the_owner_give_an_attacker_no_further_guesses(client: FlaskClient, attacked_number: str) -> None:
    data_of(request_code(client, attacked_number, address=HOME))
    data_of(submit_code(client, attacked_number, code_for(attacked_number), address=HOME))

    assert error_of(request_code(client, attacked_number, address="192.0.2.251")) == (423, "ACCOUNT_LOCKED")


def test_networks_of_one_line_of_ipv6_share_a_lock(client: FlaskClient, now: Now) -> None:
    for nth in range(2):
        now.shift(timedelta(seconds=61))
        data_of(request_code(client, MOBILE, address=f"2001:db8:1:{nth:x}::1"))
        guess_wrong(client, MOBILE, 3 - nth, f"2001:db8:1:{nth:x}::1")

    assert error_of(request_code(client, MOBILE, address="2001:db8:1:ff::1")) == (423, "ACCOUNT_LOCKED")
    assert error_of(request_code(client, MOBILE, address="2001:db8:1:100::1"))[1] != "ACCOUNT_LOCKED"


def test_the_lock_of_new_addresses_ends_after_a_day(client: FlaskClient, now: Now, attacked_number: str) -> None:
    now.shift(timedelta(days=1))

    assert request_code(client, attacked_number, address="192.0.2.251").status_code == 200
