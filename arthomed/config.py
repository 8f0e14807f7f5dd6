"""Settings: the one place that reads the environment, with config_messages for the ways of messages."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from environs import Env, EnvValidationError
from marshmallow import ValidationError
from marshmallow.validate import Length, Range, Regexp

from arthomed import config_messages
from arthomed.config_messages import Delivery, Fcm, Twilio
from arthomed.core import keys

_MINUTES_A_DAY = 24 * 60
_MOST_MINUTES = 3660 * _MINUTES_A_DAY  # ten years, longer than any span makes sense
_CLAMD = Regexp(r"$|tcp://[^/]+$|unix:///.+$", error="Must be tcp://host:port or unix:///path.")
_ENTITY_ID = Regexp(r"$|[0-9]{19}$", error="Must be 19 digits.")
_SENDER = Regexp(r"$|([^<>]+<)?[^<>@\s]+@[^<>@\s]+>?$", error="Must be an address, or Name <address>.")
_SENTRY_DSN = Regexp(r"$|https?://\w+@[^@\s]+/\d+$", error="Must be https://key@host/project.")
_LOG_LEVELS = ("debug", "info", "warn", "warning", "error", "critical")
_LOG_LEVEL = Regexp(rf"(?i:{'|'.join(_LOG_LEVELS)})$", error=f"Must be one of: {', '.join(_LOG_LEVELS)}.")


Keys = tuple[str, ...]
"""The secret that signs, and perhaps one more that is accepted while it is changed."""


class AppEnv(StrEnum):
    DEVELOPMENT = "development"
    TEST = "test"
    PRODUCTION = "production"


class ConfigurationError(Exception):
    """The environment can't be used as it is; the message names everything that is wrong."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The clinic's numbers, handed to the rules."""

    timezone: ZoneInfo
    slot_minutes: int
    horizon_days: int
    cancel_notice: timedelta
    max_open_visits: int
    no_show_after: timedelta


@dataclass(frozen=True, slots=True)
class CodePolicy:
    """How one-time codes are given out and how often they may be tried."""

    lifetime: timedelta
    resend_after: timedelta
    max_attempts: int
    per_number_an_hour: int
    per_address_an_hour: int
    per_clinic_a_day: int
    failures_to_lock: int
    lock: timedelta


@dataclass(frozen=True, slots=True)
class Uploads:
    """Where files are kept: in `bucket` where there is one, else in `folder`, through which they arrive anyhow."""

    folder: Path
    bucket: str | None
    region: str
    endpoint: str | None
    access_key: str | None
    secret_key: str | None
    accel_prefix: str | None
    clamd_url: str | None
    retention: timedelta


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that differs between two installations."""

    app_env: AppEnv
    host: str
    port: int
    web_workers: int
    web_threads: int
    most_waiting: timedelta
    log_level: str
    mongodb_uri: str
    redis_url: str
    jwt_keys: Keys
    jwt_refresh_keys: Keys
    otp_keys: Keys
    access_token_lifetime: timedelta
    refresh_token_lifetime: timedelta
    cors_origins: tuple[str, ...]
    trusted_proxies: int
    rate_limit_window: timedelta
    rate_limit_anonymous: int
    rate_limit_user: int
    rate_limit_auth: int
    rate_limit_booking: int
    rate_limit_upload: int
    public_url: str | None
    twilio: Twilio | None
    fcm: Fcm | None
    dlt_entity_id: str  # India's carriers ask for it
    smtp_url: str | None
    email_from: str
    delivery: Delivery
    worker_stop: timedelta
    metrics_enabled: bool
    worker_metrics_port: int | None
    sentry_dsn: str | None
    privacy_notice: str
    var_dir: Path
    uploads: Uploads
    policy: Policy
    codes: CodePolicy

    @property
    def jwt_secret(self) -> str:
        return self.jwt_keys[0]

    @property
    def jwt_refresh_secret(self) -> str:
        return self.jwt_refresh_keys[0]

    @property
    def otp_secret(self) -> str:
        return self.otp_keys[0]

    @property
    def is_production(self) -> bool:
        return self.app_env is AppEnv.PRODUCTION

    @property
    def mailbox_file(self) -> Path:
        """Where the console gateways of development keep what they caught."""
        return self.var_dir / "mailbox.jsonl"


