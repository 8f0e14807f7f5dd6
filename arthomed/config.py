"""Settings: config and the modules config_* are the only ones that read the environment."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from environs import Env, EnvValidationError
from marshmallow.validate import Length, Range, Regexp

from arthomed import config_addresses, config_limits, config_readers, config_services
from arthomed.config_addresses import Address
from arthomed.config_limits import CodePolicy, RateLimits
from arthomed.config_readers import MINUTES_PER_DAY, duration, minutes
from arthomed.config_services import Delivery, Fcm, Twilio, Uploads
from arthomed.core import keys

_MILLISECOND, _SECOND, _HOUR = timedelta(milliseconds=1), timedelta(seconds=1), timedelta(hours=1)
_LOCAL_MONGODB, _LOCAL_REDIS = "mongodb://127.0.0.1:27017/arthomed", "redis://127.0.0.1:6379/0"
_LOCAL_ORIGINS = [f"http://localhost:{port}" for port in (3000, 5173, 8081, 19006)]  # Vite's and Metro's among them
_SENTRY_DSN = Regexp(r"$|https?://\w+@[^@\s]+/\d+$", error="Must be https://key@host/project.")
_LOG_LEVELS = ("debug", "info", "warn", "warning", "error", "critical")
_LOG_LEVEL = Regexp(rf"(?i:{'|'.join(_LOG_LEVELS)})$", error=f"Must be one of: {', '.join(_LOG_LEVELS)}.")

Keys = tuple[str, ...]
"""The secret that signs, then perhaps the previous one, which is still accepted during a rotation."""


class AppEnv(StrEnum):
    DEVELOPMENT = "development"
    TEST = "test"
    PRODUCTION = "production"


class ConfigurationError(Exception):
    """The environment is not usable. The message names every setting that is wrong."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The clinic's rules for slots and appointments."""

    timezone: ZoneInfo
    slot_minutes: int
    horizon_days: int
    cancel_notice: timedelta
    max_open_appointments: int
    no_show_after: timedelta


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that two installations may configure differently."""

    app_env: AppEnv
    host: str
    allow_public_development: bool
    port: int
    web_workers: int
    web_threads: int
    max_queue_wait: timedelta
    log_level: str
    mongodb_uri: str
    redis_url: str
    jwt_keys: Keys
    jwt_refresh_keys: Keys
    otp_keys: Keys
    access_token_lifetime: timedelta
    refresh_token_lifetime: timedelta
    staff_session_lifetime: timedelta
    dashboard_idle: timedelta
    cors_origins: tuple[str, ...]
    trusted_proxies: int
    rate_limits: RateLimits
    public_url: str | None
    twilio: Twilio | None
    fcm: Fcm | None
    dlt_entity_id: str  # the clinic's id at India's carriers (DLT)
    smtp_url: str | None
    email_from: str
    delivery: Delivery
    worker_stop: timedelta
    metrics_enabled: bool
    worker_metrics_port: int | None
    sentry_dsn: str | None
    clinic_name: str
    clinic_address: str
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
    def warnings(self) -> list[str]:
        """What is missing from a configuration of production that works without it."""
        values = {"SMTP_URL": self.smtp_url, "DLT_ENTITY_ID": self.dlt_entity_id}
        return config_services.warnings_about(values) if self.is_production else []

    @property
    def mailbox_file(self) -> Path:
        """Where the console gateways of development store messages instead of sending them."""
        return self.var_dir / "mailbox.jsonl"


@cache
def settings() -> Settings:
    """Read the settings once per process.

    Raises:
        ConfigurationError: names every setting that is missing, malformed or too weak.
    """
    env = Env(eager=False)
    app_env = env.enum("APP_ENV", enum=AppEnv, by_value=True, default=AppEnv.DEVELOPMENT)
    found = _read(env, app_env or AppEnv.DEVELOPMENT)
    problems = config_services.missing(env, production=found.is_production) + _malformed(env)
    problems += _production_problems(found) if found.is_production else _exposed(found)
    if problems:
        raise ConfigurationError("The configuration can't be used:\n" + "\n".join(f"  {line}" for line in problems))
    return found


def check_addresses(settings: Settings, addresses: Iterable[Address]) -> None:
    """Check the addresses that a server is about to bind.

    Raises:
        ConfigurationError: an address is public, outside production or without a proxy.
    """
    for address in addresses:
        problem = _problem_of(settings, address)
        if problem is not None:
            raise ConfigurationError(problem)


def _exposed(found: Settings) -> list[str]:
    problem = _problem_of(found, (found.host, found.port))
    return [] if problem is None else [f"HOST: {problem}"]


def _problem_of(settings: Settings, address: Address) -> str | None:
    may_be_public = settings.trusted_proxies > 0 if settings.is_production else settings.allow_public_development
    return None if may_be_public else config_addresses.problem_of(address, app_env=settings.app_env)


def _malformed(env: Env) -> list[str]:
    """List the values that environs refused, one line for each variable."""
    try:
        env.seal()
    except EnvValidationError as error:
        by_name: Any = error.error_messages
        return [f"{name}: {' '.join(texts)}" for name, texts in by_name.items()]
    return []


def _read(env: Env, app_env: AppEnv) -> Settings:
    production = app_env is AppEnv.PRODUCTION
    return Settings(
        app_env=app_env,
        host=env.str("HOST", "") or ("0.0.0.0" if production else "127.0.0.1"),
        allow_public_development=env.bool("ALLOW_PUBLIC_DEVELOPMENT", False),
        port=env.int("PORT", 5000, validate=Range(1, 65535)),
        web_workers=env.int("WEB_CONCURRENCY", 2, validate=Range(1)),
        web_threads=env.int("WEB_THREADS", 8, validate=Range(1)),
        max_queue_wait=duration(env, "MOST_WAITING_MS", 5_000, unit=_MILLISECOND, allowed=Range(100, 60_000)),
        log_level=(env.str("LOG_LEVEL", "info", validate=_LOG_LEVEL) or "").lower(),
        mongodb_uri=config_readers.mongodb_uri(env, default="" if production else _LOCAL_MONGODB),
        redis_url=config_readers.redis_url(env, default="" if production else _LOCAL_REDIS),
        jwt_keys=_keys(env, "JWT_SECRET", "access", production=production),
        jwt_refresh_keys=_keys(env, "JWT_REFRESH_SECRET", "refresh", production=production),
        otp_keys=_keys(env, "OTP_SECRET", "codes", production=production),
        access_token_lifetime=minutes(env, "ACCESS_TOKEN_MINUTES", 60, minimum=1),
        refresh_token_lifetime=minutes(env, "REFRESH_TOKEN_MINUTES", 30 * MINUTES_PER_DAY, minimum=1),
        staff_session_lifetime=duration(env, "STAFF_SESSION_MAX_HOURS", 12, unit=_HOUR, allowed=Range(1, 30 * 24)),
        dashboard_idle=minutes(env, "DASHBOARD_IDLE_MINUTES", 10, minimum=1, maximum=12 * 60),
        cors_origins=config_readers.origins(env, "CORS_ORIGINS", [] if production else _LOCAL_ORIGINS),
        trusted_proxies=env.int("TRUSTED_PROXIES", 0, validate=Range(0)),
        rate_limits=config_limits.rate_limits(env),
        public_url=config_services.public_url(env),
        twilio=config_services.twilio(env),
        fcm=config_services.fcm(env),
        dlt_entity_id=env.str("DLT_ENTITY_ID", "", validate=config_services.ENTITY_ID),
        smtp_url=config_services.smtp_url(env),
        email_from=config_services.email_from(env),
        delivery=config_services.delivery(env, production=production),
        worker_stop=duration(env, "WORKER_STOP_SECONDS", 20, unit=_SECOND, allowed=Range(1, 3600)),
        metrics_enabled=env.bool("ENABLE_METRICS", False),
        worker_metrics_port=env.int("WORKER_METRICS_PORT", 0, validate=Range(0, 65535)) or None,
        sentry_dsn=env.str("SENTRY_DSN", "", validate=_SENTRY_DSN) or None,
        clinic_name=env.str("CLINIC_NAME", "Arthomed", validate=Length(1, 50)),
        clinic_address=env.str("CLINIC_ADDRESS", "", validate=Length(0, 200)),
        privacy_notice=env.str("PRIVACY_NOTICE", "2026-11", validate=Length(1, 50)),
        var_dir=Path(env.str("VAR_DIR", "var")),
        uploads=config_services.uploads(env),
        policy=_policy(env),
        codes=config_limits.codes(env),
    )


def _keys(env: Env, name: str, purpose: str, *, production: bool) -> Keys:
    """Read a secret and, from the variable with the suffix _PREVIOUS, the one that it replaces.

    Outside production the default is a fixed secret, so that a developer's sessions survive a restart.
    """
    default = "" if production else f"only-for-development-and-test-{purpose}"
    current, previous = env.str(name, "") or default, env.str(f"{name}_PREVIOUS", "")
    return (current, previous) if previous else (current,)


def _policy(env: Env) -> Policy:
    return Policy(
        timezone=config_readers.time_zone(env, "CLINIC_TIMEZONE", "Asia/Kolkata"),
        slot_minutes=env.int("SLOT_MINUTES", 30, validate=Range(5, 240)),
        horizon_days=env.int("BOOKING_HORIZON_DAYS", 90, validate=Range(1, 366)),
        cancel_notice=minutes(env, "CANCEL_NOTICE_MINUTES", 120),
        max_open_appointments=env.int("MAX_OPEN_VISITS", 10, validate=Range(1)),
        no_show_after=minutes(env, "NO_SHOW_AFTER_MINUTES", 60),
    )


def _production_problems(found: Settings) -> list[str]:
    """List what production requires and these settings lack: strong secrets and servers."""
    signing = {"JWT_SECRET": found.jwt_keys, "JWT_REFRESH_SECRET": found.jwt_refresh_keys, "OTP_SECRET": found.otp_keys}
    previous = {f"{name}_PREVIOUS": "".join(both[1:]) for name, both in signing.items()}
    problems = [*keys.weaknesses({name: both[0] for name, both in signing.items()}, previous)]
    required = {"MONGODB_URI": found.mongodb_uri, "REDIS_URL": found.redis_url}
    return problems + [f"{name}: missing" for name, value in required.items() if not value]
