"""Delivery receipts over HTTP: only Twilio's own count, in whatever order and however often they come."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from bson import ObjectId
from flask import Flask
from flask.testing import FlaskClient
from pymongo.database import Database

from arthomed.config_messages import Twilio
from arthomed.infra.sms import TwilioReceipts
from arthomed.notifications import outlets
from arthomed.notifications import service as notifications
from arthomed.notifications.gateways import Arrival
from arthomed.notifications.models import Notification, State
from tests import factories
from tests.api import carrier as twilio
from tests.api.carrier import Carrier, form_of, post, signed
from tests.factories import refused, told
from tests.stack import wait_for

Records = Database[dict[str, Any]]
PATH = "/api/webhooks/twilio/status"
UNDELIVERED = {"ErrorCode": "30005"}


@pytest.fixture
def carrier() -> Iterator[Carrier]:
    with twilio.running() as found:
        yield found


@pytest.fixture(autouse=True)
def by_twilio(app: Flask, carrier: Carrier) -> Iterator[None]:
    del app
    with twilio.in_use(carrier):
        yield


def stored(message: Notification) -> Notification:
    found: Notification = Notification.objects.get(id=message.id)
    return found


def waiting() -> Notification:
    doctor = factories.make_doctor(factories.every_day("09:00", "09:30"))
    visit = factories.make_visit(factories.make_user(email="asha@example.com"), doctor)
    found: Notification = Notification.objects.get(subject=visit.id)
    return found


@pytest.fixture
def sent(client: FlaskClient) -> Notification:
    del client  # it empties the database
    message = waiting()
    assert notifications.send(message.id) is State.SENT
    return stored(message)


def test_what_twilio_says_when_it_takes_a_message_is_stored(client: FlaskClient, carrier: Carrier) -> None:
    carrier.answer = (
        201,
        {"sid": "SM1", "status": "queued", "num_segments": "2", "price": "-0.05", "price_unit": "USD"},
    )
    message = waiting()
    notifications.send(message.id)

    receipt = stored(message).receipt
    assert (receipt.sid, receipt.arrival, receipt.segments) == ("SM1", Arrival.QUEUED, 2)
    assert (receipt.price, receipt.currency) == ("-0.05", "USD")
    told(post(client, carrier.asked[0].callback, "delivered"))
    receipt = stored(message).receipt
    assert (receipt.arrival, receipt.segments, receipt.price) == (Arrival.DELIVERED, 2, "-0.05")


@pytest.mark.parametrize(
    ("status", "arrival"),
    [("queued", "queued"), ("sending", "queued"), ("sent", "sent"), ("delivered", "delivered"), ("read", "delivered")],
)
def test_a_receipt_is_stored_on_its_message(
    client: FlaskClient, carrier: Carrier, sent: Notification, status: str, arrival: str
) -> None:
    assert post(client, carrier.asked[0].callback, status).status_code == 200

    assert (stored(sent).state, stored(sent).receipt.arrival) == (State.SENT, arrival)


@pytest.mark.parametrize("status", ["undelivered", "failed"])
def test_a_message_that_did_not_arrive_has_failed(
    client: FlaskClient, carrier: Carrier, sent: Notification, status: str
) -> None:
    told(post(client, carrier.asked[0].callback, status, **UNDELIVERED))

    found = stored(sent)
    assert (found.state, found.failure, found.receipt.error_code) == (State.FAILED, f"carrier {status} 30005", 30005)


def test_in_any_order_the_best_of_all_receipts_stays(
    client: FlaskClient, database: Records, carrier: Carrier, sent: Notification
) -> None:
    for order in permutations(["queued", "sent", "undelivered", "delivered"]):
        database.notifications.replace_one({"_id": sent.id}, sent.to_mongo())
        for status in order:
            error = UNDELIVERED if status == "undelivered" else {}
            told(post(client, carrier.asked[0].callback, status, **error))

        found = stored(sent)
        assert (found.state, found.receipt.arrival) == (State.SENT, Arrival.DELIVERED), order
        assert (found.failure, found.receipt.error_code) == (None, None), order


def test_a_message_that_failed_is_not_sent_again_by_a_late_receipt(
    client: FlaskClient, carrier: Carrier, sent: Notification
) -> None:
    for status in ("undelivered", "sent", "queued"):
        told(post(client, carrier.asked[0].callback, status))

    assert (stored(sent).state, stored(sent).receipt.arrival) == (State.FAILED, Arrival.UNDELIVERED)


def test_a_receipt_that_comes_often_and_at_once_is_one(
    app: Flask, client: FlaskClient, carrier: Carrier, sent: Notification
) -> None:
    path = carrier.asked[0].callback
    answers = factories.at_once(6, lambda _: post(app.test_client(), path, "delivered").status_code)
    once = stored(sent).to_mongo()
    post(client, path, "delivered")

    assert answers == [200] * 6
    again = stored(sent).to_mongo()
    assert {**again, "updatedAt": None} == {**once, "updatedAt": None}


@pytest.mark.parametrize(
    ("status", "state"), [("sent", State.SENT), ("delivered", State.SENT), ("undelivered", State.FAILED)]
)
def test_a_receipt_that_comes_before_twilios_own_answer_is_not_lost(
    app: Flask, client: FlaskClient, carrier: Carrier, status: str, state: State
) -> None:
    message = waiting()
    carrier.answer = (201, {"sid": "SM1", "status": "queued", "num_segments": "2"})
    carrier.goes_on.clear()

    def work(number: int) -> Any:
        if number == 0:
            return notifications.send(message.id)
        wait_for(lambda: carrier.asked, what="the request")
        answer = post(app.test_client(), carrier.asked[0].callback, status)
        carrier.goes_on.set()
        return answer.status_code

    assert factories.at_once(2, work)[1] == 200
    assert (stored(message).state, stored(message).receipt.arrival) == (state, status)
    assert stored(message).receipt.segments == 2  # of Twilio's answer, which came last


def test_a_receipt_of_an_attempt_without_an_answer_says_that_it_was_taken(
    client: FlaskClient, carrier: Carrier
) -> None:
    message = waiting()
    carrier.answer = None
    assert notifications.send(message.id) is State.WAITING
    told(post(client, carrier.asked[0].callback, "sent"))

    assert stored(message).state is State.SENT
    assert notifications.send(message.id) is None
    assert len(carrier.asked) == 1


def test_that_an_earlier_attempt_failed_says_nothing_of_the_last(client: FlaskClient, carrier: Carrier) -> None:
    message = waiting()
    carrier.answer = None
    notifications.send(message.id)
    Notification.objects(id=message.id).update(set__due_at=message.due_at)
    carrier.answer = twilio.TAKEN
    notifications.send(message.id)
    first, second = (asked.callback for asked in carrier.asked)

    told(post(client, first, "undelivered"))
    assert stored(message).state is State.SENT
    told(post(client, second, "undelivered"))
    assert stored(message).state is State.FAILED


Break = Callable[[str, dict[str, Any]], tuple[str, dict[str, Any], dict[str, str]]]
FORGERIES: dict[str, Break] = {
    "no signature": lambda path, form: (path, form, {}),
    "an empty one": lambda path, form: (path, form, {"X-Twilio-Signature": ""}),
    "another secret's": lambda path, form: (path, form, signed(path, form, token="another")),
    "of another form": lambda path, form: (path, form, signed(path, {**form, "MessageStatus": "sent"})),
    "of another message": lambda path, form: (path.replace("message=", "message=0"), form, signed(path, form)),
    "of no query": lambda path, form: (path, form, signed(PATH, form)),
    "with one more field": lambda path, form: (path, {**form, "ErrorCode": "1"}, signed(path, form)),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_what_twilio_did_not_sign_is_refused_and_changes_nothing(
    client: FlaskClient, carrier: Carrier, sent: Notification, forgery: str
) -> None:
    path, form, headers = FORGERIES[forgery](carrier.asked[0].callback, form_of("delivered"))

    assert refused(client.post(path, data=form, headers=headers)) == (403, "PERMISSION_DENIED")
    assert stored(sent).receipt.arrival is Arrival.QUEUED


def test_the_signature_counts_however_the_proxy_calls_this_server(
    client: FlaskClient, carrier: Carrier, sent: Notification
) -> None:
    path, form = carrier.asked[0].callback, form_of("delivered")
    headers = {**signed(path, form), "Host": "10.0.0.7:5000", "X-Forwarded-Host": "evil.example"}

    assert client.post(path, data=form, headers=headers).status_code == 200


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data; boundary=x"])
def test_a_body_that_is_no_form_is_refused(
    client: FlaskClient, carrier: Carrier, sent: Notification, kind: str
) -> None:
    path, form = carrier.asked[0].callback, form_of("delivered")
    answer = client.post(path, data=b"MessageStatus=delivered", content_type=kind, headers=signed(path, form))

    assert refused(answer) == (403, "PERMISSION_DENIED")


def test_where_no_receipts_are_asked_for_none_is_taken(
    client: FlaskClient, carrier: Carrier, sent: Notification
) -> None:
    before = outlets.outlet()
    outlets.use(replace(before, receipts=None))
    try:
        assert refused(post(client, carrier.asked[0].callback, "delivered")) == (403, "PERMISSION_DENIED")
    finally:
        outlets.use(before)


def test_a_receipt_of_a_message_that_there_is_not_is_taken_and_passed_over(client: FlaskClient) -> None:
    assert post(client, f"{PATH}?message={ObjectId()}&attempt=1", "delivered").status_code == 200


@pytest.mark.parametrize("query", ["x=1", "message=1&attempt=1", f"message={'0' * 24}&attempt=x"])
def test_a_signed_address_that_we_never_gave_is_refused(client: FlaskClient, query: str) -> None:
    assert refused(post(client, f"{PATH}?{query}", "delivered")) == (400, "VALIDATION_ERROR")


def test_a_status_that_says_nothing_to_us_changes_nothing(
    client: FlaskClient, carrier: Carrier, sent: Notification
) -> None:
    told(post(client, carrier.asked[0].callback, "receiving"))

    assert stored(sent).to_mongo() == sent.to_mongo()


def test_twilios_receipts_are_charged_to_nobody_and_forgeries_to_their_sender() -> None:
    with factories.another_app(rate_limits=factories.rate_limits(address=3)) as app:
        outlet = outlets.outlet()
        account = Twilio(twilio.SID, twilio.TOKEN, twilio.NUMBER, None, None)
        outlets.use(replace(outlet, receipts=TwilioReceipts(account, twilio.PUBLIC_URL)))
        client, path = app.test_client(), f"{PATH}?message={'0' * 24}&attempt=1"

        genuine = [post(client, path, "delivered").status_code for _ in range(10)]
        forged = [client.post(path, data={}).status_code for _ in range(5)]

        assert (genuine, forged) == ([200] * 10, [403, 403, 403, 429, 429])
        assert post(client, path, "delivered").status_code == 200