@cache
def settings() -> Settings:
    """The settings of this process, read once.

    Raises:
        ConfigurationError: names every setting that is missing, malformed or too weak.
    """
    env = Env(eager=False)
    app_env = env.enum("APP_ENV", enum=AppEnv, by_value=True, default=AppEnv.DEVELOPMENT)
    found = _read(env, app_env or AppEnv.DEVELOPMENT)
    wrong = [*_malformed(env), *(_weaknesses(found) if found.is_production else ())]
    if wrong:
        raise ConfigurationError("The configuration can't be used:\n" + "\n".join(f"  {line}" for line in wrong))
    return found


def _malformed(env: Env) -> list[str]:
    """What could not be read; until now it was passed over, with None in its place."""
    try:
        env.seal()
    except EnvValidationError as error:
        by_name: Any = error.error_messages
        return [f"{name}: {' '.join(texts)}" for name, texts in by_name.items()]
    return []


def _read(env: Env, app_env: AppEnv) -> Settings:
    local = app_env is not AppEnv.PRODUCTION
    return Settings(
        app_env=app_env,
        host=env.str("HOST", "127.0.0.1" if local else "0.0.0.0"),
        port=env.int("PORT", 5000, validate=Range(1, 65535)),
        web_workers=env.int("WEB_CONCURRENCY", 2, validate=Range(1)),
        web_threads=env.int("WEB_THREADS", 8, validate=Range(1)),
        most_waiting=timedelta(milliseconds=env.int("MOST_WAITING_MS", 5_000, validate=Range(100, 60_000)) or 0),
        log_level=(env.str("LOG_LEVEL", "info", validate=_LOG_LEVEL) or "").lower(),
        mongodb_uri=_uri(env, "MONGODB_URI", "mongodb", local="mongodb://127.0.0.1:27017/arthomed" if local else ""),
        redis_url=_uri(env, "REDIS_URL", "redis", local="redis://127.0.0.1:6379/0" if local else ""),
        jwt_keys=_keys(env, "JWT_SECRET", "access", local=local),
        jwt_refresh_keys=_keys(env, "JWT_REFRESH_SECRET", "refresh", local=local),
        otp_keys=_keys(env, "OTP_SECRET", "codes", local=local),
        access_token_lifetime=_span(env, "ACCESS_TOKEN_MINUTES", minutes=60, least=1),
        refresh_token_lifetime=_span(env, "REFRESH_TOKEN_MINUTES", minutes=30 * _MINUTES_A_DAY, least=1),
        cors_origins=_origins(env, local=local),
        trusted_proxies=env.int("TRUSTED_PROXIES", 0, validate=Range(0)),
        rate_limit_window=timedelta(
            milliseconds=env.int("RATE_LIMIT_WINDOW_MS", 900_000, validate=Range(1000, 86_400_000)) or 0
        ),
        rate_limit_anonymous=env.int("RATE_LIMIT_MAX_REQUESTS", 100, validate=Range(1)),
        rate_limit_user=env.int("RATE_LIMIT_USER_MAX_REQUESTS", 1000, validate=Range(1)),
        rate_limit_auth=env.int("RATE_LIMIT_AUTH_MAX_REQUESTS", 30, validate=Range(1)),
        rate_limit_booking=env.int("RATE_LIMIT_BOOKING_MAX_REQUESTS", 30, validate=Range(1)),
        rate_limit_upload=env.int("RATE_LIMIT_UPLOAD_MAX_REQUESTS", 30, validate=Range(1)),
        public_url=config_messages.public_url(env),
        twilio=config_messages.twilio(env),
        fcm=config_messages.fcm(env),
        dlt_entity_id=env.str("DLT_ENTITY_ID", "", validate=_ENTITY_ID),
        smtp_url=env.str("SMTP_URL", "") or None,
        email_from=env.str("EMAIL_FROM", "", validate=_SENDER) or "clinic@arthomed.example",
        delivery=config_messages.delivery(env, local=local),
        worker_stop=timedelta(seconds=env.int("WORKER_STOP_SECONDS", 20, validate=Range(1, 3600)) or 0),
        metrics_enabled=env.bool("ENABLE_METRICS", False),
        worker_metrics_port=env.int("WORKER_METRICS_PORT", 0, validate=Range(0, 65535)) or None,
        sentry_dsn=env.str("SENTRY_DSN", "", validate=_SENTRY_DSN) or None,
        privacy_notice=env.str("PRIVACY_NOTICE", "2026-11", validate=Length(1, 50)),
        var_dir=Path(env.str("VAR_DIR", "var")),
        uploads=_uploads(env),
        policy=_policy(env),
        codes=_codes(env),
    )


