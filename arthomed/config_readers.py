"""Readers of single environment variables, shared by the modules config and config_*.

config.settings() collects all errors before it raises. Until then environs returns None for a value that it refused,
which is why these readers replace None by a value of the right type.
"""

import re
from datetime import timedelta
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

from environs import Env
from marshmallow import ValidationError
from marshmallow.validate import Range
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

ESCAPES = "write / ? # @ : % in a user name or password as %2F %3F %23 %40 %3A %25"
MINUTES_PER_DAY = 24 * 60
_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://([a-z0-9_-]+(?:\.[a-z0-9_-]+)*)(?::([0-9]{1,5}))?/?", re.ASCII)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_PORT = 65535
_MAX_MINUTES = 3660 * MINUTES_PER_DAY  # ten years


def duration(env: Env, name: str, default: int, *, unit: timedelta, allowed: Range) -> timedelta:
    """Read a whole number of `unit`."""
    return unit * (env.int(name, default, validate=allowed) or 0)


def minutes(env: Env, name: str, default: int, *, minimum: int = 0, maximum: int = _MAX_MINUTES) -> timedelta:
    return duration(env, name, default, unit=timedelta(minutes=1), allowed=Range(minimum, maximum))


def time_zone(env: Env, name: str, default: str) -> ZoneInfo:
    return ZoneInfo(env.str(name, default, validate=_require_time_zone) or "UTC")


def _require_time_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValidationError(f"There is no time zone {name!r}.") from error


def mongodb_uri(env: Env, *, default: str) -> str:
    """Read MONGODB_URI. The error message does not repeat it, because it may hold a password."""
    return env.str("MONGODB_URI", "", validate=_require_mongodb) or default


def _require_mongodb(uri: str) -> None:
    if uri and not uri.startswith(("mongodb://", "mongodb+srv://")):
        raise ValidationError("Must begin with mongodb://.")
    is_srv = uri.startswith("mongodb+srv://")  # the driver reads the options of one from the DNS, too
    reason = f"Must be mongodb://user:password@host/database with the driver's options; {ESCAPES}."
    try:
        parsed = parse_uri(uri.replace("+srv", "", 1).partition("?")[0] if is_srv else uri) if uri else {}
    except (PyMongoError, ValueError) as error:
        raise ValidationError(reason) from error
    if "@" in (parsed.get("database") or ""):
        raise ValidationError(reason)


def redis_url(env: Env, *, default: str) -> str:
    """Read REDIS_URL. The error message does not repeat it."""
    return env.str("REDIS_URL", "", validate=_require_redis) or default


def _require_redis(url: str) -> None:
    if url and not url.startswith(("redis://", "rediss://")):
        raise ValidationError("Must begin with redis://.")
    parts = split_url(url)
    database = parts.path.removeprefix("/") if parts else "?"
    if not parts or parts.fragment or "@" in parts.query or not (database.isdecimal() or not database):
        raise ValidationError(f"Must be redis://user:password@host:6379/0, or rediss:// for TLS; {ESCAPES}.")


def split_url(url: str) -> SplitResult | None:
    """The parts of a URL; None when it has blanks, or a port that is no port."""
    try:
        parts = urlsplit(url)
        is_valid = parts.port != 0 and url.isprintable() and not any(map(str.isspace, url))
    except ValueError:
        return None
    return parts if is_valid else None


def origins(env: Env, name: str, default: list[str]) -> tuple[str, ...]:
    """Read a comma-separated list of origins, each as browsers send it: in lower case, without the default port."""
    found = env.list(name, default, validate=_require_origins) or []
    return tuple(dict.fromkeys(origin for origin in map(normal_origin, found) if origin))


def _require_origins(origins: list[str]) -> None:
    wrong = [origin.strip() for origin in origins if normal_origin(origin) is None]
    if wrong:
        message = (
            f"{', '.join(map(repr, wrong))}: must be https://host or https://host:port, without a path or wildcard."
        )
        raise ValidationError(message)


def normal_origin(text: str) -> str | None:
    """The origin as browsers send it (RFC 6454 section 6.2), "" of a blank text, None of anything else."""
    text = text.strip().lower()
    if not text:
        return ""
    match = _ORIGIN.fullmatch(text)
    if match is None:
        return None
    scheme, host, digits = match.groups()
    if digits is None or int(digits) == _DEFAULT_PORTS.get(scheme):
        return f"{scheme}://{host}"
    return f"{scheme}://{host}:{int(digits)}" if 0 < int(digits) <= _MAX_PORT else None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the host: 127.0.0.0/8, ::1 or localhost."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False
