"""SMS and delivery receipts by Twilio's SDK."""

import re
from collections.abc import Mapping
from datetime import timedelta
from threading import local
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from requests.exceptions import RequestException
from twilio.base.exceptions import TwilioRestException, TwilioServiceException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from arthomed.config_services import Twilio
from arthomed.infra.http import TIMEOUT_SECONDS, limit_responses, parse_retry_after
from arthomed.notifications.gateways import Attempt, DeliveryFailed, DeliveryStatus, Receipt

_RECEIPTS_PATH = "/api/webhooks/twilio/status"
_BAD_REQUEST = 400
_RECIPIENT_ERRORS = {21211, 21214, 21217, 21407, 21421, 21610, 21612, 21614, 21617, 21635}
"""Errors of this number or text (https://www.twilio.com/docs/api/errors); other 400s concern our sender or account."""
_MAX_VALIDITY = 36_000  # seconds, Twilio's default
_STATUSES = {
    **dict.fromkeys(("accepted", "scheduled", "queued", "sending"), DeliveryStatus.QUEUED),
    "sent": DeliveryStatus.SENT,
    **dict.fromkeys(("delivered", "read"), DeliveryStatus.DELIVERED),
    "undelivered": DeliveryStatus.UNDELIVERED,
    **dict.fromkeys(("failed", "canceled"), DeliveryStatus.FAILED),
}
_SID = re.compile(r"[A-Za-z0-9]{1,64}")
_PRICE = re.compile(r"-?[0-9]{1,6}(\.[0-9]{1,8})?")
_CURRENCY = re.compile(r"[A-Za-z]{3}")


class _HttpClient(TwilioHttpClient):
    """The SDK's HTTP client with a timeout (it has none), and with another origin in tests."""

    def __init__(self, api_url: str | None) -> None:
        super().__init__(timeout=TIMEOUT_SECONDS)
        limit_responses(self.session)
        self.last_response = local()
        self._api_url = api_url

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        if self._api_url:
            origin, requested = urlsplit(self._api_url), urlsplit(url)
            url = urlunsplit((origin.scheme, origin.netloc, requested.path, requested.query, ""))
        response = super().request(method, url, *args, **kwargs)
        self.last_response.retry_after = response.headers.get("Retry-After")  # missing in the SDK's exceptions
        return response


class TwilioSms:
    """The sender is the messaging service where one is configured, otherwise the number."""

    def __init__(self, account: Twilio, public_url: str | None = None) -> None:
        self._public_url = public_url
        self._sender = (
            {"messaging_service_sid": account.messaging_service_sid}
            if account.messaging_service_sid
            else {"from_": account.phone_number}
        )
        self._http = _HttpClient(account.api_url)
        self._client = Client(account.account_sid, account.auth_token, http_client=self._http)

    def send(
        self,
        to: str,
        text: str,
        *,
        kind: str,  # noqa: ARG002  part of the protocol
        attempt: Attempt | None = None,
        ttl: timedelta | None = None,
    ) -> Receipt | None:
        options = {**self._sender, **self._callback_options(attempt), **_validity_options(ttl)}
        try:
            message = self._client.messages.create(to=f"+91{to}", body=text, **options)
        except (TwilioRestException, TwilioServiceException) as error:
            # Only a refusal of this message is permanent; other errors, such as a rotated token, can be fixed.
            permanent = error.status == _BAD_REQUEST and error.code in _RECIPIENT_ERRORS
            retry_after = parse_retry_after(self._http.last_response.retry_after)
            reason = f"twilio {error.status} {error.code}"
            raise DeliveryFailed(reason, permanent=permanent, retry_after=retry_after) from error
        except RequestException as error:
            raise DeliveryFailed(type(error).__name__, permanent=False) from error
        except (ValueError, AttributeError) as error:  # probably accepted, so a retry could send it twice
            raise DeliveryFailed("twilio's response is not JSON", permanent=True) from error
        receipt = _receipt(
            message.sid,
            message.status,
            segments=_number(message.num_segments),
            price=_matching(_PRICE, message.price),
            currency=_matching(_CURRENCY, message.price_unit),
        )
        if receipt and receipt.status.is_failure:
            raise DeliveryFailed(f"twilio {receipt.status}", permanent=True)
        return receipt

    def _callback_options(self, attempt: Attempt | None) -> dict[str, str]:
        """The URL for receipts contains the message id, so a receipt may arrive before the response to the request."""
        if self._public_url is None or attempt is None:
            return {}
        query = urlencode({"message": attempt.message, "attempt": attempt.number})
        return {"status_callback": f"{self._public_url}{_RECEIPTS_PATH}?{query}"}


class TwilioReceipts:
    """Verifies Twilio's signature over the form and the public URL, which proxies may hide from this server."""

    def __init__(self, account: Twilio, public_url: str) -> None:
        self._public_url = public_url
        self._validator = RequestValidator(account.auth_token)

    def has_valid_signature(self, path: str, form: Mapping[str, str], signature: str) -> bool:
        return bool(self._validator.validate(self._public_url + path, form, signature))

    def parse(self, sid: str, status: str, error_code: int | None) -> Receipt | None:
        """A receipt from the fields of a form; None for a status that does not describe delivery."""
        return _receipt(sid, status, error_code=error_code)


def _validity_options(ttl: timedelta | None) -> dict[str, int]:
    """How many seconds Twilio may queue the message."""
    if ttl is None:
        return {}
    return {"validity_period": max(1, min(_MAX_VALIDITY, int(ttl.total_seconds())))}


def _receipt(sid: object, status: object, **details: Any) -> Receipt | None:
    delivery_status, valid_sid = _STATUSES.get(str(status)), _matching(_SID, sid)
    return Receipt(valid_sid, delivery_status, **details) if delivery_status and valid_sid else None


def _number(text: object) -> int | None:
    return int(text) if isinstance(text, str) and text.isdecimal() and len(text) < 4 else None  # noqa: PLR2004


def _matching(pattern: re.Pattern[str], text: object) -> str | None:
    return text if isinstance(text, str) and pattern.fullmatch(text) else None
