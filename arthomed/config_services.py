"""The settings of other services: SMS, e-mail, push, file storage and malware scanner; read by config.settings()."""

import json
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from environs import Env
from marshmallow import ValidationError
from marshmallow.validate import Range, Regexp

from arthomed.config_readers import MINUTES_PER_DAY, duration, minutes

ACCOUNT = ("client_email", "private_key", "token_uri", "project_id")
"""The fields that a service account's file must have."""
_NO_ACCOUNT = "Must be the JSON file of a service account."
_ORIGIN = Regexp(r"$|https?://[^/?#\s]+/?\Z", error="Must be an origin, such as https://api.clinic.example.")
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]"
_QUIET = Regexp(rf"(off|{_TIME}-{_TIME})?\Z", error="Must be HH:MM-HH:MM, or off.")
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
    return (env.str("PUBLIC_URL", "", validate=_ORIGIN) or "").rstrip("/") or None


def twilio(env: Env) -> Twilio | None:
    sid, token = env.str("TWILIO_ACCOUNT_SID", ""), env.str("TWILIO_AUTH_TOKEN", "")
    number, service = env.str("TWILIO_PHONE_NUMBER", "") or None, env.str("TWILIO_MESSAGING_SERVICE_SID", "") or None
    if not (sid and token and (number or service)):
        return None
    return Twilio(sid, token, number, service, env.str("TWILIO_API_URL", "") or None)


def fcm(env: Env) -> Fcm | None:
    file = env.str("FCM_CREDENTIALS_FILE", "", validate=_require_account)
    return Fcm(Path(file), env.str("FCM_API_URL", "https://fcm.googleapis.com")) if file else None


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
        env.str("S3_ENDPOINT_URL", "") or None,
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
