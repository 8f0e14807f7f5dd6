"""What the signature of a request's token proves. It needs no query, so the session may be over."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jwt
from bson import ObjectId
from flask import current_app, request
from jwt.exceptions import InvalidTokenError, PyJWTError

from arthomed.config import Keys
from arthomed.core import clock, keys
from arthomed.core.permissions import Role
from arthomed.http import pages
from arthomed.http.forms import URLENCODED

ALGORITHM = "HS256"
ISSUER = AUDIENCE = "arthomed"
LEEWAY_SECONDS = 10  # between the clocks of two hosts
_STAFF = frozenset(Role) - {Role.PATIENT}
_MAX_CACHED_TOKENS = 2000  # about 2 KB each
_MAX_REFRESH_BODY = 4096  # bytes; a refresh token has a tenth of that


@dataclass(frozen=True, slots=True)
class SignedToken:
    """The claims of a well-signed token; `expires_at` is in seconds since 1970, `role` only in access tokens."""

    type: str
    user_id: ObjectId
    session_id: ObjectId
    expires_at: int
    role: str | None


def claimed_id(claims: Mapping[str, Any], name: str) -> ObjectId:
    """The id in a claim. Raises InvalidTokenError when it holds none."""
    value = claims.get(name)
    if not isinstance(value, str) or not ObjectId.is_valid(value):  # ObjectId(None) would be a new id
        raise InvalidTokenError(name)
    return ObjectId(value)


def signed_session() -> str | None:
    """The session of a well-signed access token on this request."""
    return _session_of(access_token(), "access")


def is_of_staff() -> bool:
    """Whether the access token of this request is well signed, and its user has a role of the staff."""
    found = signed_token(access_token(), "access")
    return found is not None and found.role in _STAFF


def access_token() -> str:
    """The token of the header of this request, for a page of its cookie; or an empty text."""
    if pages.is_page():
        return request.cookies.get(current_app.config["JWT_ACCESS_COOKIE_NAME"], "")
    return request.headers.get("Authorization", "").removeprefix("Bearer ").strip()


def refreshing_session() -> str | None:
    """The session of a well-signed refresh token in the body of this request, JSON or a form."""
    is_form = request.mimetype == URLENCODED
    if not (is_form or request.is_json) or (request.content_length or _MAX_REFRESH_BODY + 1) > _MAX_REFRESH_BODY:
        return None
    try:
        request.get_data()  # kept, so that the view can parse the body, too
        body: Any = request.form if is_form else request.get_json(silent=True)
        return _session_of(body["refreshToken"], "refresh")
    except Exception:  # noqa: BLE001  an unreadable body, which the view refuses
        return None


def signed_token(token: str, token_type: str) -> SignedToken | None:
    """A well-signed token of this type (access, refresh), expired or not."""
    found = _decode(token, current_app.extensions["jwt_keys"][token_type])
    return found if found is not None and found.type == token_type else None


def _session_of(token: str, token_type: str) -> str | None:
    found = signed_token(token, token_type)
    expired_before = clock.now().timestamp() - LEEWAY_SECONDS
    return None if found is None or found.expires_at <= expired_before else str(found.session_id)


@lru_cache(_MAX_CACHED_TOKENS)
def _decode(token: str, secrets: Keys) -> SignedToken | None:
    """Cached, because decoding costs more than all else that a rate limit does."""
    if not token:
        return None
    try:
        secret = keys.select_key(jwt.get_unverified_header(token).get("kid"), secrets)
        options: Any = {"verify_exp": False, "verify_iat": False, "require": ["exp", "sub", "sid"]}
        claims = jwt.decode(token, secret, [ALGORITHM], options, audience=AUDIENCE, issuer=ISSUER)
        ids = claimed_id(claims, "sub"), claimed_id(claims, "sid")
        return SignedToken(str(claims.get("type")), *ids, int(claims["exp"]), claims.get("role"))
    except (PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
        return None
