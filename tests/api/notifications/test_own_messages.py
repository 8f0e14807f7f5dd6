"""Everybody lists, reads and hides the messages to themselves about appointments."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from arthomed.appointments.rules import Status
from arthomed.core import clock
from arthomed.core.permissions import Role
from arthomed.notifications import service as notifications
from arthomed.notifications.gateways import Attempt, DeliveryStatus, Receipt
from arthomed.notifications.models import Channel, Notification, State
from arthomed.users.models import User
from tests import factories
from tests.api.notifications.outbox import change_status, make_appointment, only_message, stored
from tests.factories import UNKNOWN_ID, Records, SignedIn, data_of, error_of

PATH = "/api/notifications"


@pytest.fixture
def asha(app: Flask, client: FlaskClient) -> SignedIn:
    """A patient whose appointment was requested and then confirmed, with an SMS and an e-mail about each."""
    del client  # it empties the database
    appointment = change_status(make_appointment("asha@example.com"), Status.CONFIRMED)
    return factories.sign_in(app, User.objects.get(id=appointment.patient_id))


def page(client: FlaskClient, caller: SignedIn, query: str = "") -> Any:
    return data_of(client.get(f"{PATH}?{query}", headers=caller.headers))


def items(client: FlaskClient, caller: SignedIn) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = page(client, caller)["items"]
    return found


def read(client: FlaskClient, caller: SignedIn, message: object) -> Any:
    return client.put(f"{PATH}/{message}/read", headers=caller.headers)


def hide(client: FlaskClient, caller: SignedIn, message: object) -> Any:
    return client.delete(f"{PATH}/{message}", headers=caller.headers)


class TestListing:
    def test_each_message_is_listed_once_for_all_its_channels_the_newest_first(
        self, client: FlaskClient, asha: SignedIn
    ) -> None:
        confirmed, requested = items(client, asha)

        sms = only_message(kind="appointment-confirmed", channel=Channel.SMS)
        waiting = {"state": "waiting", "arrival": None, "sentAt": None}
        assert confirmed == {
            "_id": str(sms.id),
            "kind": "appointment-confirmed",
            "title": "Your visit is confirmed",
            "appointmentId": str(sms.subject),
            "channels": [{"channel": "sms", **waiting}, {"channel": "email", **waiting}],
            "createdAt": clock.iso(sms.created_at),
            "readAt": None,
        }
        assert requested["kind"] == "appointment-pending"

    def test_channels_have_the_state_and_the_arrival(self, client: FlaskClient, asha: SignedIn) -> None:
        sms, email = Notification.objects(kind="appointment-confirmed").order_by("id")
        receipt = Receipt("SM1", DeliveryStatus.DELIVERED)
        Notification.record_receipt(Attempt(str(sms.id), 0), receipt, now=clock.now(), wait=None)
        email.finish(State.FAILED, now=clock.now(), failure="smtp 550")

        by_sms, by_email = items(client, asha)[0]["channels"]

        assert (by_sms["state"], by_sms["arrival"], by_sms["sentAt"] is None) == ("sent", "delivered", False)
        assert (by_email["state"], by_email["arrival"]) == ("failed", None)
        assert "550" not in str(by_email)

    def test_pages_count_messages_and_not_channels(self, client: FlaskClient, asha: SignedIn) -> None:
        second = page(client, asha, "page=2&limit=1")

        assert [one["kind"] for one in second["items"]] == ["appointment-pending"]
        assert (second["pagination"]["total"], second["pagination"]["pages"]) == (2, 2)

    def test_a_fallback_belongs_to_the_message_that_it_replaces(self, client: FlaskClient, asha: SignedIn) -> None:
        sms = only_message(kind="appointment-confirmed", channel=Channel.SMS)
        fallback = Notification.from_topic(sms.topic, Channel.PUSH, is_fallback=True, due_at=clock.now())
        assert fallback.insert_if_new()

        assert [one["channel"] for one in items(client, asha)[0]["channels"]] == ["sms", "email", "push"]

    def test_titles_are_in_the_language_of_the_user(self, client: FlaskClient, asha: SignedIn) -> None:
        User.objects(id=asha.user.id).update(set__profile__language="hi")

        title = items(client, asha)[0]["title"]

        assert title
        assert not title.isascii()

    def test_codes_are_not_listed(self, client: FlaskClient, database: Records, asha: SignedIn) -> None:
        factories.request_code(client, asha.user.mobile_number)
        factories.code_for(asha.user.mobile_number)
        database.notifications.update_many({"kind": "code"}, {"$set": {"user": asha.user.id}})

        assert {one["kind"] for one in items(client, asha)} == {"appointment-confirmed", "appointment-pending"}

    def test_staff_have_the_messages_about_their_own_appointments_only(
        self, client: FlaskClient, app: Flask, asha: SignedIn
    ) -> None:
        del asha  # others' messages
        desk = factories.sign_in(app, factories.make_user(Role.RECEPTIONIST))
        assert items(client, desk) == []

        appointment = factories.make_appointment(desk.user)

        assert [one["appointmentId"] for one in items(client, desk)] == [str(appointment.id)]

    @pytest.mark.parametrize("query", ["page=0", "limit=101", "kind=code"])
    def test_an_invalid_query_is_refused(self, client: FlaskClient, asha: SignedIn, query: str) -> None:
        assert error_of(client.get(f"{PATH}?{query}", headers=asha.headers)) == (400, "VALIDATION_ERROR")


class TestReading:
    def test_a_message_keeps_the_time_when_it_was_first_read(self, client: FlaskClient, asha: SignedIn) -> None:
        message = items(client, asha)[0]["_id"]
        first = data_of(read(client, asha, message))["notification"]
        with time_machine.travel(clock.now() + timedelta(minutes=1), tick=True):
            again = data_of(read(client, asha, message))["notification"]

        assert first["readAt"] is not None
        assert items(client, asha)[0] == first == again
        assert items(client, asha)[1]["readAt"] is None

    def test_a_message_that_was_read_is_still_sent(self, client: FlaskClient, asha: SignedIn) -> None:
        sms = only_message(kind="appointment-confirmed", channel=Channel.SMS)
        read(client, asha, sms.id)

        assert notifications.send(sms.id) is State.SENT
        assert stored(sms).read_at is not None


class TestHiding:
    def test_a_hidden_message_leaves_the_list_and_stays_in_the_outbox(
        self, client: FlaskClient, database: Records, asha: SignedIn
    ) -> None:
        sms = only_message(kind="appointment-confirmed", channel=Channel.SMS)
        data_of(hide(client, asha, sms.id))

        found = page(client, asha)
        assert [one["kind"] for one in found["items"]] == ["appointment-pending"]
        assert found["pagination"]["total"] == 1
        assert stored(sms).state is State.WAITING
        assert not Notification.from_topic(sms.topic, Channel.SMS, due_at=clock.now()).insert_if_new()
        event = database.audit_events.find_one({"action": "delete", "kind": "message"})
        assert event is not None
        assert (event["records"], event["subjects"]) == ([sms.id], [asha.user.id])

    def test_a_hidden_message_gets_its_receipt(self, client: FlaskClient, asha: SignedIn) -> None:
        sms = only_message(kind="appointment-confirmed", channel=Channel.SMS)
        hide(client, asha, sms.id)
        receipt = Receipt("SM1", DeliveryStatus.DELIVERED)
        Notification.record_receipt(Attempt(str(sms.id), 0), receipt, now=clock.now(), wait=None)

        assert stored(sms).receipt.status is DeliveryStatus.DELIVERED
        assert len(items(client, asha)) == 1

    def test_a_hidden_message_is_not_found(self, client: FlaskClient, asha: SignedIn) -> None:
        message = items(client, asha)[0]["_id"]
        hide(client, asha, message)

        assert error_of(hide(client, asha, message)) == (404, "NOT_FOUND")
        assert error_of(read(client, asha, message)) == (404, "NOT_FOUND")

    def test_one_of_several_concurrent_requests_hides_a_message(
        self, app: Flask, client: FlaskClient, database: Records, asha: SignedIn
    ) -> None:
        message = items(client, asha)[0]["_id"]
        statuses = factories.in_parallel(4, lambda _: hide(app.test_client(), asha, message).status_code)

        assert sorted(statuses) == [200, 404, 404, 404]
        assert database.audit_events.count_documents({"action": "delete", "kind": "message"}) == 1

    def test_the_export_has_hidden_messages(self, client: FlaskClient, asha: SignedIn) -> None:
        message = items(client, asha)[0]["_id"]
        read(client, asha, message)
        hide(client, asha, message)

        export = factories.envelope_of(client.get("/api/users/profile/export", headers=asha.headers))

        times = [(one["readAt"] is not None, one["hiddenAt"] is not None) for one in export["messages"]]
        assert sorted(times) == [(False, False)] * 3 + [(True, True)]


@pytest.mark.parametrize("request_", [read, hide])
def test_others_messages_codes_other_channels_and_unknown_messages_are_not_found(
    client: FlaskClient, app: Flask, asha: SignedIn, request_: Any
) -> None:
    factories.request_code(client, mobile := factories.new_mobile())
    email = Notification.objects(channel=Channel.EMAIL).first()
    sms = only_message(kind="appointment-confirmed", channel=Channel.SMS)
    stranger = factories.sign_in(app)

    for caller, message in [
        (stranger, sms.id),
        (asha, factories.otp_message(mobile).id),
        (asha, email.id),
        (asha, UNKNOWN_ID),
    ]:
        assert error_of(request_(client, caller, message)) == (404, "NOT_FOUND")
