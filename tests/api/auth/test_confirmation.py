"""A code that confirms a step that cannot be undone, such as the erasure of an account."""

import pytest
from flask.testing import FlaskClient

from arthomed.auth.rules import AccountLocked, CodeExpired, CodeInvalid, CodeUsedUp
from arthomed.auth.service import sign_in
from tests.api.auth.sign_in import MOBILE, Now, code_sent, fail, lock
from tests.factories import Records, SignedIn, in_parallel, wrong_code


def confirm(person: SignedIn, code: str) -> None:
    sign_in.confirm_with_code(person.user, code, address="127.0.0.1")


def test_a_code_of_the_user_s_own_number_confirms_once(client: FlaskClient, person: SignedIn) -> None:
    code = code_sent(client, person.user.mobile_number)
    confirm(person, code)

    with pytest.raises(CodeExpired):
        confirm(person, code)


def test_confirmation_creates_no_session_or_user(client: FlaskClient, database: Records, person: SignedIn) -> None:
    before = (list(database.sessions.find()), list(database.users.find()))

    confirm(person, code_sent(client, person.user.mobile_number))

    assert (list(database.sessions.find()), list(database.users.find())) == before


def test_a_code_of_another_number_does_not_confirm(client: FlaskClient, person: SignedIn) -> None:
    others = code_sent(client)
    code_sent(client, person.user.mobile_number)

    with pytest.raises(CodeInvalid):
        confirm(person, others)


def test_three_wrong_attempts_use_the_code_up(client: FlaskClient, person: SignedIn) -> None:
    code = code_sent(client, person.user.mobile_number)
    fail(client, 2, person.user.mobile_number)
    with pytest.raises(CodeInvalid):
        confirm(person, wrong_code(code))

    with pytest.raises(CodeUsedUp):
        confirm(person, code)


def test_a_locked_number_does_not_confirm(client: FlaskClient, person: SignedIn, now: Now) -> None:
    code = lock(client, now, person.user.mobile_number)

    with pytest.raises(AccountLocked):
        confirm(person, code)


def test_one_of_ten_concurrent_confirmations_succeeds(client: FlaskClient, person: SignedIn) -> None:
    code = code_sent(client, person.user.mobile_number)

    def is_confirmed(_: int) -> bool:
        try:
            confirm(person, code)
        except CodeExpired:
            return False
        return True

    assert sum(in_parallel(10, is_confirmed)) == 1


def test_a_wrong_code_leaves_other_numbers_unchanged(client: FlaskClient, database: Records, person: SignedIn) -> None:
    code_sent(client)
    code_sent(client, person.user.mobile_number)
    before = database.otps.find_one({"mobileNumber": MOBILE})

    with pytest.raises(CodeInvalid):
        confirm(person, "not a code")
    assert database.otps.find_one({"mobileNumber": MOBILE}) == before
