"""Push notifications by FCM, sent to a fake server."""

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

from arthomed.auth.models import Session
from arthomed.auth.service import sessions
from arthomed.config_services import Fcm
from arthomed.infra.push import FcmPush
from arthomed.notifications import delivery
from arthomed.notifications import service as notifications
from arthomed.notifications.gateways import DeliveryFailed, DeviceUnregistered, Push
from arthomed.notifications.models import Channel, Notification, State
from tests import factories
from tests.api.notifications.fake_fcm import FakeFcm, error, invalid_argument
from tests.api.notifications.outbox import OPENING_HOURS, delivery_configured
from tests.api.notifications.push_tokens import TOKENS, register_token
from tests.factories import SignedIn

PUSH = Push(TOKENS[0], "Arthomed", "Namaste", "message-1")
NOT_A_TOKEN = "The registration token is not a valid FCM registration token"
INVALID_TOKEN = {
    "field": invalid_argument("message.token"),
    "field-without-code": invalid_argument("message.token", code=None),
    "message": invalid_argument(message=NOT_A_TOKEN),
    "message-without-code": invalid_argument(code=None, message=NOT_A_TOKEN),
}
INVALID_MESSAGE = {
    "data": invalid_argument("message.data[0].value"),
    "token-in-data": invalid_argument("message.data[token]"),
    "data-and-token": invalid_argument("message.data[0].value", "message.token"),
    "no-recipient": invalid_argument("message", message="Recipient of the message is not set."),
    "no-field": invalid_argument(message="Request contains an invalid argument."),
    "no-details": invalid_argument(code=None),
    "too-big": invalid_argument(message="Android message is too big"),
    "data-with-the-words-of-a-token": invalid_argument("message.data[0].value", message=NOT_A_TOKEN),
    "odd-details": (
        400,
        {"error": {"status": "INVALID_ARGUMENT", "message": 5, "details": [1, {"fieldViolations": 1}]}},
    ),
    "no-error": (400, {"error": "message.token"}),
}


@pytest.fixture
def fcm() -> Iterator[FakeFcm]:
    with FakeFcm().running() as server:
        yield server


@pytest.fixture
def gateway(fcm: FakeFcm, tmp_path: Path) -> FcmPush:
    return FcmPush(Fcm(fcm.credentials(tmp_path), fcm.url))


