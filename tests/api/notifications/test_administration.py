"""What admins see of messages, and sending again by hand."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from pymongo.database import Database
from redis import Redis

from arthomed.audit import service as audit
from arthomed.core import clock
from arthomed.notifications import service as notifications
from arthomed.notifications.models import Notification, State
from arthomed.users.models import User
from tests import factories
from tests.api import carrier as twilio
from tests.api.carrier import post
from tests.factories import NOBODY, SignedIn, refused, told
from tests.migrations.records import message as record

Records = Database[dict[str, Any]]
PATH = "/api/admin/messages"


def failed(patient: User | None = None, reason: str = "twilio 400 21211") -> Notification:
    """An SMS about a visit, which failed."""
    doctor = factories.make_doctor(factories.every_day("09:00", "09:30"))
    visit = factories.make_visit(patient or factories.make_user(), doctor)
    found: Notification = Notification.objects.get(subject=visit.id)
    found.settle(State.FAILED, now=clock.now(), failure=reason)
    return found


def listed(client: FlaskClient, admin: SignedIn, query: str = "") -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = told(client.get(f"{PATH}?{query}", headers=admin.headers))["items"]
    return items


def resend(client: FlaskClient, admin: SignedIn, message: Any) -> Any:
    return client.post(f"{PATH}/{message}/resend", headers=admin.headers)


class TestListing:
    def test_what_failed_is_listed_with_its_reason_and_without_its_words(
        self, client: FlaskClient, admin: SignedIn
    ) -> None:
        patient = factories.make_user(name="Asha Verma")
        message = failed(patient)

        [item] = listed(client, admin)

        assert (item["_id"], item["user"], item["subject"]) == (str(message.id), str(patient.id), str(message.subject))
        assert (item["state"], item["failure"], item["sendAttempts"]) == ("failed", "twilio 400 21211", 0)
        assert (item["channel"], item["kind"], item["receipt"]) == ("sms", "appointment-pending", None)
        assert patient.mobile_number not in str(item)
        assert "Asha" not in str(item)

    def test_a_receipt_is_shown_with_what_it_cost(self, client: FlaskClient, admin: SignedIn) -> None:
        message = failed()
        Notification.objects.update(set__state=State.WAITING)
        taken = {"sid": "SM1", "status": "queued", "num_segments": "2", "price": "-0.05", "price_unit": "USD"}
        with twilio.running() as carrier, twilio.in_use(carrier):
            carrier.answer = (201, taken)
            notifications.send(message.id)
            told(post(client, carrier.asked[0].callback, "undelivered", ErrorCode="30005"))

        receipt = listed(client, admin)[0]["receipt"]
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
    def test_it_can_be_narrowed(
        self, client: FlaskClient, database: Records, admin: SignedIn, query: str, found: list[str]
    ) -> None:
        now = clock.now()
        parts = {
            "state": "failed",
            "kind": "visit",
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

        assert sorted(names[item["_id"]] for item in listed(client, admin, query)) == found

    @pytest.mark.parametrize("query", ["state=lost", "channel=fax", "text=1", "page=0"])
    def test_a_filter_that_there_is_not_is_refused(self, client: FlaskClient, admin: SignedIn, query: str) -> None:
        assert refused(client.get(f"{PATH}?{query}", headers=admin.headers)) == (400, "VALIDATION_ERROR")

    def test_who_looked_is_noted(self, client: FlaskClient, database: Records, admin: SignedIn) -> None:
        message = failed()
        listed(client, admin)
        audit.flush()

        event = database.audit_events.find_one({"action": "read", "kind": "message"})
        assert event is not None
        assert (event["actor"], event["records"], event["subjects"]) == (admin.user.id, [message.id], [message.user])


class TestResending:
    def test_a_message_that_failed_is_sent_as_if_it_were_new(
        self, client: FlaskClient, database: Records, admin: SignedIn, environment: dict[str, str]
    ) -> None:
        message = failed()
        Notification.objects.update(set__attempts=56)
        with Redis.from_url(environment["REDIS_URL"]) as redis:
            redis.flushdb()
            again = told(resend(client, admin, message.id))["message"]
            assert redis.llen("sms") == 1

        assert (again["state"], again["failure"]) == ("waiting", None)
        assert notifications.send(message.id) is State.SENT
        event = database.audit_events.find_one({"action": "change", "kind": "message"})
        assert event is not None
        assert (event["records"], event["subjects"]) == ([message.id], [message.user])
        assert event["changes"] == [{"field": "state", "from": "failed", "to": "waiting"}]

    def test_of_many_who_ask_at_once_one_does_it(self, app: Flask, admin: SignedIn) -> None:
        message = failed()
        answers = factories.at_once(4, lambda _: resend(app.test_client(), admin, message.id).status_code)

        assert sorted(answers) == [200, 400, 400, 400]

    @pytest.mark.parametrize("state", [State.WAITING, State.SENT, State.DROPPED])
    def test_what_did_not_fail_is_not_sent_again(self, client: FlaskClient, admin: SignedIn, state: State) -> None:
        message = failed()
        Notification.objects.update(set__state=state)

        assert refused(resend(client, admin, message.id)) == (400, "INVALID_STATUS_TRANSITION")
        assert Notification.objects.get().state is state

    @pytest.mark.parametrize("state", [State.FAILED, State.EXPIRED])
    def test_what_is_of_no_more_use_is_not_sent_again(self, client: FlaskClient, admin: SignedIn, state: State) -> None:
        message = failed()
        Notification.objects.update(set__state=state, set__useful_until=clock.now())

        assert refused(resend(client, admin, message.id)) == (400, "INVALID_STATUS_TRANSITION")

    def test_what_expired_too_early_can_be_sent_again(self, client: FlaskClient, admin: SignedIn) -> None:
        message = failed()
        Notification.objects.update(set__state=State.EXPIRED)

        assert resend(client, admin, message.id).status_code == 200

    def test_a_code_is_asked_for_anew_by_its_owner_only(self, client: FlaskClient, admin: SignedIn) -> None:
        factories.ask_for_code(client, mobile := factories.new_mobile())
        message = factories.message_of_code(mobile)
        Notification.objects.update(set__state=State.FAILED)

        assert refused(resend(client, admin, message.id)) == (400, "INVALID_STATUS_TRANSITION")

    def test_what_there_is_not_is_not_found(self, client: FlaskClient, admin: SignedIn) -> None:
        assert refused(resend(client, admin, NOBODY)) == (404, "NOT_FOUND")

    def test_a_late_word_of_the_failure_before_does_not_undo_it(self, client: FlaskClient, admin: SignedIn) -> None:
        message = failed()
        Notification.objects.update(set__state=State.WAITING)
        with twilio.running() as carrier, twilio.in_use(carrier):
            notifications.send(message.id)
            path = carrier.asked[0].callback
            told(post(client, path, "undelivered"))
            told(resend(client, admin, message.id))
            for again in ("undelivered", "sent", "queued"):
                told(post(client, path, again))
            assert Notification.objects.get().state is State.WAITING

            with time_machine.travel(clock.now() + timedelta(seconds=1), tick=True):
                assert notifications.send(message.id) is State.SENT
            told(post(client, carrier.asked[1].callback, "undelivered"))
            assert Notification.objects.get().state is State.FAILED
