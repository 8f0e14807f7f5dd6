"""The settings of other services: SMS, e-mail, push, file storage and malware scanner; read by config.settings()."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from email.errors import InvalidHeaderDefect, NonASCIILocalPartDefect
from email.policy import SMTP
from pathlib import Path
from typing import Any

from environs import Env
from marshmallow import ValidationError
from marshmallow.validate import Range, Regexp

from arthomed.config_readers import ESCAPES, MINUTES_PER_DAY, duration, minutes, normal_origin, split_url

ACCOUNT = ("client_email", "private_key", "token_uri", "project_id")
"""The fields that a service account's file must have."""
ENTITY_ID = Regexp(r"$|[0-9]{19}\Z", error="Must be 19 digits.")
_EFFECTS = {"SMTP_URL": "no e-mail is sent", "DLT_ENTITY_ID": "carriers in India may not deliver SMS"}
_TWILIO = ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_PHONE_NUMBER", "TWILIO_MESSAGING_SERVICE_SID")
_NO_ACCOUNT = "Must be the JSON file of a service account."
_URL = Regexp(r"$|https?://[^/?#\s]+(/\S*)?\Z", error="Must begin with http:// or https:// and name a host.")
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]"
_QUIET = Regexp(rf"(off|{_TIME}-{_TIME})?\Z", error="Must be HH:MM-HH:MM, or off.")
_ACCOUNT_SID = Regexp(r"$|AC[0-9a-fA-F]{32}\Z", error="Must be AC and 32 hexadecimal digits.")
_SERVICE_SID = Regexp(r"$|MG[0-9a-fA-F]{32}\Z", error="Must be MG and 32 hexadecimal digits.")
_AUTH_TOKEN = Regexp(r"$|[0-9A-Za-z]{32,}\Z", error="Must be the 32 letters and digits of Twilio's console.")
_SMS_SENDER = Regexp(
    r"$|\+[1-9][0-9]{6,14}\Z|[0-9]{5,6}\Z|(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}\Z",
    error="Must be a number such as +15005550006, a short code, or a sender id of at most 11 letters and digits.",
)
_NO_SENDER = (
    'Must be an address, or Name <address>; a name with marks in quotes: "Arthomed, Pune" <clinic@example.com>.'
)
_NO_SMTP = f"Must be smtp://user:password@host:587, or smtps://; {ESCAPES}."
_CLAMD = Regexp(r"$|tcp://[^/]+$|unix:///.+$", error="Must be tcp://host:port or unix:///path.")


@dataclass(frozen=True, slots=True)
class Twilio:
    account_sid: str
    auth_token: str
    phone_number: str | None
    messaging_service_sid: str | None  # sends instead of the number
    api_url: str | None  # instead of Twilio's own origin, for tests


