"""The patient's consent to the privacy notice, given by signing in (DPDP Act 2023 sections 5 to 7)."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from arthomed.config import settings
from arthomed.core import clock
from arthomed.core.permissions import Role
from arthomed.users import service as users
from arthomed.users.models import User
from tests import factories
from tests.api.auth.sign_in import MOBILE, Now, code_sent
from tests.factories import Records, data_of, in_parallel, invalid_fields, submit_code


def sign_in(client: FlaskClient, mobile: str = MOBILE, **more: Any) -> Any:
    return data_of(submit_code(client, mobile, code_sent(client, mobile), **more))


def notices(mobile: str = MOBILE) -> list[str]:
    return [one.notice for one in User.objects.get(mobile_number=mobile).consents]


@pytest.mark.parametrize(("path", "more"), [("verify-otp", {}), ("register", {"name": "Asha Verma"})])
def test_registration_stores_consent_to_the_notice_that_the_app_showed(
    client: FlaskClient, database: Records, path: str, more: dict[str, str]
) -> None:
    body = {"mobileNumber": MOBILE, "otp": code_sent(client), "privacyNotice": "2027-01", **more}
    started = clock.now()

    client.post(f"/api/auth/{path}", json=body)

    user = database.users.find_one()
    assert user is not None
    (consent,) = user["consents"]
    assert started <= consent.pop("at") <= clock.now()
    assert consent == {"notice": "2027-01"}


def test_without_a_named_notice_the_consent_is_to_the_clinic_s_present_one(client: FlaskClient) -> None:
    sign_in(client)

    assert notices() == [settings().privacy_notice]


def test_a_patient_registered_by_the_desk_consents_at_the_first_sign_in(client: FlaskClient) -> None:
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
def test_a_notice_other_than_the_last_one_is_a_new_consent(
    client: FlaskClient, now: Now, shown: list[str], agreed: list[str]
) -> None:
    for notice in shown:
        sign_in(client, privacyNotice=notice)
        now.shift(timedelta(seconds=61))

    assert notices() == agreed


def test_without_a_named_notice_a_later_sign_in_is_no_new_consent(client: FlaskClient, now: Now) -> None:
    sign_in(client, privacyNotice="an older one")
    now.shift(timedelta(seconds=61))
    sign_in(client)

    assert notices() == ["an older one"]


@pytest.mark.parametrize("notice", ["$mobileNumber", "$$ROOT", '{"$ne": null}', "निजता-1", "x" * 50])
def test_the_name_of_a_notice_is_stored_unchanged(client: FlaskClient, now: Now, notice: str) -> None:
    for _ in range(2):
        sign_in(client, privacyNotice=notice)
        now.shift(timedelta(seconds=61))

    assert notices() == [notice]


@pytest.mark.parametrize("notice", ["x" * 51, "a\x00b", 202611, {"$ne": None}, ["2026-11"]])
def test_an_invalid_name_of_a_notice_is_refused(client: FlaskClient, notice: object) -> None:
    response = submit_code(client, MOBILE, code_sent(client), privacyNotice=notice)

    assert invalid_fields(response) == ["privacyNotice"]


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.PATIENT}))
def test_staff_give_no_consent(client: FlaskClient, role: Role) -> None:
    user = factories.make_user(role)

    sign_in(client, user.mobile_number, privacyNotice="1")

    assert notices(user.mobile_number) == []


def test_concurrent_sign_ins_of_a_patient_store_one_consent(app: Flask, client: FlaskClient) -> None:
    user = factories.make_user()
    code = code_sent(client, user.mobile_number)

    in_parallel(6, lambda _: submit_code(app.test_client(), user.mobile_number, code))

    assert notices(user.mobile_number) == [settings().privacy_notice]


def test_a_deactivated_patient_gives_no_consent(client: FlaskClient) -> None:
    user = factories.make_user()
    User.objects(id=user.id).update(set__is_active=False)

    submit_code(client, user.mobile_number, code_sent(client, user.mobile_number))

    assert notices(user.mobile_number) == []


def test_a_profile_change_keeps_the_consents(client: FlaskClient) -> None:
    user = users.get(User.objects.get(mobile_number=sign_in(client)["user"]["mobileNumber"]).id)

    users.update(user.id, {"name": "Asha Sharma"}, by=factories.actor_of(user))

    assert notices() == [settings().privacy_notice]
