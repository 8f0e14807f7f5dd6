"""What patients agreed to, and when (DPDP Act 2023 sections 5 to 7)."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pymongo.database import Database

from arthomed.auth.service import sign_in
from arthomed.auth.rules import Platform
from arthomed.config import settings
from arthomed.core import clock
from arthomed.core.permissions import Role
from arthomed.users import service as users
from arthomed.users.models import User
from tests import factories
from tests.factories import answer_with, at_once, fields_refused, told
from tests.api.auth.sign_in import MOBILE, Now, code_sent

Data = Database[dict[str, Any]]


def sign_in(client: FlaskClient, mobile: str = MOBILE, **more: Any) -> Any:
    return told(answer_with(client, mobile, code_sent(client, mobile), **more))


def notices(mobile: str = MOBILE) -> list[str]:
    return [one.notice for one in User.objects.get(mobile_number=mobile).consents]


@pytest.mark.parametrize(("path", "more"), [("verify-otp", {}), ("register", {"name": "Asha Verma"})])
def test_who_registers_agrees_to_the_notice_that_was_shown(
    client: FlaskClient, database: Data, path: str, more: dict[str, str]
) -> None:
    body = {"mobileNumber": MOBILE, "otp": code_sent(client), "privacyNotice": "2027-01", **more}
    begun = clock.now()

    client.post(f"/api/auth/{path}", json=body)

    user = database.users.find_one()
    assert user is not None
    (consent,) = user["consents"]
    assert begun <= consent.pop("at") <= clock.now()
    assert consent == {"notice": "2027-01"}


def test_an_app_that_names_no_notice_shows_the_clinic_s_present_one(client: FlaskClient) -> None:
    sign_in(client)

    assert notices() == [settings().privacy_notice]


def test_a_patient_whom_the_desk_registered_agrees_with_the_first_code(client: FlaskClient) -> None:
    user = factories.make_user()
    before = notices(user.mobile_number)

    sign_in(client, user.mobile_number)

    assert (before, notices(user.mobile_number)) == ([], [settings().privacy_notice])


@pytest.mark.parametrize(
    ("shown", "agreed"),
    [
        (["1", "1", "1"], ["1"]),
        (["1", "2", "2"], ["1", "2"]),
        (["1", "2", "1"], ["1", "2", "1"]),
        (["1", " 1 ", "01"], ["1", "01"]),
    ],
    ids=str,
)
def test_another_notice_than_the_last_is_agreed_to_anew(
    client: FlaskClient, now: Now, shown: list[str], agreed: list[str]
) -> None:
    for notice in shown:
        sign_in(client, privacyNotice=notice)
        now.shift(timedelta(seconds=61))

    assert notices() == agreed


def test_an_app_that_names_no_notice_agrees_to_no_later_one(client: FlaskClient, now: Now) -> None:
    sign_in(client, privacyNotice="an older one")
    now.shift(timedelta(seconds=61))
    sign_in(client)

    assert notices() == ["an older one"]


@pytest.mark.parametrize("notice", ["$mobileNumber", "$$ROOT", '{"$ne": null}', "निजता-1", "x" * 50])
def test_a_notice_is_kept_as_it_was_named_however_odd(client: FlaskClient, now: Now, notice: str) -> None:
    for _ in range(2):
        sign_in(client, privacyNotice=notice)
        now.shift(timedelta(seconds=61))

    assert notices() == [notice]


@pytest.mark.parametrize("notice", ["", " ", "x" * 51, "a\nb", 202611, None, {"$ne": None}, ["2026-11"]])
def test_what_is_no_notice_is_refused(client: FlaskClient, notice: object) -> None:
    answer = answer_with(client, MOBILE, code_sent(client), privacyNotice=notice)

    assert fields_refused(answer) == ["privacyNotice"]


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.PATIENT}))
def test_staff_are_not_asked(client: FlaskClient, role: Role) -> None:
    user = factories.make_user(role)

    sign_in(client, user.mobile_number, privacyNotice="1")

    assert notices(user.mobile_number) == []


def test_a_patient_who_signs_in_several_times_at_once_agrees_once(app: Flask, client: FlaskClient) -> None:
    del app, client
    user, device = factories.make_user(), sign_in.Device(None, Platform.OTHER, "127.0.0.1")

    at_once(6, lambda _: auth._open_session(user.mobile_number, device))

    assert notices(user.mobile_number) == [settings().privacy_notice]


def test_who_is_deactivated_agrees_to_nothing(client: FlaskClient) -> None:
    user = factories.make_user()
    User.objects(id=user.id).update(set__is_active=False)

    answer_with(client, user.mobile_number, code_sent(client, user.mobile_number))

    assert notices(user.mobile_number) == []


def test_a_changed_record_keeps_what_was_agreed_to(client: FlaskClient) -> None:
    user = users.get(User.objects.get(mobile_number=sign_in(client)["user"]["mobileNumber"]).id)

    users.update(user.id, {"name": "Asha Sharma"}, by=factories.acting(user))

    assert notices() == [settings().privacy_notice]


@pytest.mark.parametrize("path", ["/api/auth/me", "/api/users/profile"])
def test_it_is_not_among_what_is_told_of_a_person(client: FlaskClient, path: str) -> None:
    token = sign_in(client)["tokens"]["accessToken"]

    answer = client.get(path, headers={"Authorization": f"Bearer {token}"})

    assert (answer.status_code, "consents" in answer.text) == (200, False)
