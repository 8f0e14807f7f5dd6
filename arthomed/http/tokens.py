"""Access and refresh tokens: signed with separate secrets, each of a type that the other is not taken for."""

import json
from dataclasses import dataclass
from uuid import uuid4

import jwt
from bson import ObjectId
from flask import request
from flask_jwt_extended import create_access_token
from jwt.exceptions import ExpiredSignatureError, PyJWTError

from arthomed.config import settings
from arthomed.core import clock, keys
from arthomed.http.auth import ALGORITHM, AUDIENCE, ISSUER, InvalidToken, TokenExpired, claimed_id

_LONGEST_BODY = 4096  # a refresh token has a tenth of that


@dataclass(frozen=True, slots=True)
class RefreshClaim:
    """Whose and which session a refresh token belongs to, and how many were given out before it."""

    user_id: ObjectId
    session_id: ObjectId
    generation: int


@dataclass(frozen=True, slots=True)
class Pair:
    """What a device is given; `expires_in` are the seconds of the access token."""

    access_token: str
    refresh_token: str
    expires_in: int
    token_type: str = "Bearer"  # noqa: S105  its kind (RFC 6750)


def pair(user_id: ObjectId, session_id: ObjectId, generation: int) -> Pair:
    """A new access token and the refresh token of that generation."""
    claims, signed_by = {"sid": str(session_id)}, _signed_by(settings().jwt_secret)
    return Pair(
        create_access_token(str(user_id), additional_claims=claims, additional_headers=signed_by),
        _refresh_token(user_id, session_id, generation),
        int(settings().access_token_lifetime.total_seconds()),
    )


def read_refresh(token: str) -> RefreshClaim:
    """What a refresh token claims, once its signature holds.

    Raises:
        TokenExpired, InvalidToken
    """
    required = ["exp", "iss", "aud", "sub", "sid", "gen", "jti", "type"]
    try:
        claims = jwt.decode(
            token,
            keys.select_key(jwt.get_unverified_header(token).get("kid"), settings().jwt_refresh_keys),
            algorithms=[ALGORITHM],
            issuer=ISSUER,
            audience=AUDIENCE,
            options={"require": required, "verify_iat": False},  # as for access tokens
        )
        claim = RefreshClaim(claimed_id(claims["sub"]), claimed_id(claims["sid"]), int(claims["gen"]))
    except ExpiredSignatureError as error:
        raise TokenExpired from error
    except (PyJWTError, ValueError, TypeError) as error:
        raise InvalidToken from error
    if claims["type"] != "refresh":
        raise InvalidToken
    return claim


def refreshing_user() -> str | None:
    """Whose good refresh token the body of this request holds; None for any other body, about which the view speaks."""
    if not request.is_json or (request.content_length or _LONGEST_BODY + 1) > _LONGEST_BODY:
        return None
    try:
        return str(read_refresh(json.loads(request.get_data().decode())["refreshToken"]).user_id)
    except Exception:  # noqa: BLE001  whatever is wrong with it, down to the connection
        return None


def _refresh_token(user_id: ObjectId, session_id: ObjectId, generation: int) -> str:
    now = clock.now()
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(user_id),
        "type": "refresh",
        "jti": uuid4().hex,
        "sid": str(session_id),
        "gen": generation,
        "iat": now,
        "exp": now + settings().refresh_token_lifetime,
    }
    secret = settings().jwt_refresh_secret
    return jwt.encode(claims, secret, algorithm=ALGORITHM, headers=_signed_by(secret))


def _signed_by(secret: str) -> dict[str, str]:
    return {"kid": keys.key_id(secret)}
