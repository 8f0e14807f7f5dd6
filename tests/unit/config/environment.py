"""Environments for tests of the settings."""

from collections.abc import Callable

import pytest

from arthomed.config import ConfigurationError, Settings

Read = Callable[..., Settings]

SECRETS = ("JWT_SECRET", "JWT_REFRESH_SECRET", "OTP_SECRET")
TWILIO = ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_PHONE_NUMBER")
REQUIRED = (*SECRETS, "MONGODB_URI", "REDIS_URL", "DLT_ENTITY_ID", *TWILIO)
STRONG = "Zk3v9QwT7rLx2MnB8pYc5HdJ4sGf6AeU"
PRODUCTION = {
    "APP_ENV": "production",
    "JWT_SECRET": STRONG + "1",
    "JWT_REFRESH_SECRET": STRONG + "2",
    "OTP_SECRET": STRONG + "3",
    "MONGODB_URI": "mongodb+srv://clinic:hunter2@db.example/arthomed",
    "REDIS_URL": "rediss://redis.example:6380/0",
    "DLT_ENTITY_ID": "1101000000000000001",
    **dict.fromkeys(TWILIO, "something"),
}


def configuration_error(read: Read, **env: str) -> str:
    with pytest.raises(ConfigurationError) as raised:
        read(**env)
    return str(raised.value)
