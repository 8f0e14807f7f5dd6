"""The webhook for delivery receipts: signed by Twilio, in any order, repeated or not."""

from collections.abc import Callable, Iterator
from itertools import permutations
from typing import Any

import pytest
from bson import ObjectId
from flask import Flask
from flask.testing import FlaskClient

from arthomed.notifications import service as notifications
from arthomed.notifications.gateways import DeliveryStatus
from arthomed.notifications.models import Notification, State
from tests import factories
from tests.api.notifications import fake_twilio
from tests.api.notifications.fake_twilio import FakeTwilio, post_receipt, receipt_form, sign
from tests.api.notifications.outbox import delivery_configured, make_rejected, only_message, stored
from tests.factories import Records, data_of, error_of
from tests.stack import wait_for

PATH = "/api/webhooks/twilio/status"
UNDELIVERED = {"ErrorCode": "30005"}


@pytest.fixture
def twilio() -> Iterator[FakeTwilio]:
    with FakeTwilio().running() as server:
        yield server


@pytest.fixture(autouse=True)
def twilio_configured(app: Flask, twilio: FakeTwilio) -> Iterator[None]:
    del app
    with fake_twilio.configured(twilio):
        yield


@pytest.fixture
def sent(client: FlaskClient) -> Notification:
    del client  # it empties the database
    message = only_message(subject=make_rejected("asha@example.com").id)
    assert notifications.send(message.id) is State.SENT
    return stored(message)


def test_response_to_the_sms_is_stored_as_the_first_receipt(client: FlaskClient, twilio: FakeTwilio) -> None:
    twilio.response = (
        201,
        {"sid": "SM1", "status": "queued", "num_segments": "2", "price": "-0.05", "price_unit": "USD"},
    )
    message = only_message(subject=make_rejected("asha@example.com").id)
    notifications.send(message.id)

    receipt = stored(message).receipt
    assert (receipt.sid, receipt.status, receipt.segments) == ("SM1", DeliveryStatus.QUEUED, 2)
    assert (receipt.price, receipt.currency) == ("-0.05", "USD")
    data_of(post_receipt(client, twilio.requests[0].callback, "delivered"))
    receipt = stored(message).receipt
    assert (receipt.status, receipt.segments, receipt.price) == (DeliveryStatus.DELIVERED, 2, "-0.05")


@pytest.mark.parametrize(
    ("status", "stored_status"),
    [("queued", "queued"), ("sending", "queued"), ("sent", "sent"), ("delivered", "delivered"), ("read", "delivered")],
)
def test_receipt_is_stored_with_its_message(
    client: FlaskClient, twilio: FakeTwilio, sent: Notification, status: str, stored_status: str
) -> None:
    assert post_receipt(client, twilio.requests[0].callback, status).status_code == 200

    assert (stored(sent).state, stored(sent).receipt.status) == (State.SENT, stored_status)


@pytest.mark.parametrize("status", ["undelivered", "failed"])
def test_undelivered_message_fails(client: FlaskClient, twilio: FakeTwilio, sent: Notification, status: str) -> None:
    data_of(post_receipt(client, twilio.requests[0].callback, status, **UNDELIVERED))

    found = stored(sent)
    assert (found.state, found.failure, found.receipt.error_code) == (State.FAILED, f"carrier {status} 30005", 30005)


def test_receipt_with_the_highest_rank_is_kept_in_any_order(
    client: FlaskClient, database: Records, twilio: FakeTwilio, sent: Notification
) -> None:
    for order in permutations(["queued", "sent", "undelivered", "delivered"]):
        database.notifications.replace_one({"_id": sent.id}, sent.to_mongo())
        for status in order:
            error = UNDELIVERED if status == "undelivered" else {}
            data_of(post_receipt(client, twilio.requests[0].callback, status, **error))

        found = stored(sent)
        assert (found.state, found.receipt.status) == (State.SENT, DeliveryStatus.DELIVERED), order
        assert (found.failure, found.receipt.error_code) == (None, None), order


def test_late_receipt_does_not_revive_a_failed_message(
    client: FlaskClient, twilio: FakeTwilio, sent: Notification
) -> None:
    for status in ("undelivered", "sent", "queued"):
        data_of(post_receipt(client, twilio.requests[0].callback, status))

    assert (stored(sent).state, stored(sent).receipt.status) == (State.FAILED, DeliveryStatus.UNDELIVERED)


def test_repeated_and_concurrent_receipts_are_stored_once(
    app: Flask, client: FlaskClient, twilio: FakeTwilio, sent: Notification
) -> None:
    path = twilio.requests[0].callback
    statuses = factories.in_parallel(6, lambda _: post_receipt(app.test_client(), path, "delivered").status_code)
    once = stored(sent).to_mongo()
    post_receipt(client, path, "delivered")

    assert statuses == [200] * 6
    again = stored(sent).to_mongo()
    assert {**again, "updatedAt": None} == {**once, "updatedAt": None}


@pytest.mark.parametrize(
    ("status", "state"), [("sent", State.SENT), ("delivered", State.SENT), ("undelivered", State.FAILED)]
)
def test_receipt_before_the_response_to_the_sms_is_stored(
    app: Flask, client: FlaskClient, twilio: FakeTwilio, status: str, state: State
) -> None:
    message = only_message(subject=make_rejected("asha@example.com").id)
    twilio.response = (201, {"sid": "SM1", "status": "queued", "num_segments": "2"})
    twilio.may_respond.clear()

    def work(number: int) -> Any:
        if number == 0:
            return notifications.send(message.id)
        wait_for(lambda: twilio.requests, what="the request")
        response = post_receipt(app.test_client(), twilio.requests[0].callback, status)
        twilio.may_respond.set()
        return response.status_code

    assert factories.in_parallel(2, work)[1] == 200
    assert (stored(message).state, stored(message).receipt.status) == (state, status)
    assert stored(message).receipt.segments == 2  # from Twilio's response, which came last


