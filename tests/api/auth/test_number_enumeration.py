"""Known and unknown numbers cause the same database statements, so timing does not reveal which are known.

`bench/otp_timing.py` measures the time.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from flask.testing import FlaskClient

from arthomed.auth.models import Otp
from arthomed.auth.service import otp
from arthomed.notifications.models import Notification
from tests import factories
from tests.api.auth.sign_in import Now, lock
from tests.factories import Records, code_for, data_of, request_code, submit_code, wrong_code

Statement = tuple[str, str]
Step = Callable[[FlaskClient, str], object]


@contextmanager
def recorded(database: Records) -> Iterator[list[Statement]]:
    """The statements that MongoDB profiles meanwhile, each with its collection."""
    profiled: list[Statement] = []
    database.command("profile", 2)
    try:
        yield profiled
    finally:
        database.command("profile", 0)
        profiled += [(one["op"], one["ns"]) for one in database["system.profile"].find().sort("$natural", 1)]
        database["system.profile"].drop()


def statements(database: Records, client: FlaskClient, step: Step, mobile: str) -> list[Statement]:
    with recorded(database) as profiled:
        step(client, mobile)
    return profiled


def guess(client: FlaskClient, mobile: str) -> None:
    submit_code(client, mobile, wrong_code(code_for(mobile)))


def guess_without_a_code(client: FlaskClient, mobile: str) -> None:
    submit_code(client, mobile, "123456")


def registration(client: FlaskClient, mobile: str) -> None:
    register(client, mobile, wrong_code(code_for(mobile)))


def registration_without_a_code(client: FlaskClient, mobile: str) -> None:
    register(client, mobile, "123456")


def register(client: FlaskClient, mobile: str, code: str) -> None:
    client.post("/api/auth/register", json={"mobileNumber": mobile, "otp": code, "name": "Asha Verma"})


@pytest.fixture(params=["patient", "admin"])
def known(request: pytest.FixtureRequest, client: FlaskClient) -> str:
    del client  # it empties the database
    mobile: str = factories.make_user(request.param).mobile_number
    return mobile


def test_a_request_for_a_code_causes_the_same_statements(client: FlaskClient, database: Records, known: str) -> None:
    of_known, of_unknown = (statements(database, client, request_code, one) for one in (known, factories.new_mobile()))

    assert of_known == of_unknown != []


@pytest.mark.parametrize("step", [guess, guess_without_a_code, registration, registration_without_a_code])
def test_a_guess_causes_the_same_statements(client: FlaskClient, database: Records, known: str, step: Step) -> None:
    numbers = [known, factories.new_mobile()]
    if step in (guess, registration):
        for mobile in numbers:
            data_of(request_code(client, mobile))

    of_known, of_unknown = (statements(database, client, step, one) for one in numbers)

    assert of_known == of_unknown != []


@pytest.mark.parametrize("step", [guess, guess_without_a_code, registration, registration_without_a_code])
def test_a_wrong_code_reads_no_user(client: FlaskClient, database: Records, known: str, step: Step) -> None:
    if step in (guess, registration):
        data_of(request_code(client, known))

    collections = [collection for _, collection in statements(database, client, step, known)]

    assert collections != []
    assert f"{database.name}.users" not in collections


def test_a_request_for_a_locked_number_causes_the_same_statements(
    client: FlaskClient, database: Records, known: str, now: Now
) -> None:
    numbers = [known, factories.new_mobile()]
    for mobile in numbers:
        lock(client, now, mobile)

    of_known, of_unknown = (statements(database, client, request_code, one) for one in numbers)

    assert of_known == of_unknown != []


def test_rendering_the_sms_causes_the_same_statements(client: FlaskClient, database: Records, known: str) -> None:
    def render(_: FlaskClient, mobile: str) -> None:
        issue = Otp.objects.get(mobile_number=mobile).issue
        assert otp.render_message(Notification.objects.get(subject=issue)) is not None

    numbers = [known, factories.new_mobile()]
    for mobile in numbers:
        data_of(request_code(client, mobile))
        otp.deliver(Otp.objects.get(mobile_number=mobile).issue)

    of_known, of_unknown = (statements(database, client, render, one) for one in numbers)

    assert of_known == of_unknown != []
