"""Push by FCM, against a server that checks who asks and what, and can misbehave."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from pymongo.database import Database

from arthomed.appointments.service import booking
from arthomed.auth import service as auth
from arthomed.auth.models import Session
from arthomed.config_messages import Fcm
from arthomed.infra.push import FcmPush
from arthomed.notifications import outlets
from arthomed.notifications import service as notifications
from arthomed.notifications.gateways import DeliveryFailed, DeviceGone, Push
from arthomed.notifications.models import Channel, Notification, State
from tests import factories
from tests.api import google as googles
from tests.api.google import Google, refusal
from tests.factories import SignedIn, fields_refused, refused, told

Records = Database[dict[str, Any]]
PATH = "/api/auth/sessions/current/push-token"
TOKENS = [f"{number}-token-of-a-phone:APA91b" for number in range(3)]
TO_A_PHONE = Push(TOKENS[0], "Arthomed", "Namaste", "message-1")


@pytest.fixture
def google() -> Iterator[Google]:
    with googles.running() as found:
        yield found


@pytest.fixture
def gateway(google: Google, tmp_path: Path) -> FcmPush:
    return FcmPush(Fcm(google.credentials(tmp_path), google.url))


class TestGateway:
    def test_a_push_has_its_device_words_and_kind(self, google: Google, gateway: FcmPush) -> None:
        gateway.send(TO_A_PHONE, kind="appointment-confirmed")

        words = {"title": "Arthomed", "body": "Namaste"}
        [taken] = google.taken
        told = {"token": TOKENS[0], "notification": words, "data": {"kind": "appointment-confirmed"}}
        assert {name: taken[name] for name in told} == told

    def test_a_phone_shows_it_once_and_not_when_its_time_has_passed(self, google: Google, gateway: FcmPush) -> None:
        with time_machine.travel(datetime(2026, 12, 1, tzinfo=UTC), tick=False):
            gateway.send(replace(TO_A_PHONE, useful_for=timedelta(minutes=90)), kind="x")

        until = str(int(datetime(2026, 12, 1, 1, 30, tzinfo=UTC).timestamp()))
        [taken] = google.taken
        assert taken["android"] == {"notification": {"tag": "message-1"}, "ttl": "5400s"}
        assert taken["apns"] == {"headers": {"apns-collapse-id": "message-1", "apns-expiration": until}}

    def test_one_access_token_is_good_for_many(self, google: Google, gateway: FcmPush) -> None:
        for _ in range(3):
            gateway.send(TO_A_PHONE, kind="x")

        assert (len(google.taken), google.given) == (3, 1)

    def test_an_access_token_that_is_about_to_expire_is_not_used(self, google: Google, gateway: FcmPush) -> None:
        google.expires_in = 30
        for _ in range(2):
            gateway.send(TO_A_PHONE, kind="x")

        assert (len(google.taken), google.given) == (2, 2)

    def test_an_access_token_that_was_revoked_is_replaced(self, google: Google, gateway: FcmPush) -> None:
        gateway.send(TO_A_PHONE, kind="x")
        google.given += 1  # the last one is another
        gateway.send(TO_A_PHONE, kind="x")

        assert (len(google.taken), google.given) == (2, 3)

    @pytest.mark.parametrize(
        ("answer", "permanent"),
        [
            ((500, refusal("INTERNAL")), False),
            ((503, b"unavailable"), False),
            ((429, refusal("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED")), False),
            ((403, refusal("PERMISSION_DENIED")), False),
            ((302, b""), False),
            (None, False),
            ((400, refusal("INVALID_ARGUMENT", "INVALID_ARGUMENT")), True),
        ],
        ids=str,
    )
    def test_only_a_refusal_of_this_very_message_is_final(
        self, google: Google, gateway: FcmPush, answer: Any, *, permanent: bool
    ) -> None:
        google.answers = [answer]
        with pytest.raises(DeliveryFailed) as failed:
            gateway.send(TO_A_PHONE, kind="x")

        assert failed.value.permanent is permanent
        assert "never kept" not in str(failed.value)

    def test_a_device_that_is_no_more_is_told_apart(self, google: Google, gateway: FcmPush) -> None:
        google.answers = [(404, refusal("NOT_FOUND", "UNREGISTERED"))]
        with pytest.raises(DeviceGone):
            gateway.send(TO_A_PHONE, kind="x")

    @pytest.mark.parametrize(
        ("answer", "permanent"),
        [
            ((404, b"<html>"), False),
            ((404, refusal("NOT_FOUND")), False),
            ((403, refusal("PERMISSION_DENIED", "SENDER_ID_MISMATCH")), True),
        ],
        ids=str,
    )
    def test_a_fault_that_may_be_ours_says_nothing_about_the_device(
        self, google: Google, gateway: FcmPush, answer: Any, *, permanent: bool
    ) -> None:
        google.answers = [answer]
        with pytest.raises(DeliveryFailed) as failed:
            gateway.send(TO_A_PHONE, kind="x")

        assert (type(failed.value), failed.value.permanent) == (DeliveryFailed, permanent)

    def test_a_wait_that_google_asks_for_is_told(self, google: Google, gateway: FcmPush) -> None:
        google.answers, google.headers = [(429, refusal("RESOURCE_EXHAUSTED"))], {"Retry-After": "60"}
        with pytest.raises(DeliveryFailed) as failed:
            gateway.send(TO_A_PHONE, kind="x")

        assert (str(failed.value), failed.value.retry_after) == ("fcm 429 RESOURCE_EXHAUSTED", timedelta(seconds=60))

    @pytest.mark.parametrize(
        "answer",
        [(400, {"error": "invalid_grant"}), (200, b"<html>"), (200, {"access_token": "x"}), (200, [1])],
        ids=str,
    )
    def test_without_an_access_token_it_is_tried_again(
        self, google: Google, gateway: FcmPush, answer: tuple[int, object]
    ) -> None:
        google.token_answer = answer
        with pytest.raises(DeliveryFailed, match=f"fcm token {answer[0]}") as failed:
            gateway.send(TO_A_PHONE, kind="x")

        assert not failed.value.permanent
        assert google.taken == []

    def test_without_a_good_key_nothing_is_lost(self, google: Google, tmp_path: Path) -> None:
        file = google.credentials(tmp_path)
        file.write_text(file.read_text().replace("PRIVATE KEY", "NO KEY"))
        with pytest.raises(DeliveryFailed) as failed:
            FcmPush(Fcm(file, google.url)).send(TO_A_PHONE, kind="x")

        assert not failed.value.permanent


@pytest.fixture
def by_push(app: Flask, gateway: FcmPush) -> Iterator[None]:
    del app
    before = outlets.outlet()
    outlet = outlets.PushOutlet(gateway, auth.push_tokens, auth.with_push_tokens, auth.forget_push_token)
    outlets.use(replace(before, push=outlet))
    yield
    outlets.use(before)


def give(client: FlaskClient, who: SignedIn, token: str) -> None:
    told(client.put(PATH, json={"pushToken": token}, headers=who.headers))


def book(patient: SignedIn) -> list[Notification]:
    """The pushes about a request."""
    doctor = factories.make_doctor(factories.every_day("09:00", "09:30"), name="Dr Meera Iyer")
    factories.make_visit(patient.user, doctor)
    return list(Notification.objects(channel=Channel.PUSH))


@pytest.mark.usefixtures("by_push")
class TestMessages:
    def test_a_visit_is_told_to_all_of_ones_devices_in_the_words_of_the_sms(
        self, app: Flask, client: FlaskClient, person: SignedIn, google: Google
    ) -> None:
        for token, device in zip(TOKENS, [person, factories.sign_in(app, person.user)], strict=False):
            give(client, device, token)
        [push] = book(person)

        assert notifications.send(push.id) is State.SENT
        assert {one["token"] for one in google.taken} == set(TOKENS[:2])
        for one in google.taken:
            assert one["notification"]["body"].startswith("Arthomed: Your request for")

    def test_who_gave_no_token_gets_none(self, person: SignedIn) -> None:
        assert book(person) == []

    def test_who_of_several_has_a_device_is_asked_once(
        self, app: Flask, client: FlaskClient, person: SignedIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        give(client, person, TOKENS[0])
        doctor = factories.make_doctor(factories.every_day("09:00", "10:30"))
        patients = [factories.sign_in(app).user, person.user, factories.sign_in(app).user]
        asking = Mock(wraps=Session.with_push_tokens)
        monkeypatch.setattr(Session, "with_push_tokens", asking)
        wishes = [factories.make_wish(doctor, time=time) for time in ("09:00", "09:30", "10:00")]

        booking._book_all(
            [booking.Request(factories.acting(who), wish) for who, wish in zip(patients, wishes, strict=True)],
            once=True,
        )

        assert [one.user for one in Notification.objects(channel=Channel.PUSH)] == [person.user.id]
        assert Notification.objects(channel=Channel.SMS).count() == 3
        assert asking.call_count == 1

    def test_a_code_never_goes_by_push(self, client: FlaskClient, person: SignedIn) -> None:
        give(client, person, TOKENS[0])
        factories.ask_for_code(client, person.user.mobile_number)

        assert factories.message_of_code(person.user.mobile_number).channel is Channel.SMS
        assert Notification.objects.count() == 1

    def test_one_device_that_takes_it_is_enough(
        self, app: Flask, client: FlaskClient, person: SignedIn, google: Google
    ) -> None:
        for token, device in zip(TOKENS, [person, factories.sign_in(app, person.user)], strict=False):
            give(client, device, token)
        [push] = book(person)
        google.answers = [(500, refusal("INTERNAL"))]

        assert notifications.send(push.id) is State.SENT
        assert len(google.taken) == 1

    def test_only_the_devices_used_last_are_told(self, app: Flask, client: FlaskClient, person: SignedIn) -> None:
        for number in range(5):
            give(client, factories.sign_in(app, person.user), f"{number}-token-of-a-phone:APA91b")

        assert [token[0] for token in auth.push_tokens(person.user.id)] == ["4", "3", "2", "1"]

    def test_a_push_that_google_refuses_has_failed(self, client: FlaskClient, person: SignedIn, google: Google) -> None:
        give(client, person, TOKENS[0])
        [push] = book(person)
        google.answers = [(400, refusal("INVALID_ARGUMENT"))]

        assert notifications.send(push.id) is State.FAILED
        assert auth.push_tokens(person.user.id) == [TOKENS[0]]

    def test_a_push_that_no_device_takes_is_tried_again(
        self, client: FlaskClient, person: SignedIn, google: Google
    ) -> None:
        give(client, person, TOKENS[0])
        [push] = book(person)
        google.answers = [(503, b"unavailable")]

        assert notifications.send(push.id) is State.WAITING

    def test_the_token_of_a_device_that_is_gone_is_forgotten(
        self, client: FlaskClient, database: Records, person: SignedIn, google: Google
    ) -> None:
        give(client, person, TOKENS[0])
        [push] = book(person)
        google.answers = [(404, refusal("NOT_FOUND", "UNREGISTERED"))]

        assert notifications.send(push.id) is State.DROPPED
        assert database.sessions.count_documents({"pushToken": {"$exists": True}}) == 0

    def test_a_device_that_was_signed_out_is_told_no_more(
        self, client: FlaskClient, person: SignedIn, google: Google
    ) -> None:
        give(client, person, TOKENS[0])
        [push] = book(person)
        client.post("/api/auth/logout", headers=person.headers)

        assert notifications.send(push.id) is State.DROPPED
        assert google.taken == []


class TestTokens:
    def test_a_phone_that_changes_hands_is_its_new_owners(
        self, app: Flask, client: FlaskClient, person: SignedIn
    ) -> None:
        other = factories.sign_in(app)
        give(client, person, TOKENS[0])
        give(client, other, TOKENS[0])

        assert (auth.push_tokens(person.user.id), auth.push_tokens(other.user.id)) == ([], [TOKENS[0]])

    def test_two_who_give_the_same_token_at_once_do_not_both_have_it(self, app: Flask, person: SignedIn) -> None:
        several = [person, *(factories.sign_in(app) for _ in range(3))]
        factories.at_once(4, lambda number: give(app.test_client(), several[number], TOKENS[0]))

        assert sum(len(auth.push_tokens(one.user.id)) for one in several) == 1

    def test_a_new_token_takes_the_place_of_the_old(self, client: FlaskClient, person: SignedIn) -> None:
        for token in TOKENS:
            give(client, person, token)

        assert auth.push_tokens(person.user.id) == [TOKENS[2]]

    @pytest.mark.parametrize("token", ["", "short", "a" * 5000, "with a blank in the middle", "नमस्ते" * 10, None, 5])
    def test_what_is_no_token_is_refused_and_not_repeated(
        self, client: FlaskClient, person: SignedIn, token: object
    ) -> None:
        answer = client.put(PATH, json={"pushToken": token}, headers=person.headers)

        assert fields_refused(answer) == ["pushToken"]
        assert "value" not in factories.envelope_of(answer)["errors"][0]

    def test_no_list_of_devices_shows_it_but_ones_own_export(self, client: FlaskClient, person: SignedIn) -> None:
        give(client, person, TOKENS[0])

        assert TOKENS[0] not in client.get("/api/auth/sessions", headers=person.headers).text
        assert TOKENS[0] in client.get("/api/users/profile/export", headers=person.headers).text

    def test_who_is_signed_out_gives_none(self, client: FlaskClient, person: SignedIn) -> None:
        client.post("/api/auth/logout", headers=person.headers)

        answer = client.put(PATH, json={"pushToken": TOKENS[0]}, headers=person.headers)
        assert refused(answer) == (401, "SESSION_REVOKED")
