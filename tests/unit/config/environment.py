"""Environments for tests of the settings."""

from collections.abc import Callable

import pytest

from arthomed.config import ConfigurationError, Settings

Read = Callable[..., Settings]

SECRETS = ("JWT_SECRET", "JWT_REFRESH_SECRET", "OTP_SECRET")
TWILIO = ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_PHONE_NUMBER")
REQUIRED = (*SECRETS, "MONGODB_URI", "REDIS_URL", *TWILIO)
STRONG = "Zk3v9QwT7rLx2MnB8pYc5HdJ4sGf6AeU"
PRODUCTION = {
    "APP_ENV": "production",
    "JWT_SECRET": STRONG + "1",
    "JWT_REFRESH_SECRET": STRONG + "2",
    "OTP_SECRET": STRONG + "3",
    "MONGODB_URI": "mongodb+srv://clinic:hunter2@db.example/arthomed",
    "REDIS_URL": "rediss://redis.example:6380/0",
    "DLT_ENTITY_ID": "1101000000000000001",
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "1" * 32,
    "TWILIO_PHONE_NUMBER": "+15005550006",
}


def configuration_error(read: Read, **env: str) -> str:
    with pytest.raises(ConfigurationError) as raised:
        read(**env)
    return str(raised.value)
