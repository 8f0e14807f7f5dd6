"""The desk lists the messages about an appointment, and sends a failed one again."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.audit import service as audit
from arthomed.core import clock
from arthomed.core.permissions import Role
from arthomed.notifications import service as notifications
from arthomed.notifications.gateways import Attempt, DeliveryStatus, Receipt
from arthomed.notifications.models import Channel, Notification, State
from tests import factories
from tests.api.notifications.outbox import change_status, make_appointment, only_message
from tests.factories import UNKNOWN_ID, Records, SignedIn, data_of, error_of


@pytest.fixture
def desk(app: Flask, client: FlaskClient) -> SignedIn:
    del client  # it empties the database
    return factories.sign_in(app, factories.make_user(Role.RECEPTIONIST))


@pytest.fixture
def appointment(desk: SignedIn) -> Appointment:
    """A confirmed appointment of Asha Verma; the SMS about the confirmation failed."""
    del desk  # it empties the database
    appointment = change_status(make_appointment("asha@example.com"), Status.CONFIRMED)
    failed_sms().finish(State.FAILED, now=clock.now(), failure="twilio 400 21211")
    return appointment


def failed_sms() -> Notification:
    return only_message(kind="appointment-confirmed", channel=Channel.SMS)


def list_messages(client: FlaskClient, desk: SignedIn, appointment: object) -> Any:
    return client.get(f"/api/appointments/{appointment}/messages", headers=desk.headers)


def resend(client: FlaskClient, desk: SignedIn, message: object) -> Any:
    return client.post(f"/api/messages/{message}/resend", headers=desk.headers)


class TestListing:
    def test_each_message_has_its_state_and_receipt_the_newest_first(
        self, client: FlaskClient, desk: SignedIn, appointment: Appointment
    ) -> None:
        requested = only_message(kind="appointment-pending", channel=Channel.SMS)
        receipt = Receipt("SM1", DeliveryStatus.DELIVERED)
        Notification.record_receipt(Attempt(str(requested.id), 0), receipt, now=clock.now(), wait=None)
        factories.make_appointment()  # with messages of its own

        found = data_of(list_messages(client, desk, appointment.id))["messages"]

        assert [(one["kind"].removeprefix("appointment-"), one["channel"], one["state"]) for one in found] == [
            ("confirmed", "email", "waiting"),
            ("confirmed", "sms", "failed"),
            ("pending", "email", "waiting"),
            ("pending", "sms", "sent"),
        ]
        assert (found[1]["failure"], found[1]["receipt"]) == ("twilio 400 21211", None)
        assert found[3]["receipt"]["arrival"] == "delivered"

    def test_reading_them_is_audited(
        self, client: FlaskClient, database: Records, desk: SignedIn, appointment: Appointment
    ) -> None:
        data_of(list_messages(client, desk, appointment.id))
        audit.flush()

        event = database.audit_events.find_one({"action": "read", "kind": "message"})
        assert event is not None
        assert (event["actor"], event["subjects"]) == (desk.user.id, [appointment.patient_id])
        assert len(event["records"]) == 4

    def test_an_unknown_appointment_is_not_found(self, client: FlaskClient, desk: SignedIn) -> None:
        assert error_of(list_messages(client, desk, UNKNOWN_ID)) == (404, "NOT_FOUND")


class TestResending:
    def test_a_failed_message_is_sent_again(
        self, client: FlaskClient, database: Records, desk: SignedIn, appointment: Appointment
    ) -> None:
        message = data_of(resend(client, desk, failed_sms().id))["message"]

        assert (message["state"], message["failure"], message["subject"]) == ("waiting", None, str(appointment.id))
        assert notifications.send(failed_sms().id) is State.SENT
        event = database.audit_events.find_one({"action": "change", "kind": "message"})
        assert event is not None
        assert (event["actor"], event["subjects"]) == (desk.user.id, [appointment.patient_id])

    def test_one_of_several_concurrent_requests_succeeds(
        self, app: Flask, desk: SignedIn, appointment: Appointment
    ) -> None:
        del appointment  # it has a failed SMS
        message = failed_sms().id
        statuses = factories.in_parallel(4, lambda _: resend(app.test_client(), desk, message).status_code)

        assert sorted(statuses) == [200, 400, 400, 400]

    def test_a_message_that_did_not_fail_is_refused(
        self, client: FlaskClient, desk: SignedIn, appointment: Appointment
    ) -> None:
        del appointment  # it has messages
        waiting = only_message(kind="appointment-confirmed", channel=Channel.EMAIL)

        assert error_of(resend(client, desk, waiting.id)) == (400, "INVALID_STATUS_TRANSITION")

    def test_a_message_about_an_earlier_status_is_refused(
        self, client: FlaskClient, desk: SignedIn, appointment: Appointment
    ) -> None:
        change_status(appointment, Status.CANCELLED)
        response = resend(client, desk, failed_sms().id)

        assert error_of(response) == (400, "INVALID_STATUS_TRANSITION")
        assert "changed" in response.get_json()["message"]
        assert failed_sms().state is State.FAILED

    def test_a_message_about_an_appointment_that_has_ended_is_refused(
        self, app: Flask, client: FlaskClient, desk: SignedIn, appointment: Appointment
    ) -> None:
        with time_machine.travel(appointment.ends_at + timedelta(minutes=1), tick=True):
            desk_then = factories.sign_in(app, desk.user)
            assert error_of(resend(client, desk_then, failed_sms().id)) == (400, "INVALID_STATUS_TRANSITION")

    def test_a_message_to_an_erased_account_is_refused(
        self, client: FlaskClient, database: Records, desk: SignedIn, appointment: Appointment
    ) -> None:
        database.users.update_one({"_id": appointment.patient_id}, {"$set": {"erasedAt": clock.now()}})

        assert error_of(resend(client, desk, failed_sms().id)) == (400, "INVALID_STATUS_TRANSITION")

    def test_codes_and_unknown_messages_are_not_found(self, client: FlaskClient, desk: SignedIn) -> None:
        factories.request_code(client, mobile := factories.new_mobile())
        code = factories.otp_message(mobile)
        Notification.objects(id=code.id).update(set__state=State.FAILED)

        assert error_of(resend(client, desk, code.id)) == (404, "NOT_FOUND")
        assert error_of(resend(client, desk, UNKNOWN_ID)) == (404, "NOT_FOUND")
