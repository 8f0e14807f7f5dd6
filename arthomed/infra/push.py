"""Push to phones by Firebase Cloud Messaging (HTTP v1)."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jwt
import requests
from jwt.exceptions import PyJWTError
from requests.exceptions import RequestException

from arthomed.config_messages import ACCOUNT, Fcm
from arthomed.core import clock
from arthomed.infra.http import TIMEOUT_SECONDS, bounded, wait_asked
from arthomed.notifications.gateways import DeliveryFailed, DeviceGone, Push

_SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_ASKED_SECONDS = 3600  # the longest that Google grants
_SPARE_SECONDS = 60
_OK, _BAD_REQUEST, _UNAUTHORIZED = 200, 400, 401


@dataclass(frozen=True, slots=True)
class _Account:
    """As much of a service account's file as is needed; `token_uri` is where it signs in."""

    client_email: str
    private_key: str
    token_uri: str
    project_id: str

    @classmethod
    def read(cls, file: Path) -> "_Account":
        told = json.loads(file.read_text(encoding="utf-8"))
        return cls(**{name: told[name] for name in ACCOUNT})


class FcmPush:
    """Sends as the service account, with an access token (RFC 7523) that is asked for when the last is used up."""

    def __init__(self, fcm: Fcm) -> None:
        self._account = _Account.read(fcm.credentials_file)
        self._url = f"{fcm.api_url}/v1/projects/{quote(self._account.project_id)}/messages:send"
        self._http = bounded(requests.Session())
        self._token, self._good_until = "", 0.0

    def send(self, push: Push, *, kind: str) -> None:
        message = {
            "token": push.to,
            "notification": {"title": push.title, "body": push.text},
            "data": {"kind": kind},
            **_lasting(push),
        }
        try:
            answer = self._post(message)
            if answer.status_code == _UNAUTHORIZED:  # revoked before its time
                self._good_until = 0.0
                answer = self._post(message)
        except RequestException as error:
            raise DeliveryFailed(type(error).__name__, permanent=False) from error
        if answer.status_code != _OK:
            raise _failure(answer)

    def _post(self, message: dict[str, Any]) -> requests.Response:
        headers = {"Authorization": f"Bearer {self._access_token()}"}
        return self._ask(self._url, json={"message": message}, headers=headers)

    def _access_token(self) -> str:
        if time.monotonic() >= self._good_until:
            answer = self._ask(
                self._account.token_uri, data={"grant_type": _GRANT, "assertion": self._assertion()}, headers={}
            )
            try:
                told = answer.json()
                token, seconds = str(told["access_token"]), float(told["expires_in"])
            except (ValueError, KeyError, TypeError) as error:
                # Whatever it is, it is nothing about this message.
                raise DeliveryFailed(f"fcm token {answer.status_code}", permanent=False) from error
            self._token, self._good_until = token, time.monotonic() + seconds - _SPARE_SECONDS
        return self._token

    def _assertion(self) -> str:
        now = int(clock.now().timestamp())
        account = self._account
        claims = {
            "iss": account.client_email,
            "scope": _SCOPE,
            "aud": account.token_uri,
            "iat": now,
            "exp": now + _ASKED_SECONDS,
        }
        try:
            return jwt.encode(claims, account.private_key, algorithm="RS256")
        except (PyJWTError, ValueError, TypeError) as error:
            raise DeliveryFailed("the private key of the service account is none", permanent=False) from error

    def _ask(self, url: str, **asked: Any) -> requests.Response:
        return self._http.post(url, timeout=TIMEOUT_SECONDS, allow_redirects=False, **asked)


def _lasting(push: Push) -> dict[str, Any]:
    """Shown once, however often it is sent, and not when it is of no more use."""
    android: dict[str, Any] = {"notification": {"tag": push.reference}}
    apns = {"apns-collapse-id": push.reference}
    if push.useful_for is not None:
        seconds = max(0, int(push.useful_for.total_seconds()))
        android["ttl"] = f"{seconds}s"
        apns["apns-expiration"] = str(int(clock.now().timestamp()) + seconds)
    return {"android": android, "apns": {"headers": apns}}


def _failure(answer: requests.Response) -> DeliveryFailed:
    """What an error of FCM means; only a refusal of this very message is final.

    A 404 alone may be our own project's or a proxy's; what belongs to another project's app may be its credentials'.
    """
    code = _error_code(answer)
    if code == "UNREGISTERED":
        return DeviceGone()
    return DeliveryFailed(
        f"fcm {answer.status_code} {code}",
        permanent=answer.status_code == _BAD_REQUEST or code == "SENDER_ID_MISMATCH",
        retry_after=wait_asked(answer.headers.get("Retry-After")),
    )


def _error_code(answer: requests.Response) -> str:
    """FCM's own word where there is one, else Google's; nothing but capital letters is repeated."""
    try:
        error = answer.json()["error"]
        codes = [one.get("errorCode") for one in error.get("details", [])]
        found = next((code for code in codes if code), error.get("status"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return "?"
    return found if isinstance(found, str) and found.replace("_", "").isupper() and len(found) < 50 else "?"  # noqa: PLR2004
