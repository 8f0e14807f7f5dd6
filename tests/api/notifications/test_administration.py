"""Admins list messages and resend failed ones."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis

from arthomed.audit import service as audit
from arthomed.core import clock
from arthomed.notifications import service as notifications
from arthomed.notifications.models import Notification, State
from arthomed.users.models import User
from tests import factories
from tests.api.notifications import fake_twilio
from tests.api.notifications.fake_twilio import FakeTwilio, post_receipt
from tests.api.notifications.outbox import make_message
from tests.factories import UNKNOWN_ID, Records, SignedIn, data_of, error_of
from tests.migrations.records import message as record

PATH = "/api/admin/messages"


def failed_message() -> Notification:
    """An SMS about an appointment of Asha Verma that could not be sent."""
    found = make_message()
    found.finish(State.FAILED, now=clock.now(), failure="twilio 400 21211")
    return found


def list_messages(client: FlaskClient, admin: SignedIn, query: str = "") -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = data_of(client.get(f"{PATH}?{query}", headers=admin.headers))["items"]
    return items


def resend(client: FlaskClient, admin: SignedIn, message: Any) -> Any:
    return client.post(f"{PATH}/{message}/resend", headers=admin.headers)


class TestListing:
    def test_failed_message_is_listed_with_its_reason_and_without_its_text(
        self, client: FlaskClient, admin: SignedIn
    ) -> None:
        message = failed_message()

        [item] = list_messages(client, admin)
        patient = User.objects.get(role="patient")

        assert (item["_id"], item["user"], item["subject"]) == tuple(
            map(str, (message.id, patient.id, message.subject))
        )
        assert (item["state"], item["failure"], item["sendAttempts"]) == ("failed", "twilio 400 21211", 0)
        assert (item["channel"], item["kind"], item["receipt"]) == ("sms", "appointment-confirmed", None)
        assert patient.mobile_number not in str(item)
        assert "Asha" not in str(item)

    def test_listed_receipt_contains_the_cost(self, client: FlaskClient, admin: SignedIn) -> None:
        message = failed_message()
        Notification.objects.update(set__state=State.WAITING)
        accepted = {"sid": "SM1", "status": "queued", "num_segments": "2", "price": "-0.05", "price_unit": "USD"}
        with FakeTwilio().running() as twilio, fake_twilio.configured(twilio):
            twilio.response = (201, accepted)
            notifications.send(message.id)
            data_of(post_receipt(client, twilio.requests[0].callback, "undelivered", ErrorCode="30005"))

        receipt = list_messages(client, admin)[0]["receipt"]
        assert receipt.pop("at")
        assert receipt == {
            "sid": "SM1",
            "arrival": "undelivered",
            "errorCode": 30005,
            "segments": 2,
            "price": "-0.05",
            "currency": "USD",
        }

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("", ["a", "b", "c"]),
            ("channel=email", ["c"]),
            ("kind=code", ["b"]),
            ("kind=code&channel=email", []),
            ("state=expired", ["d"]),
            ("state=sent", ["e"]),
        ],
    )
    def test_list_is_filtered_by_state_channel_and_kind(
        self, client: FlaskClient, database: Records, admin: SignedIn, query: str, found: list[str]
    ) -> None:
        now = clock.now()
        parts = {
            "state": "failed",
            "kind": "appointment-pending",
            "channel": "sms",
            "createdAt": now,
            "updatedAt": now,
            "attempts": 1,
        }
        stored = {
            "a": record(**parts),
            "b": record(**{**parts, "kind": "code"}),
            "c": record(**{**parts, "channel": "email"}),
            "d": record(**{**parts, "state": "expired"}),
            "e": record(**{**parts, "state": "sent"}),
        }
        database.notifications.insert_many(stored.values())
        names = {str(one["_id"]): name for name, one in stored.items()}

        assert sorted(names[item["_id"]] for item in list_messages(client, admin, query)) == found

    @pytest.mark.parametrize("query", ["state=lost", "channel=fax", "text=1", "page=0"])
    def test_invalid_filter_is_refused(self, client: FlaskClient, admin: SignedIn, query: str) -> None:
        assert error_of(client.get(f"{PATH}?{query}", headers=admin.headers)) == (400, "VALIDATION_ERROR")

    def test_reading_the_list_is_audited(self, client: FlaskClient, database: Records, admin: SignedIn) -> None:
        message = failed_message()
        list_messages(client, admin)
        audit.flush()

        event = database.audit_events.find_one({"action": "read", "kind": "message"})
        assert event is not None
        assert (event["actor"], event["records"], event["subjects"]) == (admin.user.id, [message.id], [message.user])


class TestResending:
    def test_failed_message_is_enqueued_and_sent_again(
        self, client: FlaskClient, database: Records, admin: SignedIn, environment: dict[str, str]
    ) -> None:
        message = failed_message()
        Notification.objects.update(set__attempts=56)
        with Redis.from_url(environment["REDIS_URL"]) as redis:
            redis.flushdb()
            again = data_of(resend(client, admin, message.id))["message"]
            assert redis.llen("sms") == 1

        assert (again["state"], again["failure"]) == ("waiting", None)
        assert notifications.send(message.id) is State.SENT
        event = database.audit_events.find_one({"action": "change", "kind": "message"})
        assert event is not None
        assert (event["records"], event["subjects"]) == ([message.id], [message.user])
        assert event["changes"] == [{"field": "state", "from": "failed", "to": "waiting"}]

    def test_one_of_several_concurrent_resends_succeeds(self, app: Flask, admin: SignedIn) -> None:
        message = failed_message()
        statuses = factories.in_parallel(4, lambda _: resend(app.test_client(), admin, message.id).status_code)

        assert sorted(statuses) == [200, 400, 400, 400]

    @pytest.mark.parametrize(
        ("state", "is_useful"),
        [
            *((state, True) for state in (State.WAITING, State.SENT, State.DROPPED)),
            *((state, False) for state in (State.FAILED, State.EXPIRED)),
        ],
    )
    def test_message_that_did_not_fail_or_is_no_longer_useful_is_not_resendable(
        self, client: FlaskClient, admin: SignedIn, state: State, *, is_useful: bool
    ) -> None:
        message = failed_message()
        useful_until = message.useful_until if is_useful else clock.now()
        Notification.objects.update(set__state=state, set__useful_until=useful_until)

        assert error_of(resend(client, admin, message.id)) == (400, "INVALID_STATUS_TRANSITION")
        assert Notification.objects.get().state is state

    def test_expired_message_that_is_still_useful_can_be_resent(self, client: FlaskClient, admin: SignedIn) -> None:
        message = failed_message()
        Notification.objects.update(set__state=State.EXPIRED)

        assert resend(client, admin, message.id).status_code == 200

    def test_code_is_not_resendable(self, client: FlaskClient, admin: SignedIn) -> None:
        factories.request_code(client, mobile := factories.new_mobile())
        message = factories.otp_message(mobile)
        Notification.objects.update(set__state=State.FAILED)

        assert error_of(resend(client, admin, message.id)) == (400, "INVALID_STATUS_TRANSITION")

    def test_resending_an_unknown_message_is_not_found(self, client: FlaskClient, admin: SignedIn) -> None:
        assert error_of(resend(client, admin, UNKNOWN_ID)) == (404, "NOT_FOUND")

    def test_late_receipt_of_an_earlier_attempt_does_not_change_a_resent_message(
        self, client: FlaskClient, admin: SignedIn
    ) -> None:
        message = failed_message()
        Notification.objects.update(set__state=State.WAITING)
        with FakeTwilio().running() as twilio, fake_twilio.configured(twilio):
            notifications.send(message.id)
            path = twilio.requests[0].callback
            data_of(post_receipt(client, path, "undelivered"))
            data_of(resend(client, admin, message.id))
            for late in ("undelivered", "sent", "queued"):
                data_of(post_receipt(client, path, late))
            assert Notification.objects.get().state is State.WAITING

            with time_machine.travel(clock.now() + timedelta(seconds=1), tick=True):
                assert notifications.send(message.id) is State.SENT
            data_of(post_receipt(client, twilio.requests[1].callback, "undelivered"))
            assert Notification.objects.get().state is State.FAILED
