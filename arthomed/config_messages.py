"""The settings of how messages leave; read by config.settings() with the rest."""

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from environs import Env
from marshmallow import ValidationError
from marshmallow.validate import Range, Regexp

ACCOUNT = ("client_email", "private_key", "token_uri", "project_id")
"""What is needed of a service account's file."""
_NO_ACCOUNT = "Must be the JSON file of a service account."
_ORIGIN = Regexp(r"$|https?://[^/?#\s]+/?\Z", error="Must be an origin, such as https://api.clinic.example.")
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]"
_QUIET = Regexp(rf"(off|{_TIME}-{_TIME})?\Z", error="Must be HH:MM-HH:MM, or off.")


@dataclass(frozen=True, slots=True)
class Twilio:
    account_sid: str
    auth_token: str
    phone_number: str | None
    messaging_service_sid: str | None  # sends in the place of the number
    api_url: str | None  # another origin than Twilio's own, for tests at the wire


@dataclass(frozen=True, slots=True)
class Fcm:
    """Push by Firebase Cloud Messaging, with the service account in `credentials_file`."""

    credentials_file: Path
    api_url: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """How messages leave: a worker holds one for `lease`; without a receipt within `receipt_wait` it goes another way.

    `quiet` are two times of day at the clinic, between which people sleep.
    """

    lease: timedelta
    receipt_wait: timedelta
    quiet: tuple[str, str] | None


def public_url(env: Env) -> str | None:
    """Where the world finds this API, without a slash at the end."""
    return (env.str("PUBLIC_URL", "", validate=_ORIGIN) or "").rstrip("/") or None  # None when refused


def twilio(env: Env) -> Twilio | None:
    sid, token = env.str("TWILIO_ACCOUNT_SID", ""), env.str("TWILIO_AUTH_TOKEN", "")
    number, service = env.str("TWILIO_PHONE_NUMBER", "") or None, env.str("TWILIO_MESSAGING_SERVICE_SID", "") or None
    if not (sid and token and (number or service)):
        return None
    return Twilio(sid, token, number, service, env.str("TWILIO_API_URL", "") or None)


def fcm(env: Env) -> Fcm | None:
    file = env.str("FCM_CREDENTIALS_FILE", "", validate=_ensure_account)
    return Fcm(Path(file), env.str("FCM_API_URL", "https://fcm.googleapis.com")) if file else None


def delivery(env: Env, *, local: bool) -> Delivery:
    """Developers and tests work at night, too."""
    hours = env.str("QUIET_HOURS", "" if local else "21:00-08:00", validate=_QUIET) or ""
    begin, _, end = hours.partition("-")
    return Delivery(
        lease=timedelta(seconds=env.int("MESSAGE_LEASE_SECONDS", 60, validate=Range(1, 3600)) or 0),
        receipt_wait=timedelta(minutes=env.int("RECEIPT_WAIT_MINUTES", 10, validate=Range(1, 1440)) or 0),
        quiet=(begin, end) if end else None,
    )


def _ensure_account(path: str) -> None:
    if not path:
        return
    try:
        told = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValidationError(_NO_ACCOUNT) from error
    if not isinstance(told, dict) or [name for name in ACCOUNT if not isinstance(told.get(name), str)]:
        raise ValidationError(_NO_ACCOUNT)