def test_receipt_of_an_attempt_without_a_response_marks_the_message_as_sent(
    client: FlaskClient, twilio: FakeTwilio
) -> None:
    message = only_message(subject=make_rejected("asha@example.com").id)
    twilio.response = None
    assert notifications.send(message.id) is State.WAITING
    data_of(post_receipt(client, twilio.requests[0].callback, "sent"))

    assert stored(message).state is State.SENT
    assert notifications.send(message.id) is None
    assert len(twilio.requests) == 1


def test_failure_receipt_of_an_earlier_attempt_is_ignored(client: FlaskClient, twilio: FakeTwilio) -> None:
    message = only_message(subject=make_rejected("asha@example.com").id)
    twilio.response = None
    notifications.send(message.id)
    Notification.objects(id=message.id).update(set__due_at=message.due_at)
    twilio.response = fake_twilio.ACCEPTED
    notifications.send(message.id)
    first, second = (request.callback for request in twilio.requests)

    data_of(post_receipt(client, first, "undelivered"))
    assert stored(message).state is State.SENT
    data_of(post_receipt(client, second, "undelivered"))
    assert stored(message).state is State.FAILED


Forgery = Callable[[str, dict[str, Any]], tuple[str, dict[str, Any], dict[str, str]]]
FORGERIES: dict[str, Forgery] = {
    "no signature": lambda path, form: (path, form, {}),
    "empty signature": lambda path, form: (path, form, {"X-Twilio-Signature": ""}),
    "signature with another token": lambda path, form: (path, form, sign(path, form, token="another")),
    "signature of another form": lambda path, form: (path, form, sign(path, {**form, "MessageStatus": "sent"})),
    "signature of another message": lambda path, form: (path.replace("message=", "message=0"), form, sign(path, form)),
    "signature without the query": lambda path, form: (path, form, sign(PATH, form)),
    "one more field": lambda path, form: (path, {**form, "ErrorCode": "1"}, sign(path, form)),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_receipt_without_a_valid_signature_is_refused(
    client: FlaskClient, twilio: FakeTwilio, sent: Notification, forgery: str
) -> None:
    path, form, headers = FORGERIES[forgery](twilio.requests[0].callback, receipt_form("delivered"))

    assert error_of(client.post(path, data=form, headers=headers)) == (403, "PERMISSION_DENIED")
    assert stored(sent).receipt.status is DeliveryStatus.QUEUED


def test_signature_is_valid_behind_a_proxy_with_another_host(
    client: FlaskClient, twilio: FakeTwilio, sent: Notification
) -> None:
    path, form = twilio.requests[0].callback, receipt_form("delivered")
    headers = {**sign(path, form), "Host": "10.0.0.7:5000", "X-Forwarded-Host": "evil.example"}

    assert client.post(path, data=form, headers=headers).status_code == 200


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "multipart/form-data; boundary=x"])
def test_body_that_is_not_a_form_is_refused(
    client: FlaskClient, twilio: FakeTwilio, sent: Notification, content_type: str
) -> None:
    path, form = twilio.requests[0].callback, receipt_form("delivered")
    response = client.post(path, data=b"MessageStatus=delivered", content_type=content_type, headers=sign(path, form))

    assert error_of(response) == (403, "PERMISSION_DENIED")


def test_receipt_is_refused_where_no_receipts_are_configured(
    client: FlaskClient, twilio: FakeTwilio, sent: Notification
) -> None:
    with delivery_configured(receipts=None):
        assert error_of(post_receipt(client, twilio.requests[0].callback, "delivered")) == (403, "PERMISSION_DENIED")


def test_receipt_of_an_unknown_message_is_ignored(client: FlaskClient) -> None:
    assert post_receipt(client, f"{PATH}?message={ObjectId()}&attempt=1", "delivered").status_code == 200


@pytest.mark.parametrize("query", ["x=1", "message=&attempt=1", f"message={'0' * 24}&attempt=x"])
def test_invalid_query_is_refused_even_with_a_signature(client: FlaskClient, query: str) -> None:
    assert error_of(post_receipt(client, f"{PATH}?{query}", "delivered")) == (400, "VALIDATION_ERROR")


def test_unknown_status_changes_nothing(client: FlaskClient, twilio: FakeTwilio, sent: Notification) -> None:
    data_of(post_receipt(client, twilio.requests[0].callback, "receiving"))

    assert stored(sent).to_mongo() == sent.to_mongo()


def test_signed_receipts_are_exempt_from_the_rate_limit_and_forgeries_are_not(twilio: FakeTwilio) -> None:
    with factories.another_app(rate_limits=factories.rate_limits(address=3)) as app, fake_twilio.configured(twilio):
        client, path = app.test_client(), f"{PATH}?message={'0' * 24}&attempt=1"

        genuine = [post_receipt(client, path, "delivered").status_code for _ in range(10)]
        forged = [client.post(path, data={}).status_code for _ in range(5)]

        assert (genuine, forged) == ([200] * 10, [403, 403, 403, 429, 429])
        assert post_receipt(client, path, "delivered").status_code == 200
