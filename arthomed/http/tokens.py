"""Access and refresh tokens, signed with separate secrets."""

from dataclasses import dataclass
from uuid import uuid4

import jwt
from bson import ObjectId
from flask_jwt_extended import create_access_token, decode_token

from arthomed.config import settings
from arthomed.core import clock, keys
from arthomed.core.permissions import Role
from arthomed.http import pages
from arthomed.http.auth import InvalidToken, NoToken
from arthomed.http.signed_tokens import ALGORITHM, AUDIENCE, ISSUER, SignedToken, access_token, claimed_id, signed_token


@dataclass(frozen=True, slots=True)
class RefreshClaim:
    """The session of a refresh token, and how many refresh tokens the session had before it."""

    session_id: ObjectId
    generation: int


@dataclass(frozen=True, slots=True)
class Pair:
    """The tokens of a device; `expires_in` are the seconds of the access token."""

    access_token: str
    refresh_token: str
    expires_in: int
    token_type: str = "Bearer"  # noqa: S105  its kind (RFC 6750)


def pair(user_id: ObjectId, session_id: ObjectId, generation: int, role: Role) -> Pair:
    """A new access token and the refresh token of that generation.

    The role is for rate limits only: what a request may do depends on the role of its session.
    """
    claims = {"sid": str(session_id), "gen": generation, "role": str(role)}
    key_header = _key_header(settings().jwt_secret)
    return Pair(
        create_access_token(str(user_id), additional_claims=claims, additional_headers=key_header),
        _refresh_token(user_id, session_id, generation),
        int(settings().access_token_lifetime.total_seconds()),
    )


def page_token(user_id: ObjectId, session_id: ObjectId, role: Role) -> str:
    """The token for the cookie of the dashboard. It is valid as long as a session of staff, and is not refreshed."""
    return str(
        create_access_token(
            str(user_id),
            additional_claims={"sid": str(session_id), "use": pages.TOKEN_USE, "role": str(role)},
            additional_headers=_key_header(settings().jwt_secret),
            expires_delta=settings().staff_session_lifetime,
        )
    )


def verified_refresh(refresh_token: str) -> RefreshClaim:
    """The claim of a refresh token, whose session has not been checked yet.

    Raises:
        TokenExpired, InvalidToken
    """
    try:
        claims = decode_token(refresh_token)
        claimed_id(claims, "sub")  # refuse a token without a user
        if claims["type"] != "refresh" or claims["jti"] is None or "exp" not in claims:
            raise InvalidToken
        return RefreshClaim(claimed_id(claims, "sid"), int(claims["gen"]))
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise InvalidToken from error


def sent_tokens(refresh_token: str | None) -> list[SignedToken]:
    """The well-signed tokens of this request, expired or not: the access token of the header, and this refresh token.

    Raises:
        NoToken, InvalidToken: there is none.
    """
    sent = {"access": access_token(), "refresh": refresh_token or ""}
    found = [signed for token_type, token in sent.items() if (signed := signed_token(token, token_type))]
    if not found:
        raise InvalidToken if any(sent.values()) else NoToken
    return found


def _refresh_token(user_id: ObjectId, session_id: ObjectId, generation: int) -> str:
    """Signed with PyJWT: the library's encode key loader does not receive the type of the token."""
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(user_id),
        "type": "refresh",
        "jti": uuid4().hex,
        "sid": str(session_id),
        "gen": generation,
        "exp": clock.now() + settings().refresh_token_lifetime,
    }
    secret = settings().jwt_refresh_secret
    return jwt.encode(claims, secret, algorithm=ALGORITHM, headers=_key_header(secret))


def _key_header(secret: str) -> dict[str, str]:
    return {"kid": keys.key_id(secret)}