@dataclass(frozen=True, slots=True)
class Fcm:
    """Push through Firebase Cloud Messaging; `credentials_file` holds the service account."""

    credentials_file: Path
    api_url: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """How messages are delivered.

    A worker leases a message for `lease`. Without a delivery receipt within `receipt_wait`, the fallback channel is
    used. `quiet` are the first and the last time of the clinic's quiet hours.
    """

    lease: timedelta
    receipt_wait: timedelta
    quiet: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where the bucket is, and how to sign in.

    Without access keys, boto3 uses those of the environment or of the machine's role; without an endpoint, it uses
    Amazon's. The keys need GetObject, PutObject, DeleteObject and ListBucket. If the bucket has versioning enabled,
    deleted files remain in it as old versions.
    """

    name: str
    region: str
    endpoint: str | None = None
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    connect_seconds: float = 2
    read_seconds: float = 5


@dataclass(frozen=True, slots=True)
class Uploads:
    """Files are stored in `bucket` if it is set, otherwise in `folder`. Uploads pass through `folder` in both cases."""

    folder: Path
    bucket: Bucket | None
    accel_prefix: str | None
    clamd_url: str | None
    retention: timedelta


def public_url(env: Env) -> str | None:
    """The public origin of this API, without a trailing slash."""
    return normal_origin(env.str("PUBLIC_URL", "", validate=_require_web_origin) or "") or None


def _require_web_origin(url: str) -> None:
    origin = normal_origin(url)
    if origin is None or origin.partition("://")[0] not in ("", "http", "https"):
        raise ValidationError("Must be an origin, such as https://api.clinic.example.")


def twilio(env: Env) -> Twilio | None:
    """The account; None unless all of it is set, see `missing`."""
    sid = env.str("TWILIO_ACCOUNT_SID", "", validate=_ACCOUNT_SID)
    token = env.str("TWILIO_AUTH_TOKEN", "", validate=_AUTH_TOKEN)
    number = env.str("TWILIO_PHONE_NUMBER", "", validate=_SMS_SENDER) or None
    service = env.str("TWILIO_MESSAGING_SERVICE_SID", "", validate=_SERVICE_SID) or None
    api_url = env.str("TWILIO_API_URL", "", validate=_URL) or None
    return Twilio(sid, token, number, service, api_url) if sid and token and (number or service) else None


def smtp_url(env: Env) -> str | None:
    return env.str("SMTP_URL", "", validate=_require_smtp) or None


def _require_smtp(url: str) -> None:
    parts = split_url(url)
    is_complete = parts and parts.scheme in ("smtp", "smtps") and parts.hostname
    is_address = parts and parts.path in ("", "/") and not parts.query and not parts.fragment
    if url and not (parts and is_complete and is_address and bool(parts.username) == bool(parts.password)):
        raise ValidationError(_NO_SMTP)


def email_from(env: Env) -> str:
    """The sender of e-mails, an address with or without a name (RFC 5322, section 3.4)."""
    return env.str("EMAIL_FROM", "", validate=_require_sender) or "clinic@arthomed.example"


def _require_sender(sender: str) -> None:
    try:
        header: Any = SMTP.header_factory("From", sender)
        is_one = len(header.addresses) == 1 and header.groups[0].display_name is None
        has_fault = any(isinstance(one, InvalidHeaderDefect | NonASCIILocalPartDefect) for one in header.defects)
    except IndexError:  # of an address without a domain
        is_one = has_fault = False
    if sender and not (is_one and sender.isprintable() and not has_fault):
        raise ValidationError(_NO_SENDER)


def missing(env: Env, *, production: bool) -> list[str]:
    """List the settings that other settings, or production, need; call it before the environment is sealed."""
    is_set = {name: bool(env.str(name, "")) for name in ("SMTP_URL", "EMAIL_FROM", *_TWILIO)}
    has_sender = is_set.pop("EMAIL_FROM")
    problems = [] if has_sender or not is_set.pop("SMTP_URL") else ["EMAIL_FROM: missing, and SMTP_URL is set"]
    if production or any(is_set[name] for name in _TWILIO):
        account, token, number, service = _TWILIO
        problems += [f"{name}: missing" for name in (account, token) if not is_set[name]]
        problems += [] if is_set[number] or is_set[service] else [f"{number} or {service}: missing"]
    return problems


def warnings_about(values: Mapping[str, str | None]) -> list[str]:
    """List the settings that are not set, with what that means."""
    return [f"{name} is not set: {_EFFECTS[name]}" for name, value in values.items() if not value]


def fcm(env: Env) -> Fcm | None:
    file = env.str("FCM_CREDENTIALS_FILE", "", validate=_require_account)
    api_url = env.str("FCM_API_URL", "https://fcm.googleapis.com", validate=_URL)
    return Fcm(Path(file), api_url) if file else None


def delivery(env: Env, *, production: bool) -> Delivery:
    """Outside production the default is no quiet hours, because developers and tests work at night."""
    hours = env.str("QUIET_HOURS", "21:00-08:00" if production else "", validate=_QUIET) or ""
    begin, _, end = hours.partition("-")
    return Delivery(
        lease=duration(env, "MESSAGE_LEASE_SECONDS", 60, unit=timedelta(seconds=1), allowed=Range(1, 3600)),
        receipt_wait=minutes(env, "RECEIPT_WAIT_MINUTES", 10, minimum=1, maximum=MINUTES_PER_DAY),
        quiet=(begin, end) if end else None,
    )


def uploads(env: Env) -> Uploads:
    return Uploads(
        folder=Path(env.str("UPLOADS_DIR", "uploads")),
        bucket=_bucket(env),
        accel_prefix=env.str("UPLOADS_ACCEL_PREFIX", "") or None,
        clamd_url=env.str("CLAMD_URL", "", validate=_CLAMD) or None,
        retention=duration(env, "UPLOADS_RETENTION_YEARS", 7, unit=timedelta(days=366), allowed=Range(1, 100)),
    )


def _bucket(env: Env) -> Bucket | None:
    bucket = Bucket(
        env.str("S3_BUCKET", ""),
        env.str("S3_REGION", "ap-south-1"),
        env.str("S3_ENDPOINT_URL", "", validate=_URL) or None,
        env.str("S3_ACCESS_KEY_ID", "") or None,
        env.str("S3_SECRET_ACCESS_KEY", "") or None,
    )
    return bucket if bucket.name else None


def _require_account(path: str) -> None:
    if not path:
        return
    try:
        account = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValidationError(_NO_ACCOUNT) from error
    if not isinstance(account, dict) or [name for name in ACCOUNT if not isinstance(account.get(name), str)]:
        raise ValidationError(_NO_ACCOUNT)
