"""Sessions of signed-in devices: refresh, logout and the list of devices."""

from collections import Counter
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from arthomed.auth.models import Session
from arthomed.core import clock
from tests import factories
from tests.api.auth.sign_in import Now, devices_of, me, refresh, refreshed
from tests.factories import Records, SignedIn, data_of, error_of


class TestRefresh:
    def test_each_refresh_gives_new_tokens(self, client: FlaskClient, person: SignedIn) -> None:
        pair = refreshed(client, person.refresh_token)

        assert {pair["accessToken"], pair["refreshToken"]}.isdisjoint({person.access_token, person.refresh_token})

    def test_the_previous_refresh_token_works_for_thirty_seconds(
        self, client: FlaskClient, person: SignedIn, now: Now
    ) -> None:
        data_of(me(client, refreshed(client, person.refresh_token)["accessToken"]))
        now.shift(timedelta(seconds=29))

        again = refreshed(client, person.refresh_token)

        assert refresh(client, again["refreshToken"]).status_code == 200

    def test_a_repeated_refresh_keeps_the_first_new_token_valid(self, client: FlaskClient, person: SignedIn) -> None:
        first = refreshed(client, person.refresh_token)
        refreshed(client, person.refresh_token)

        assert refresh(client, first["refreshToken"]).status_code == 200

    @pytest.mark.parametrize("kind", ["accessToken", "refreshToken"])
    def test_a_reused_token_ends_the_session(self, client: FlaskClient, person: SignedIn, now: Now, kind: str) -> None:
        pair = refreshed(client, person.refresh_token)
        data_of(me(client, pair["accessToken"]))
        now.shift(timedelta(seconds=31))
        assert error_of(refresh(client, person.refresh_token)) == (401, "SESSION_REVOKED")

        response = me(client, pair[kind]) if kind == "accessToken" else refresh(client, pair[kind])

        assert error_of(response) == (401, "SESSION_REVOKED")

    def test_a_token_two_generations_old_ends_the_session_at_once(self, client: FlaskClient, person: SignedIn) -> None:
        second = refreshed(client, person.refresh_token)
        refreshed(client, second["refreshToken"])

        assert error_of(refresh(client, person.refresh_token)) == (401, "SESSION_REVOKED")
        assert error_of(me(client, second["accessToken"])) == (401, "SESSION_REVOKED")

    def test_a_reused_token_keeps_other_sessions(
        self, app: Flask, client: FlaskClient, person: SignedIn, now: Now
    ) -> None:
        other = factories.sign_in(app, person.user)
        data_of(me(client, refreshed(client, person.refresh_token)["accessToken"]))
        now.shift(timedelta(seconds=31))
        refresh(client, person.refresh_token)

        assert me(client, other.access_token).status_code == 200

    def test_twenty_concurrent_refreshes_rotate_the_token_once(
        self, app: Flask, person: SignedIn, database: Records
    ) -> None:
        responses = factories.in_parallel(20, lambda _: refresh(app.test_client(), person.refresh_token))

        assert Counter(response.status_code for response in responses) == {200: 20}
        assert database.sessions.find_one({}, {"generation": 1, "_id": 0}) == {"generation": 1}

    def test_each_refresh_extends_the_session(self, client: FlaskClient, person: SignedIn, now: Now) -> None:
        token = person.refresh_token
        for _ in range(3):
            now.shift(timedelta(days=29))
            token = refreshed(client, token)["refreshToken"]

        assert refresh(client, token).status_code == 200

    def test_an_expired_session_is_refused_before_its_document_is_removed(
        self, client: FlaskClient, person: SignedIn
    ) -> None:
        Session.objects(user=person.user.id).update(set__expires_at=clock.now())

        assert error_of(refresh(client, person.refresh_token)) == (401, "SESSION_REVOKED")
        assert error_of(me(client, person.access_token)) == (401, "SESSION_REVOKED")


class TestLogoutAll:
    def test_logout_all_ends_every_session_of_the_user(self, app: Flask, client: FlaskClient, person: SignedIn) -> None:
        other = factories.sign_in(app, person.user)

        data_of(client.post("/api/auth/logout-all", headers=person.headers))

        assert [error_of(me(client, one.access_token))[1] for one in (person, other)] == ["SESSION_REVOKED"] * 2

    def test_logout_all_keeps_the_sessions_of_other_users(
        self, app: Flask, client: FlaskClient, person: SignedIn
    ) -> None:
        another = factories.sign_in(app)

        data_of(client.post("/api/auth/logout-all", headers=person.headers))

        assert me(client, another.access_token).status_code == 200


class TestDevices:
    def test_the_list_has_only_the_documented_fields(self, client: FlaskClient, person: SignedIn) -> None:
        (device,) = devices_of(client, person.access_token)

        assert set(device) == {"_id", "name", "platform", "address", "createdAt", "lastUsedAt", "isCurrent"}
        assert (device["name"], device["platform"]) == ("tests", "other")
        assert device["isCurrent"] is True

    def test_devices_of_other_users_are_not_listed(self, app: Flask, client: FlaskClient, person: SignedIn) -> None:
        factories.sign_in(app)

        assert len(devices_of(client, person.access_token)) == 1

    def test_an_expired_session_is_not_listed(self, app: Flask, client: FlaskClient, person: SignedIn) -> None:
        over = factories.sign_in(app, person.user)
        Session.objects(id=over.session_id).update(set__expires_at=clock.now())

        assert len(devices_of(client, person.access_token)) == 1

    def test_one_device_can_be_signed_out(self, app: Flask, client: FlaskClient, person: SignedIn) -> None:
        other = factories.sign_in(app, person.user)

        data_of(client.delete(f"/api/auth/sessions/{other.session_id}", headers=person.headers))

        assert error_of(me(client, other.access_token)) == (401, "SESSION_REVOKED")
        assert me(client, person.access_token).status_code == 200

    def test_the_device_of_another_user_is_not_found_and_stays_signed_in(
        self, app: Flask, client: FlaskClient, person: SignedIn
    ) -> None:
        another = factories.sign_in(app)

        response = client.delete(f"/api/auth/sessions/{another.session_id}", headers=person.headers)

        assert error_of(response) == (404, "NOT_FOUND")
        assert me(client, another.access_token).status_code == 200

    @pytest.mark.parametrize("session", [str(factories.UNKNOWN_ID), "abc", "0" * 23, "G" * 24, "%00", "me"])
    def test_an_unknown_session_is_not_found(self, client: FlaskClient, person: SignedIn, session: str) -> None:
        response = client.delete(f"/api/auth/sessions/{session}", headers=person.headers)

        assert error_of(response) == (404, "NOT_FOUND")
