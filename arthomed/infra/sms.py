"""SMS through Twilio's SDK."""

import time
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.exceptions import RequestException
from twilio.base.exceptions import TwilioRestException, TwilioServiceException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client
from urllib3.exceptions import HTTPError

from arthomed.config import Twilio
from arthomed.notifications.gateways import DeliveryFailed

TIMEOUT_SECONDS = 10  # the SDK itself waits for ever
_LONGEST_ANSWER = 64 * 1024
_BAD_REQUEST = 400


class _Bounded(HTTPAdapter):
    """Reads no more of an answer than a sane one has, nor for longer: the rest of it is left."""

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        response = super().send(*args, **{**kwargs, "stream": True})
        deadline = time.monotonic() + TIMEOUT_SECONDS
        read = b""
        try:
            while len(read) < _LONGEST_ANSWER and time.monotonic() < deadline:
                piece = response.raw.read1(_LONGEST_ANSWER, decode_content=True)
                if not piece:
                    break
                read += piece
        except HTTPError as error:
            raise RequestsConnectionError from error
        finally:
            response.close()
        response._content, response._content_consumed = read, True  # noqa: SLF001
        return response


class _HttpClient(TwilioHttpClient):
    """The SDK's client with a time-out, and with another origin where tests ask for one."""

    def __init__(self, api_url: str | None) -> None:
        super().__init__(timeout=TIMEOUT_SECONDS)
        for scheme in ("https://", "http://"):
            self.session.mount(scheme, _Bounded())
        self._api_url = api_url

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        if self._api_url:
            origin, asked = urlsplit(self._api_url), urlsplit(url)
            url = urlunsplit((origin.scheme, origin.netloc, asked.path, asked.query, ""))
        return super().request(method, url, *args, **kwargs)


class TwilioSms:
    def __init__(self, account: Twilio) -> None:
        self._from = account.phone_number
        self._client = Client(account.account_sid, account.auth_token, http_client=_HttpClient(account.api_url))

    def send(self, to: str, text: str, *, kind: str) -> None:  # noqa: ARG002  the gateway's protocol
        try:
            self._client.messages.create(to=f"+91{to}", from_=self._from, body=text)
        except (TwilioRestException, TwilioServiceException) as error:
            # Anything but a refusal of this very message, such as a rotated token, may be mended in time.
            permanent = error.status == _BAD_REQUEST
            raise DeliveryFailed(f"twilio {error.status} {error.code}", permanent=permanent) from error
        except RequestException as error:
            raise DeliveryFailed(type(error).__name__, permanent=False) from error
        except ValueError as error:  # taken, it seems, but the answer can't be read; telling it twice is worse
            raise DeliveryFailed("twilio's answer is no JSON", permanent=True) from error