class TestGateway:
    def test_push_contains_token_title_text_and_kind(self, fcm: FakeFcm, gateway: FcmPush) -> None:
        gateway.send(PUSH, kind="appointment-confirmed")

        notification = {"title": "Arthomed", "body": "Namaste"}
        [accepted] = fcm.accepted
        expected = {"token": TOKENS[0], "notification": notification, "data": {"kind": "appointment-confirmed"}}
        assert {name: accepted[name] for name in expected} == expected

    def test_push_has_a_collapse_key_and_a_time_to_live(self, fcm: FakeFcm, gateway: FcmPush) -> None:
        with time_machine.travel(datetime(2026, 12, 1, tzinfo=UTC), tick=False):
            gateway.send(replace(PUSH, ttl=timedelta(minutes=90)), kind="x")

        until = str(int(datetime(2026, 12, 1, 1, 30, tzinfo=UTC).timestamp()))
        [accepted] = fcm.accepted
        assert accepted["android"] == {"notification": {"tag": "message-1"}, "ttl": "5400s"}
        assert accepted["apns"] == {"headers": {"apns-collapse-id": "message-1", "apns-expiration": until}}

    def test_time_to_live_is_at_most_the_four_weeks_that_fcm_accepts(self, fcm: FakeFcm, gateway: FcmPush) -> None:
        with time_machine.travel(datetime(2026, 12, 1, tzinfo=UTC), tick=False):
            gateway.send(replace(PUSH, ttl=timedelta(days=90)), kind="x")

        [accepted] = fcm.accepted
        assert accepted["android"]["ttl"] == "2419200s"
        assert accepted["apns"]["headers"]["apns-expiration"] == str(
            int(datetime(2026, 12, 29, tzinfo=UTC).timestamp())
        )

    def test_access_token_is_cached(self, fcm: FakeFcm, gateway: FcmPush) -> None:
        for _ in range(3):
            gateway.send(PUSH, kind="x")

        assert (len(fcm.accepted), fcm.issued_tokens) == (3, 1)

    def test_access_token_is_renewed_before_it_expires(self, fcm: FakeFcm, gateway: FcmPush) -> None:
        fcm.expires_in = 30
        for _ in range(2):
            gateway.send(PUSH, kind="x")

        assert (len(fcm.accepted), fcm.issued_tokens) == (2, 2)

    def test_revoked_access_token_is_renewed(self, fcm: FakeFcm, gateway: FcmPush) -> None:
        gateway.send(PUSH, kind="x")
        fcm.issued_tokens += 1  # invalidates the cached token
        gateway.send(PUSH, kind="x")

        assert (len(fcm.accepted), fcm.issued_tokens) == (2, 3)

    @pytest.mark.parametrize(
        ("response", "permanent"),
        [
            ((500, error("INTERNAL")), False),
            ((503, b"unavailable"), False),
            ((429, error("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED")), False),
            ((403, error("PERMISSION_DENIED")), False),
            ((302, b""), False),
            (None, False),
            *((response, True) for response in INVALID_MESSAGE.values()),
            ((404, b"<html>"), False),
            ((404, error("NOT_FOUND")), False),
            ((403, error("PERMISSION_DENIED", "SENDER_ID_MISMATCH")), True),
        ],
        ids=str,
    )
    def test_only_a_refusal_of_this_message_is_permanent(
        self, fcm: FakeFcm, gateway: FcmPush, response: Any, *, permanent: bool
    ) -> None:
        fcm.responses = [response]
        with pytest.raises(DeliveryFailed) as failed:
            gateway.send(PUSH, kind="x")

        assert (type(failed.value), failed.value.permanent) == (DeliveryFailed, permanent)  # no DeviceUnregistered
        assert "never stored" not in str(failed.value)

    @pytest.mark.parametrize("response", [(404, error("NOT_FOUND", "UNREGISTERED")), *INVALID_TOKEN.values()], ids=str)
    def test_unregistered_device_and_invalid_token_raise_their_own_error(
        self, fcm: FakeFcm, gateway: FcmPush, response: tuple[int, object]
    ) -> None:
        fcm.responses = [response]
        with pytest.raises(DeviceUnregistered):
            gateway.send(PUSH, kind="x")

    def test_retry_after_header_is_returned(self, fcm: FakeFcm, gateway: FcmPush) -> None:
        fcm.responses, fcm.headers = [(429, error("RESOURCE_EXHAUSTED"))], {"Retry-After": "60"}
        with pytest.raises(DeliveryFailed) as failed:
            gateway.send(PUSH, kind="x")

        assert (str(failed.value), failed.value.retry_after) == ("fcm 429 RESOURCE_EXHAUSTED", timedelta(seconds=60))

    @pytest.mark.parametrize(
        "response",
        [(400, {"error": "invalid_grant"}), (200, b"<html>"), (200, {"access_token": "x"}), (200, [1])],
        ids=str,
    )
    def test_failure_to_get_an_access_token_is_retried(
        self, fcm: FakeFcm, gateway: FcmPush, response: tuple[int, object]
    ) -> None:
        fcm.token_response = response
        with pytest.raises(DeliveryFailed, match=f"fcm token {response[0]}") as failed:
            gateway.send(PUSH, kind="x")

        assert not failed.value.permanent
        assert fcm.accepted == []

    def test_invalid_private_key_is_retried(self, fcm: FakeFcm, tmp_path: Path) -> None:
        file = fcm.credentials(tmp_path)
        file.write_text(file.read_text().replace("PRIVATE KEY", "NO KEY"))
        with pytest.raises(DeliveryFailed) as failed:
            FcmPush(Fcm(file, fcm.url)).send(PUSH, kind="x")

        assert not failed.value.permanent


@pytest.fixture
def push_configured(app: Flask, gateway: FcmPush) -> Iterator[None]:
    del app
    push = delivery.PushConfig(gateway, sessions.push_tokens, sessions.with_push_tokens, sessions.forget_push_token)
    with delivery_configured(push=push):
        yield


def book(patient: SignedIn) -> list[Notification]:
    """Book an appointment; returns the pushes about it."""
    factories.make_appointment(patient.user, factories.make_doctor(OPENING_HOURS))
    return list(Notification.objects(channel=Channel.PUSH))


