"""Signed-in devices: how they stay signed in, and how they are signed out."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pymongo.database import Database

from arthomed.auth.models import Session
from arthomed.core import clock
from tests import factories
from tests.factories import SignedIn, refused, told
from tests.api.auth.sign_in import Now, me, refresh, refreshed

Data = Database[dict[str, Any]]


class TestRefreshing:
    def test_each_refresh_gives_new_tokens(self, client: FlaskClient, person: SignedIn) -> None:
        pair = refreshed(client, person.refresh_token)

        assert {pair["accessToken"], pair["refreshToken"]}.isdisjoint({person.access_token, person.refresh_token})

    def test_the_new_refresh_token_works_in_its_turn(self, client: FlaskClient, person: SignedIn) -> None:
        second = refreshed(client, person.refresh_token)

        assert refresh(client, second["refreshToken"]).status_code == 200

    def test_an_answer_that_was_lost_can_be_had_again_within_thirty_seconds(
        self, client: FlaskClient, person: SignedIn, now: Now
    ) -> None:
        refreshed(client, person.refresh_token)
        now.shift(timedelta(seconds=29))

        again = refreshed(client, person.refresh_token)

        assert refresh(client, again["refreshToken"]).status_code == 200

    def test_having_an_answer_again_spends_nothing(self, client: FlaskClient, person: SignedIn) -> None:
        first = refreshed(client, person.refresh_token)
        refreshed(client, person.refresh_token)

        assert refresh(client, first["refreshToken"]).status_code == 200

    def test_a_spent_token_is_refused_after_thirty_seconds(
        self, client: FlaskClient, person: SignedIn, now: Now
    ) -> None:
        refreshed(client, person.refresh_token)
        now.shift(timedelta(seconds=31))

        assert refused(refresh(client, person.refresh_token)) == (401, "SESSION_REVOKED")

    @pytest.mark.parametrize("kind", ["accessToken", "refreshToken"])
    def test_a_spent_token_ends_the_whole_session(
        self, client: FlaskClient, person: SignedIn, now: Now, kind: str
    ) -> None:
        pair = refreshed(client, person.refresh_token)
        now.shift(timedelta(seconds=31))
        refresh(client, person.refresh_token)

        answer = me(client, pair[kind]) if kind == "accessToken" else refresh(client, pair[kind])

        assert refused(answer) == (401, "SESSION_REVOKED")

    def test_a_token_that_is_two_refreshes_old_ends_the_session_at_once(
        self, client: FlaskClient, person: SignedIn
    ) -> None:
        second = refreshed(client, person.refresh_token)
        refreshed(client, second["refreshToken"])

        assert refused(refresh(client, person.refresh_token)) == (401, "SESSION_REVOKED")
        assert refused(me(client, second["accessToken"])) == (401, "SESSION_REVOKED")

    def test_a_spent_token_ends_no_other_session(
        self, app: Flask, client: FlaskClient, person: SignedIn, now: Now
    ) -> None:
        other = factories.sign_in(app, person.user)
        refreshed(client, person.refresh_token)
        now.shift(timedelta(seconds=31))
        refresh(client, person.refresh_token)

        assert me(client, other.access_token).status_code == 200

    def test_a_token_that_is_sent_twenty_times_at_once_is_spent_once(
        self, app: Flask, person: SignedIn, database: Data
    ) -> None:
        answers = factories.at_once(20, lambda _: refresh(app.test_client(), person.refresh_token))

        assert Counter(answer.status_code for answer in answers) == {200: 20}
        assert database.sessions.find_one({}, {"generation": 1, "_id": 0}) == {"generation": 1}

    def test_a_session_lasts_as_long_as_it_is_refreshed(self, client: FlaskClient, person: SignedIn, now: Now) -> None:
        token = person.refresh_token
        for _ in range(3):
            now.shift(timedelta(days=29))
            token = refreshed(client, token)["refreshToken"]

        assert refresh(client, token).status_code == 200

    def test_a_session_that_is_over_though_still_stored_is_of_no_use(
        self, client: FlaskClient, person: SignedIn
    ) -> None:
        Session.objects(user=person.user.id).update(set__expires_at=clock.now())

        assert refused(refresh(client, person.refresh_token)) == (401, "SESSION_REVOKED")
        assert refused(me(client, person.access_token)) == (401, "SESSION_REVOKED")


class TestSigningOut:
    def test_the_access_token_stops_working_on_the_next_request(self, client: FlaskClient, person: SignedIn) -> None:
        told(client.post("/api/auth/logout", headers=person.headers))

        assert refused(me(client, person.access_token)) == (401, "SESSION_REVOKED")

    def test_the_refresh_token_stops_working(self, client: FlaskClient, person: SignedIn) -> None:
        told(client.post("/api/auth/logout", headers=person.headers))

        assert refused(refresh(client, person.refresh_token)) == (401, "SESSION_REVOKED")

    def test_signing_out_twice_is_refused_the_second_time(self, client: FlaskClient, person: SignedIn) -> None:
        told(client.post("/api/auth/logout", headers=person.headers))

        assert refused(client.post("/api/auth/logout", headers=person.headers)) == (401, "SESSION_REVOKED")

    def test_another_device_stays_signed_in(self, app: Flask, client: FlaskClient, person: SignedIn) -> None:
        other = factories.sign_in(app, person.user)

        told(client.post("/api/auth/logout", headers=person.headers))

        assert me(client, other.access_token).status_code == 200

    def test_all_devices_can_be_signed_out(self, app: Flask, client: FlaskClient, person: SignedIn) -> None:
        other = factories.sign_in(app, person.user)

        told(client.post("/api/auth/logout-all", headers=person.headers))

        assert [refused(me(client, one.access_token))[1] for one in (person, other)] == ["SESSION_REVOKED"] * 2

    def test_nobody_else_is_signed_out(self, app: Flask, client: FlaskClient, person: SignedIn) -> None:
        somebody = factories.sign_in(app)

        told(client.post("/api/auth/logout-all", headers=person.headers))

        assert me(client, somebody.access_token).status_code == 200


class TestDevices:
    def list_of(self, client: FlaskClient, person: SignedIn) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = told(client.get("/api/auth/sessions", headers=person.headers))["items"]
        return items

    def test_the_list_tells_of_each_device_and_nothing_internal(self, client: FlaskClient, person: SignedIn) -> None:
        (device,) = self.list_of(client, person)

        assert set(device) == {"_id", "name", "platform", "address", "createdAt", "lastUsedAt", "isCurrent"}
        assert (device["name"], device["platform"]) == ("tests", "other")
        assert (device["address"], device["isCurrent"]) == ("127.0.0.1", True)

    def test_the_device_that_was_used_last_comes_first(
        self, app: Flask, client: FlaskClient, person: SignedIn, now: Now
    ) -> None:
        now.shift(timedelta(minutes=1))
        factories.sign_in(app, person.user)
        now.shift(timedelta(minutes=1))
        refreshed(client, person.refresh_token)

        assert [one["isCurrent"] for one in self.list_of(client, person)] == [True, False]

    def test_somebody_else_s_devices_are_not_listed(self, app: Flask, client: FlaskClient, person: SignedIn) -> None:
        factories.sign_in(app)

        assert len(self.list_of(client, person)) == 1

    def test_a_session_that_is_over_though_still_stored_is_not_listed(
        self, app: Flask, client: FlaskClient, person: SignedIn
    ) -> None:
        over = factories.sign_in(app, person.user)
        Session.objects(id=over.session_id).update(set__expires_at=clock.now())

        assert len(self.list_of(client, person)) == 1

    def test_one_device_can_be_signed_out(self, app: Flask, client: FlaskClient, person: SignedIn) -> None:
        other = factories.sign_in(app, person.user)

        told(client.delete(f"/api/auth/sessions/{other.session_id}", headers=person.headers))

        assert refused(me(client, other.access_token)) == (401, "SESSION_REVOKED")
        assert me(client, person.access_token).status_code == 200

    def test_a_device_of_somebody_else_is_not_found_and_stays(
        self, app: Flask, client: FlaskClient, person: SignedIn
    ) -> None:
        somebody = factories.sign_in(app)

        answer = client.delete(f"/api/auth/sessions/{somebody.session_id}", headers=person.headers)

        assert refused(answer) == (404, "NOT_FOUND")
        assert me(client, somebody.access_token).status_code == 200

    @pytest.mark.parametrize("session", [str(factories.NOBODY), "abc", "0" * 23, "G" * 24, "%00", "me"])
    def test_a_session_that_there_is_not_is_not_found(
        self, client: FlaskClient, person: SignedIn, session: str
    ) -> None:
        answer = client.delete(f"/api/auth/sessions/{session}", headers=person.headers)

        assert refused(answer) == (404, "NOT_FOUND")
