"""What the signature of a request's token proves. It needs no query, so the session may be over."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jwt
from bson import ObjectId
from flask import current_app, request
from jwt.exceptions import InvalidTokenError, PyJWTError

from arthomed.config import Keys
from arthomed.core import clock, keys

ALGORITHM = "HS256"
ISSUER = AUDIENCE = "arthomed"
LEEWAY_SECONDS = 10  # between the clocks of two hosts
_MAX_CACHED_TOKENS = 2000  # about 2 KB each
_MAX_REFRESH_BODY = 4096  # bytes; a refresh token has a tenth of that


def claimed_id(claims: Mapping[str, Any], name: str) -> ObjectId:
    """The id in a claim. Raises InvalidTokenError when it holds none."""
    value = claims.get(name)
    if not isinstance(value, str) or not ObjectId.is_valid(value):  # ObjectId(None) would be a new id
        raise InvalidTokenError(name)
    return ObjectId(value)


def signed_session() -> str | None:
    """The session of a well-signed access token on this request."""
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return _session_of(token, "access")


def refreshing_session() -> str | None:
    """The session of a well-signed refresh token in the JSON body of this request."""
    if not request.is_json or (request.content_length or _MAX_REFRESH_BODY + 1) > _MAX_REFRESH_BODY:
        return None
    try:
        body: Any = request.get_json(silent=True)
        return _session_of(body["refreshToken"], "refresh")
    except Exception:  # noqa: BLE001  an unreadable body, which the view refuses
        return None


def _session_of(token: str, token_type: str) -> str | None:
    claims = _signed_claims(token, current_app.extensions["jwt_keys"][token_type])
    expired_before = clock.now().timestamp() - LEEWAY_SECONDS
    if claims is None or claims["type"] != token_type or claims["exp"] <= expired_before:
        return None
    return str(claims["sid"])


@lru_cache(_MAX_CACHED_TOKENS)
def _signed_claims(token: str, secrets: Keys) -> Mapping[str, Any] | None:
    """The claims of a well-signed token, expired or not; decoding costs more than all else that a rate limit does."""
    if not token:
        return None
    try:
        secret = keys.select_key(jwt.get_unverified_header(token).get("kid"), secrets)
        options: Any = {"verify_exp": False, "verify_iat": False, "require": ["exp", "sid"]}
        claims = jwt.decode(token, secret, [ALGORITHM], options, audience=AUDIENCE, issuer=ISSUER)
        return {"type": claims.get("type"), "exp": int(claims["exp"]), "sid": str(claimed_id(claims, "sid"))}
    except (PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
        return None
