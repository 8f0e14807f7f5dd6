"""A code that confirms a step which can't be undone."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from pymongo.database import Database

from arthomed.auth.service import sign_in
from arthomed.auth.rules import AccountLocked, CodeExpired, CodeInvalid, CodeUsedUp
from tests.factories import SignedIn, at_once, other_than
from tests.api.auth.sign_in import MOBILE, Now, code_sent, fail, lock

Data = Database[dict[str, Any]]


def test_a_code_of_ones_own_number_confirms_once(client: FlaskClient, person: SignedIn) -> None:
    code = code_sent(client, person.user.mobile_number)
    sign_in.confirm_with_code(person.user, code)

    with pytest.raises(CodeExpired):
        sign_in.confirm_with_code(person.user, code)


def test_it_signs_nobody_in(client: FlaskClient, database: Data, person: SignedIn) -> None:
    before = (list(database.sessions.find()), list(database.users.find()))

    sign_in.confirm_with_code(person.user, code_sent(client, person.user.mobile_number))

    assert (list(database.sessions.find()), list(database.users.find())) == before


def test_a_code_of_another_number_does_not_confirm(client: FlaskClient, person: SignedIn) -> None:
    others = code_sent(client)
    code_sent(client, person.user.mobile_number)

    with pytest.raises(CodeInvalid):
        sign_in.confirm_with_code(person.user, others)


def test_three_wrong_tries_kill_the_code(client: FlaskClient, person: SignedIn) -> None:
    code = code_sent(client, person.user.mobile_number)
    fail(client, 2, person.user.mobile_number)
    with pytest.raises(CodeInvalid):
        sign_in.confirm_with_code(person.user, other_than(code))

    with pytest.raises(CodeUsedUp):
        sign_in.confirm_with_code(person.user, code)


def test_a_locked_number_does_not_confirm(client: FlaskClient, person: SignedIn, now: Now) -> None:
    code = lock(client, now, person.user.mobile_number)

    with pytest.raises(AccountLocked):
        sign_in.confirm_with_code(person.user, code)


def test_of_ten_at_once_one_confirms(client: FlaskClient, person: SignedIn) -> None:
    code = code_sent(client, person.user.mobile_number)

    def is_confirmed(_: int) -> bool:
        try:
            sign_in.confirm_with_code(person.user, code)
        except CodeExpired:
            return False
        return True

    assert sum(at_once(10, is_confirmed)) == 1


def test_a_code_of_a_stranger_is_left_alone(client: FlaskClient, database: Data, person: SignedIn) -> None:
    code_sent(client)
    code_sent(client, person.user.mobile_number)
    before = database.otps.find_one({"mobileNumber": MOBILE})

    with pytest.raises(CodeInvalid):
        sign_in.confirm_with_code(person.user, "not a code")
    assert database.otps.find_one({"mobileNumber": MOBILE}) == before
