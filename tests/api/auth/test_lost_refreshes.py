"""A refresh whose response was lost may be repeated until one of the new tokens was used."""

from collections import Counter
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from arthomed.auth.models import Session
from arthomed.core.permissions import Role
from tests import factories
from tests.api.auth.sign_in import Now, me, refresh, refreshed
from tests.factories import Records, SignedIn, data_of, error_of

LATER = [timedelta(seconds=31), timedelta(hours=3), timedelta(days=29)]


@pytest.mark.parametrize("later", LATER, ids=str)
def test_a_lost_response_is_repeated_while_neither_new_token_was_used(
    client: FlaskClient, person: SignedIn, now: Now, later: timedelta
) -> None:
    refreshed(client, person.refresh_token)
    now.shift(later)

    pair = refreshed(client, person.refresh_token)

    data_of(me(client, pair["accessToken"]))
    data_of(refresh(client, pair["refreshToken"]))


def test_a_response_can_be_lost_several_times(client: FlaskClient, person: SignedIn, now: Now) -> None:
    for _ in range(3):
        pair = refreshed(client, person.refresh_token)
        now.shift(timedelta(minutes=10))

    data_of(refresh(client, pair["refreshToken"]))
    assert Session.objects.get(id=person.session_id).generation == 2


def test_the_old_access_token_does_not_use_the_new_tokens(client: FlaskClient, person: SignedIn, now: Now) -> None:
    refreshed(client, person.refresh_token)
    now.shift(timedelta(minutes=10))
    data_of(me(client, person.access_token))

    assert refresh(client, person.refresh_token).status_code == 200


@pytest.mark.parametrize("used", ["accessToken", "refreshToken"])
def test_the_old_token_ends_the_session_once_a_new_one_was_used(
    client: FlaskClient, person: SignedIn, now: Now, used: str
) -> None:
    pair = refreshed(client, person.refresh_token)
    now.shift(timedelta(seconds=31))
    data_of(me(client, pair[used]) if used == "accessToken" else refresh(client, pair[used]))

    assert error_of(refresh(client, person.refresh_token)) == (401, "SESSION_REVOKED")
    assert error_of(refresh(client, pair["refreshToken"])) == (401, "SESSION_REVOKED")


def test_a_use_of_the_first_response_counts_after_a_repeated_one(
    client: FlaskClient, person: SignedIn, now: Now
) -> None:
    first = refreshed(client, person.refresh_token)
    now.shift(timedelta(minutes=1))
    refreshed(client, person.refresh_token)
    data_of(me(client, first["accessToken"]))

    assert error_of(refresh(client, person.refresh_token)) == (401, "SESSION_REVOKED")


def test_a_token_two_generations_old_is_never_repeated(client: FlaskClient, person: SignedIn, now: Now) -> None:
    pair = refreshed(client, person.refresh_token)
    refreshed(client, pair["refreshToken"])
    now.shift(timedelta(minutes=1))

    assert error_of(refresh(client, person.refresh_token)) == (401, "SESSION_REVOKED")


def test_a_rotation_of_an_older_version_is_repeated_for_thirty_seconds_only(
    client: FlaskClient, person: SignedIn, now: Now
) -> None:
    refreshed(client, person.refresh_token)
    Session.objects(id=person.session_id).update(unset__unused_generation=True)
    now.shift(timedelta(seconds=31))

    assert error_of(refresh(client, person.refresh_token)) == (401, "SESSION_REVOKED")


def test_the_end_of_a_session_of_staff_is_not_moved_by_repeating(app: Flask, client: FlaskClient, now: Now) -> None:
    person = factories.sign_in(app, factories.make_user(Role.RECEPTIONIST))
    now.shift(timedelta(hours=11))
    refreshed(client, person.refresh_token)
    now.shift(timedelta(hours=2))

    assert error_of(refresh(client, person.refresh_token)) == (401, "SESSION_REVOKED")


def test_parallel_first_uses_and_repeated_refreshes_leave_one_generation(
    app: Flask, client: FlaskClient, person: SignedIn, now: Now, database: Records
) -> None:
    pair = refreshed(client, person.refresh_token)
    now.shift(timedelta(seconds=29))

    def use(number: int) -> int:
        other = app.test_client()
        response = me(other, pair["accessToken"]) if number % 2 else refresh(other, person.refresh_token)
        return response.status_code

    assert Counter(factories.in_parallel(10, use)) == {200: 10}
    assert database.sessions.find_one({}, {"generation": 1, "_id": 0}) == {"generation": 1}


class TestCost:
    def test_the_first_use_is_stored_once_for_each_rotation(
        self, client: FlaskClient, person: SignedIn, database: Records
    ) -> None:
        def stored_at() -> object:
            found = database.sessions.find_one({"_id": person.session_id})
            assert found is not None
            return found.get("unusedGeneration"), found["updatedAt"]

        pair = refreshed(client, person.refresh_token)
        assert stored_at()[0] == 1  # type: ignore[index]
        data_of(me(client, pair["accessToken"]))
        after_first_use = stored_at()
        data_of(me(client, pair["accessToken"]))

        assert after_first_use[0] is None  # type: ignore[index]
        assert stored_at() == after_first_use
