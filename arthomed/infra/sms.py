"""SMS through Twilio's SDK, and the receipts that Twilio sends."""

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

from arthomed.config_messages import Twilio
from arthomed.infra.http import TIMEOUT_SECONDS, bounded, wait_asked
from arthomed.notifications.gateways import Arrival, Attempt, DeliveryFailed, Receipt

_RECEIPTS = "/api/webhooks/twilio/status"
_BAD_REQUEST = 400
_REFUSALS = {21211, 21214, 21217, 21407, 21421, 21610, 21612, 21614, 21617, 21635}
"""Of this number or text (https://www.twilio.com/docs/api/errors); other 400s are about our sender or account."""
_LONGEST_VALID = 36_000  # seconds, Twilio's own default
_ARRIVALS = {
    **dict.fromkeys(("accepted", "scheduled", "queued", "sending"), Arrival.QUEUED),
    "sent": Arrival.SENT,
    **dict.fromkeys(("delivered", "read"), Arrival.DELIVERED),
    "undelivered": Arrival.UNDELIVERED,
    **dict.fromkeys(("failed", "canceled"), Arrival.FAILED),
}
_SID = re.compile(r"[A-Za-z0-9]{1,64}")
_PRICE = re.compile(r"-?[0-9]{1,6}(\.[0-9]{1,8})?")
_CURRENCY = re.compile(r"[A-Za-z]{3}")


class _HttpClient(TwilioHttpClient):
    """The SDK's client with a time-out (it has none), and with another origin where tests ask for one."""

    def __init__(self, api_url: str | None) -> None:
        super().__init__(timeout=TIMEOUT_SECONDS)
        bounded(self.session)
        self.last = local()
        self._api_url = api_url

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        if self._api_url:
            origin, asked = urlsplit(self._api_url), urlsplit(url)
            url = urlunsplit((origin.scheme, origin.netloc, asked.path, asked.query, ""))
        response = super().request(method, url, *args, **kwargs)
        self.last.retry_after = response.headers.get("Retry-After")  # the SDK's exceptions leave it out
        return response


class TwilioSms:
    """Sends from the messaging service where there is one, else from the number."""

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
        kind: str,  # noqa: ARG002  the gateway's protocol
        attempt: Attempt | None = None,
        useful_for: timedelta | None = None,
    ) -> Receipt | None:
        options = {**self._sender, **self._callback(attempt), **_validity(useful_for)}
        try:
            taken = self._client.messages.create(to=f"+91{to}", body=text, **options)
        except (TwilioRestException, TwilioServiceException) as error:
            # Anything but a refusal of this very message, such as a rotated token, may be mended in time.
            permanent = error.status == _BAD_REQUEST and error.code in _REFUSALS
            asked = wait_asked(self._http.last.retry_after)
            reason = f"twilio {error.status} {error.code}"
            raise DeliveryFailed(reason, permanent=permanent, retry_after=asked) from error
        except RequestException as error:
            raise DeliveryFailed(type(error).__name__, permanent=False) from error
        except (ValueError, AttributeError) as error:  # taken, it seems, but unreadable; telling it twice is worse
            raise DeliveryFailed("twilio's answer is no JSON", permanent=True) from error
        receipt = _receipt(
            taken.sid,
            taken.status,
            segments=_number(taken.num_segments),
            price=_matching(_PRICE, taken.price),
            currency=_matching(_CURRENCY, taken.price_unit),
        )
        if receipt and receipt.arrival.is_failure:
            raise DeliveryFailed(f"twilio {receipt.arrival}", permanent=True)
        return receipt

    def _callback(self, attempt: Attempt | None) -> dict[str, str]:
        """Where receipts go. It names the message, so that they may come before the answer here does."""
        if self._public_url is None or attempt is None:
            return {}
        query = urlencode({"message": attempt.message, "attempt": attempt.number})
        return {"status_callback": f"{self._public_url}{_RECEIPTS}?{query}"}


class TwilioReceipts:
    """Knows Twilio's signature: over the address that it was given, however proxies name this server, and the form."""

    def __init__(self, account: Twilio, public_url: str) -> None:
        self._public_url = public_url
        self._validator = RequestValidator(account.auth_token)

    def is_genuine(self, path: str, form: Mapping[str, str], signature: str) -> bool:
        return bool(self._validator.validate(self._public_url + path, form, signature))

    def read(self, sid: str, status: str, error_code: int | None) -> Receipt | None:
        """What a form says; None for a status that says nothing to us."""
        return _receipt(sid, status, error_code=error_code)


def _validity(useful_for: timedelta | None) -> dict[str, int]:
    """Until when it may wait at the carrier's."""
    if useful_for is None:
        return {}
    return {"validity_period": max(1, min(_LONGEST_VALID, int(useful_for.total_seconds())))}


def _receipt(sid: object, status: object, **more: Any) -> Receipt | None:
    arrival, known = _ARRIVALS.get(str(status)), _matching(_SID, sid)
    return Receipt(known, arrival, **more) if arrival and known else None


def _number(text: object) -> int | None:
    return int(text) if isinstance(text, str) and text.isdecimal() and len(text) < 4 else None  # noqa: PLR2004


def _matching(pattern: re.Pattern[str], text: object) -> str | None:
    return text if isinstance(text, str) and pattern.fullmatch(text) else None
