"""Push notifications by Firebase Cloud Messaging (FCM, HTTP v1)."""

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

from arthomed.config_services import ACCOUNT, Fcm
from arthomed.core import clock
from arthomed.infra.http import TIMEOUT_SECONDS, limit_responses, parse_retry_after
from arthomed.notifications.gateways import DeliveryFailed, DeviceUnregistered, Push

_SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_ASSERTION_SECONDS = 3600  # the longest that Google allows
_EXPIRY_MARGIN_SECONDS = 60
_MAX_TTL_SECONDS = 4 * 7 * 24 * 3600  # FCM refuses more
_OK, _BAD_REQUEST, _UNAUTHORIZED = 200, 400, 401


@dataclass(frozen=True, slots=True)
class _ServiceAccount:
    """The fields of a service account's key file that we need; `token_uri` is the token endpoint."""

    client_email: str
    private_key: str
    token_uri: str
    project_id: str

    @classmethod
    def read(cls, file: Path) -> "_ServiceAccount":
        content = json.loads(file.read_text(encoding="utf-8"))
        return cls(**{name: content[name] for name in ACCOUNT})


class FcmPush:
    """Sends as the service account, with an access token (RFC 7523) that is cached until shortly before it expires."""

    def __init__(self, fcm: Fcm) -> None:
        self._account = _ServiceAccount.read(fcm.credentials_file)
        self._url = f"{fcm.api_url}/v1/projects/{quote(self._account.project_id)}/messages:send"
        self._http = limit_responses(requests.Session())
        self._token, self._token_expires = "", 0.0

    def send(self, push: Push, *, kind: str) -> None:
        message = {
            "token": push.to,
            "notification": {"title": push.title, "body": push.text},
            "data": {"kind": kind},
            **_options(push),
        }
        try:
            response = self._post(message)
            if response.status_code == _UNAUTHORIZED:  # the token was revoked
                self._token_expires = 0.0
                response = self._post(message)
        except RequestException as error:
            raise DeliveryFailed(type(error).__name__, permanent=False) from error
        if response.status_code != _OK:
            raise _failure(response)

    def _post(self, message: dict[str, Any]) -> requests.Response:
        headers = {"Authorization": f"Bearer {self._access_token()}"}
        return self._request(self._url, json={"message": message}, headers=headers)

    def _access_token(self) -> str:
        if time.monotonic() >= self._token_expires:
            response = self._request(
                self._account.token_uri, data={"grant_type": _GRANT, "assertion": self._assertion()}, headers={}
            )
            try:
                content = response.json()
                token, seconds = str(content["access_token"]), float(content["expires_in"])
            except (ValueError, KeyError, TypeError) as error:
                # A token error never concerns this message.
                raise DeliveryFailed(f"fcm token {response.status_code}", permanent=False) from error
            self._token, self._token_expires = token, time.monotonic() + seconds - _EXPIRY_MARGIN_SECONDS
        return self._token

    def _assertion(self) -> str:
        now = int(clock.now().timestamp())
        account = self._account
        claims = {
            "iss": account.client_email,
            "scope": _SCOPE,
            "aud": account.token_uri,
            "iat": now,
            "exp": now + _ASSERTION_SECONDS,
        }
        try:
            return jwt.encode(claims, account.private_key, algorithm="RS256")
        except (PyJWTError, ValueError, TypeError) as error:
            raise DeliveryFailed("the service account's private key is invalid", permanent=False) from error

    def _request(self, url: str, **options: Any) -> requests.Response:
        return self._http.post(url, timeout=TIMEOUT_SECONDS, allow_redirects=False, **options)


def _options(push: Push) -> dict[str, Any]:
    """Make the device show a repeated push once, and drop it after its time to live."""
    android: dict[str, Any] = {"notification": {"tag": push.reference}}
    apns = {"apns-collapse-id": push.reference}
    if push.ttl is not None:
        seconds = min(max(0, int(push.ttl.total_seconds())), _MAX_TTL_SECONDS)
        android["ttl"] = f"{seconds}s"
        apns["apns-expiration"] = str(int(clock.now().timestamp()) + seconds)
    return {"android": android, "apns": {"headers": apns}}


def _failure(response: requests.Response) -> DeliveryFailed:
    """Translate an FCM error; only a refusal of this message is permanent.

    A 404 without the code UNREGISTERED may come from a wrong project id or from a proxy, so it is temporary.
    After SENDER_ID_MISMATCH the token stays, because our credentials may be wrong.
    """
    error = _error_of(response)
    code = _error_code(error)
    if code == "UNREGISTERED" or (code == "INVALID_ARGUMENT" and _is_about_token(error)):
        return DeviceUnregistered()
    return DeliveryFailed(
        f"fcm {response.status_code} {code}",
        permanent=response.status_code == _BAD_REQUEST or code == "SENDER_ID_MISMATCH",
        retry_after=parse_retry_after(response.headers.get("Retry-After")),
    )


def _error_of(response: requests.Response) -> dict[str, Any]:
    """The error object of Google's response; empty for any other response."""
    try:
        error = response.json()["error"]
    except (ValueError, KeyError, TypeError):
        return {}
    return error if isinstance(error, dict) else {}


def _error_code(error: dict[str, Any]) -> str:
    """FCM's error code, otherwise Google's status; "?" for anything but capital letters, which may be personal data."""
    codes = [one["errorCode"] for one in _details(error) if one.get("errorCode")]
    found = next(iter(codes), error.get("status"))
    return found if isinstance(found, str) and found.replace("_", "").isupper() and len(found) < 50 else "?"  # noqa: PLR2004


def _is_about_token(error: dict[str, Any]) -> bool:
    """Whether FCM calls the token invalid, and not the message.

    FCM names the fields that are wrong (google.rpc.BadRequest), or says without them that the registration token is
    not valid (https://firebase.google.com/docs/cloud-messaging/error-codes). All else may mean the message.
    """
    violations = [one["fieldViolations"] for one in _details(error) if isinstance(one.get("fieldViolations"), list)]
    fields = {str(one.get("field")) for some in violations for one in some if isinstance(one, dict)}
    return fields == {"message.token"} or (not fields and "registration token" in str(error.get("message")))


def _details(error: dict[str, Any]) -> list[dict[str, Any]]:
    details = error.get("details")
    return [one for one in details if isinstance(one, dict)] if isinstance(details, list) else []