@pytest.mark.usefixtures("push_configured")
class TestMessages:
    def test_push_goes_to_all_devices_with_the_text_of_the_sms(
        self, app: Flask, client: FlaskClient, person: SignedIn, fcm: FakeFcm
    ) -> None:
        for token, device in zip(TOKENS, [person, factories.sign_in(app, person.user)], strict=False):
            register_token(client, device, token)
        [push] = book(person)

        assert notifications.send(push.id) is State.SENT
        assert {one["token"] for one in fcm.accepted} == set(TOKENS[:2])
        for one in fcm.accepted:
            assert one["notification"]["body"].startswith("Arthomed: Your request for")

    def test_user_without_a_token_gets_no_push(self, person: SignedIn) -> None:
        assert book(person) == []

    def test_only_the_patient_with_a_device_gets_a_push_in_a_batch_of_bookings(
        self, app: Flask, client: FlaskClient, person: SignedIn
    ) -> None:
        register_token(client, person, TOKENS[0])
        doctor = factories.make_doctor(factories.every_day("09:00", "10:30"))
        patients = [factories.sign_in(app).user, person.user, factories.sign_in(app).user]
        times = ("09:00", "09:30", "10:00")

        factories.in_parallel(
            3, lambda number: factories.make_appointment(patients[number], doctor, time=times[number])
        )

        assert [one.user for one in Notification.objects(channel=Channel.PUSH)] == [person.user.id]
        assert Notification.objects(channel=Channel.SMS).count() == 3

    def test_devices_of_several_patients_are_found_in_one_query(
        self, app: Flask, client: FlaskClient, person: SignedIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        register_token(client, person, TOKENS[0])
        users = [person.user.id, factories.sign_in(app).user.id, factories.sign_in(app).user.id]
        query = Mock(wraps=Session.with_push_tokens)
        monkeypatch.setattr(Session, "with_push_tokens", query)

        assert notifications.users_with_devices(users) == {person.user.id}
        assert query.call_count == 1

    def test_code_is_never_sent_by_push(self, client: FlaskClient, person: SignedIn) -> None:
        register_token(client, person, TOKENS[0])
        factories.request_code(client, person.user.mobile_number)

        assert factories.otp_message(person.user.mobile_number).channel is Channel.SMS
        assert Notification.objects.count() == 1

    def test_push_is_sent_when_one_device_accepts_it(
        self, app: Flask, client: FlaskClient, person: SignedIn, fcm: FakeFcm
    ) -> None:
        for token, device in zip(TOKENS, [person, factories.sign_in(app, person.user)], strict=False):
            register_token(client, device, token)
        [push] = book(person)
        fcm.responses = [(500, error("INTERNAL"))]

        assert notifications.send(push.id) is State.SENT
        assert len(fcm.accepted) == 1

    def test_an_invalid_token_is_deleted_when_another_device_accepts_the_push(
        self, app: Flask, client: FlaskClient, person: SignedIn, fcm: FakeFcm
    ) -> None:
        for token, device in zip(TOKENS, [person, factories.sign_in(app, person.user)], strict=False):
            register_token(client, device, token)
        [push] = book(person)
        fcm.responses = [INVALID_TOKEN["field"]]

        assert notifications.send(push.id) is State.SENT
        assert sessions.push_tokens(person.user.id) == [fcm.accepted[0]["token"]]

    def test_push_goes_to_the_four_most_recently_used_devices(
        self, app: Flask, client: FlaskClient, person: SignedIn
    ) -> None:
        for number in range(5):
            register_token(client, factories.sign_in(app, person.user), f"{number}-token-of-a-phone:APA91b")

        assert [token[0] for token in sessions.push_tokens(person.user.id)] == ["4", "3", "2", "1"]

    @pytest.mark.parametrize(
        ("response", "state", "tokens"),
        [
            (INVALID_MESSAGE["data"], State.FAILED, [TOKENS[0]]),
            ((503, b"unavailable"), State.WAITING, [TOKENS[0]]),
            ((404, error("NOT_FOUND", "UNREGISTERED")), State.DROPPED, []),
            (INVALID_TOKEN["field"], State.DROPPED, []),
            (INVALID_TOKEN["message"], State.DROPPED, []),
        ],
        ids=["refused", "unavailable", "unregistered", "invalid-field", "invalid-message"],
    )
    def test_refused_push_fails_or_is_retried_and_only_an_unregistered_or_invalid_token_is_deleted(
        self,
        client: FlaskClient,
        person: SignedIn,
        fcm: FakeFcm,
        response: tuple[int, object],
        state: State,
        tokens: list[str],
    ) -> None:
        register_token(client, person, TOKENS[0])
        [push] = book(person)
        fcm.responses = [response]

        assert notifications.send(push.id) is state
        assert sessions.push_tokens(person.user.id) == tokens

    def test_signed_out_device_gets_no_push(self, client: FlaskClient, person: SignedIn, fcm: FakeFcm) -> None:
        register_token(client, person, TOKENS[0])
        [push] = book(person)
        client.post("/api/auth/logout", headers=person.headers)

        assert notifications.send(push.id) is State.DROPPED
        assert fcm.accepted == []