def _policy(env: Env) -> Policy:
    return Policy(
        timezone=_zone(env),
        slot_minutes=env.int("SLOT_MINUTES", 30, validate=Range(5, 240)),
        horizon_days=env.int("BOOKING_HORIZON_DAYS", 90, validate=Range(1, 366)),
        cancel_notice=_span(env, "CANCEL_NOTICE_MINUTES", minutes=120),
        max_open_visits=env.int("MAX_OPEN_VISITS", 10, validate=Range(1)),
        no_show_after=_span(env, "NO_SHOW_AFTER_MINUTES", minutes=60),
    )


def _codes(env: Env) -> CodePolicy:
    return CodePolicy(
        lifetime=timedelta(minutes=5),
        resend_after=timedelta(minutes=1),
        max_attempts=3,
        per_number_an_hour=env.int("OTP_PER_NUMBER_HOUR", 10, validate=Range(1)),
        per_address_an_hour=env.int("OTP_PER_ADDRESS_HOUR", 20, validate=Range(1)),
        per_clinic_a_day=env.int("OTP_PER_CLINIC_DAY", 5000, validate=Range(1)),
        failures_to_lock=5,
        lock=timedelta(minutes=30),
    )


def _uploads(env: Env) -> Uploads:
    return Uploads(
        folder=Path(env.str("UPLOADS_DIR", "uploads")),
        bucket=env.str("S3_BUCKET", "") or None,
        region=env.str("S3_REGION", "ap-south-1"),
        endpoint=env.str("S3_ENDPOINT_URL", "") or None,
        access_key=env.str("S3_ACCESS_KEY_ID", "") or None,
        secret_key=env.str("S3_SECRET_ACCESS_KEY", "") or None,
        accel_prefix=env.str("UPLOADS_ACCEL_PREFIX", "") or None,
        clamd_url=env.str("CLAMD_URL", "", validate=_CLAMD) or None,
        retention=timedelta(days=366 * (env.int("UPLOADS_RETENTION_YEARS", 7, validate=Range(1, 100)) or 0)),
    )


def _span(env: Env, name: str, *, minutes: int, least: int = 0) -> timedelta:
    return timedelta(minutes=env.int(name, minutes, validate=Range(least, _MOST_MINUTES)) or 0)  # None when refused


def _zone(env: Env) -> ZoneInfo:
    return ZoneInfo(env.str("CLINIC_TIMEZONE", "Asia/Kolkata", validate=_ensure_zone) or "UTC")  # None when refused


def _ensure_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValidationError(f"There is no time zone {name!r}.") from error


def _uri(env: Env, name: str, scheme: str, *, local: str) -> str:
    known = Regexp(rf"$|{scheme}(s|\+srv)?://", error=f"Must begin with {scheme}://.")  # it may hold a password
    return env.str(name, "", validate=known) or local


def _origins(env: Env, *, local: bool) -> tuple[str, ...]:
    asked = env.list("CORS_ORIGINS", ["http://localhost:3000", "http://localhost:19006"] if local else [])
    return tuple(origin.strip() for origin in asked if origin.strip())


def _keys(env: Env, name: str, purpose: str, *, local: bool) -> Keys:
    """Outside production a fixed one, so that a developer's sessions outlive a restart."""
    first = env.str(name, "") or (f"only-for-development-and-test-{purpose}" if local else "")
    return (first, previous) if (previous := env.str(f"{name}_PREVIOUS", "")) else (first,)


def _weaknesses(found: Settings) -> list[str]:
    signing = {"JWT_SECRET": found.jwt_keys, "JWT_REFRESH_SECRET": found.jwt_refresh_keys, "OTP_SECRET": found.otp_keys}
    previous = {f"{name}_PREVIOUS": "".join(both[1:]) for name, both in signing.items()}
    wrong = [*keys.weaknesses({name: both[0] for name, both in signing.items()}, previous)]
    needed = {"MONGODB_URI": found.mongodb_uri, "REDIS_URL": found.redis_url, "DLT_ENTITY_ID": found.dlt_entity_id}
    wrong += [f"{name}: missing" for name, value in needed.items() if not value]
    if found.twilio is None:
        wrong.append(
            "TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, and TWILIO_PHONE_NUMBER or TWILIO_MESSAGING_SERVICE_SID: missing"
        )
    return wrong
