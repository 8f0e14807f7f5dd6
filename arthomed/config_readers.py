"""Readers of single environment variables, shared by the modules config and config_*.

config.settings() collects all errors before it raises. Until then environs returns None for a value that it refused,
which is why these readers replace None by a value of the right type.
"""

from datetime import timedelta
from ipaddress import ip_address
from zoneinfo import ZoneInfo

from environs import Env
from marshmallow import ValidationError
from marshmallow.validate import Range, Regexp

MINUTES_PER_DAY = 24 * 60
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


def uri(env: Env, name: str, scheme: str, *, default: str) -> str:
    """Read the address of a server. The error message does not repeat it, because it may hold a password."""
    has_scheme = Regexp(rf"$|{scheme}(s|\+srv)?://", error=f"Must begin with {scheme}://.")
    return env.str(name, "", validate=has_scheme) or default


def origins(env: Env, name: str, default: list[str]) -> tuple[str, ...]:
    """Read a comma-separated list of origins."""
    return tuple(origin.strip() for origin in env.list(name, default) if origin.strip())


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the host: 127.0.0.0/8, ::1 or localhost."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False
