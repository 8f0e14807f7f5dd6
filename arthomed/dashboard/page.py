"""What every page holds."""

import json
from typing import Any

from flask import request
from flask_jwt_extended import get_jwt

from arthomed.config import settings
from arthomed.http.auth import own_id
from arthomed.users import service as users
from arthomed.users.models import User

_SWAPS = [
    {"code": "204", "swap": False},
    {"code": "[23]..", "swap": True},
    {"code": "[45]..", "swap": True, "error": True},  # the part says what is wrong, beside the field or at the top
]
HTMX_CONFIG = json.dumps(
    {
        "allowEval": False,
        "allowScriptTags": False,
        "defaultSettleDelay": 0,  # until it has settled, new buttons do nothing
        "historyCacheSize": 0,  # no patients' data in the storage of the browser
        "includeIndicatorStyles": False,
        "refreshOnHistoryMiss": True,
        "responseHandling": _SWAPS,
        "selfRequestsOnly": True,
        "timeout": 15_000,
    }
)
KEYS_COOKIE = "arthomed_keys"


def clinic_name() -> str:
    return settings().clinic_name


def lock_seconds() -> int:
    """After how long without input a screen is locked."""
    return int(settings().dashboard_idle.total_seconds())


def csrf_token() -> str:
    """The token of the session's cookie that each request of the page repeats."""
    claims: dict[str, Any] = get_jwt()
    return str(claims["csrf"])


def user() -> User:
    """Who is signed in."""
    return users.get(own_id())


def shortcuts() -> str:
    """Whether single keys are shortcuts; people who talk to their computer switch them off (WCAG 2.1.4)."""
    return "off" if request.cookies.get(KEYS_COOKIE) == "off" else "on"
