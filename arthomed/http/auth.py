"""Authentication with flask-jwt-extended: the access token, the live session behind it, and a route's permission.

The library verifies a token. Its blocklist callback reads the session from MongoDB on every request, together with the
cache tags that the route needs. Its user lookup returns the actor.
"""

from collections.abc import Callable, Collection, Mapping
from functools import lru_cache, wraps
from typing import Any, ClassVar, TypeVar

import jwt as pyjwt
from bson import ObjectId
from flask import Flask, current_app, g, request
from flask_jwt_extended import JWTManager, get_current_user, verify_jwt_in_request
from jwt.exceptions import ImmatureSignatureError, InvalidTokenError, PyJWTError

from arthomed.config import Keys, Settings
from arthomed.core import clock, keys
from arthomed.core.actor import Actor
from arthomed.core.cache import Versions
from arthomed.core.errors import ClinicError, Code, PermissionDenied
from arthomed.core.permissions import ROLE_PERMISSIONS, Permission
from arthomed.http import cache, errors

View = TypeVar("View", bound=Callable[..., Any])
FindActor = Callable[[ObjectId, ObjectId, Collection[str]], tuple[Actor, Versions]]
"""From user id, session id and cache tags to the actor and the tags' versions; raises when the session is over."""

ALGORITHM = "HS256"
ISSUER = AUDIENCE = "arthomed"
_LEEWAY_SECONDS = 10  # between the clocks of two hosts
_MAX_CACHED_TOKENS = 2000  # about 2 KB each
_MAX_REFRESH_BODY = 4096  # bytes; a refresh token has a tenth of that

jwt = JWTManager()


class NoToken(ClinicError):
    code: ClassVar[Code] = Code.NO_TOKEN
    message = "Access denied. No token provided."


class InvalidToken(ClinicError):
    code: ClassVar[Code] = Code.INVALID_TOKEN
    message = "Invalid token. Please log in again."


class TokenExpired(ClinicError):
    code: ClassVar[Code] = Code.TOKEN_EXPIRED
    message = "Your token has expired. Please log in again."


def register(app: Flask, settings: Settings, find_actor: FindActor) -> None:
    app.config.update(
        JWT_SECRET_KEY=settings.jwt_secret,
        JWT_ALGORITHM=ALGORITHM,
        JWT_DECODE_ALGORITHMS=[ALGORITHM],
        JWT_ENCODE_ISSUER=ISSUER,
        JWT_DECODE_ISSUER=ISSUER,
        JWT_ENCODE_AUDIENCE=AUDIENCE,
        JWT_DECODE_AUDIENCE=AUDIENCE,
        JWT_ENCODE_NBF=False,
        JWT_DECODE_LEEWAY=_LEEWAY_SECONDS,
        JWT_ACCESS_TOKEN_EXPIRES=settings.access_token_lifetime,
        JWT_TOKEN_LOCATION=["headers"],  # the refresh route reads its token from the JSON body
        JWT_REFRESH_JSON_KEY="refreshToken",
    )
    jwt.init_app(app)
    # Another host's clock, or this one before it stepped back, is ahead: a refresh gives a token of the present time.
    app.register_error_handler(ImmatureSignatureError, lambda _: errors.respond_to(TokenExpired()))
    app.extensions["find_actor"] = find_actor
    app.extensions["jwt_keys"] = {"access": settings.jwt_keys, "refresh": settings.jwt_refresh_keys}
    app.before_request(_normalize_scheme)


def current_actor() -> Actor:
    """The actor of this request; only behind `requires`."""
    actor: Actor = get_current_user()
    return actor


def own_id() -> ObjectId:
    """The id of the user behind this request."""
    return current_actor().signed_in_user_id


def requires(permission: Permission) -> Callable[[View], View]:
    """A route's permission: the request needs a token of a live session whose role has the permission."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            try:
                verify_jwt_in_request()
            except RecursionError as error:  # of JSON nested too deep for PyJWT
                raise InvalidToken from error
            if not current_actor().may(permission):
                raise PermissionDenied
            return view(*args, **kwargs)

        roles = sorted(role for role, granted in ROLE_PERMISSIONS.items() if permission in granted)
        documentation = {"security": [{"bearerAuth": []}], "x-permission": str(permission), "x-roles": roles}
        guarded.permission = permission  # type: ignore[attr-defined]
        guarded._apidoc = {**getattr(guarded, "_apidoc", {}), "manual_doc": documentation}  # type: ignore[attr-defined]  # noqa: SLF001  flask-smorest reads it
        return guarded  # type: ignore[return-value]

    return decorate


def public(view: View) -> View:
    """A route that needs no token."""
    view.permission = None  # type: ignore[attr-defined]
    return view


@jwt.decode_key_loader
def _key(header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    """The secret of the token's type that its `kid` names, while two secrets are in use."""
    secrets = current_app.extensions["jwt_keys"].get(str(claims.get("type")))
    if secrets is None:
        raise InvalidTokenError("unknown type")
    return keys.select_key(header.get("kid"), secrets)


@jwt.token_verification_loader
def _has_required_claims(_header: Mapping[str, Any], claims: Mapping[str, Any]) -> bool:
    return claims["jti"] is not None and "exp" in claims


@jwt.token_in_blocklist_loader
def _is_revoked(_header: Mapping[str, Any], claims: Mapping[str, Any]) -> bool:
    """Read the live session of a token, and with it the versions of the route's cache tags, in one round trip."""
    user_id, session_id = claimed_id(claims, "sub"), claimed_id(claims, "sid")
    try:
        g.actor, g.tag_versions = current_app.extensions["find_actor"](
            user_id, session_id, cache.tags_to_check(user_id)
        )
    except ClinicError as reason:
        g.revoked_because = reason
        return True
    return False


@jwt.user_lookup_loader
def _actor(_header: Mapping[str, Any], claims: Mapping[str, Any]) -> Any:
    """The actor of an access token; of a refresh token, whose session the service checks, the user's id."""
    return g.get("actor", claims["sub"])


jwt.revoked_token_loader(lambda *_: errors.respond_to(g.revoked_because))
jwt.expired_token_loader(lambda *_: errors.respond_to(TokenExpired()))
jwt.invalid_token_loader(lambda *_: errors.respond_to(InvalidToken()))
jwt.token_verification_failed_loader(lambda *_: errors.respond_to(InvalidToken()))
jwt.unauthorized_loader(lambda *_: errors.respond_to(NoToken()))


def claimed_id(claims: Mapping[str, Any], name: str) -> ObjectId:
    """The id in a claim. Raises InvalidTokenError when it holds none."""
    value = claims.get(name)
    if not isinstance(value, str) or not ObjectId.is_valid(value):  # ObjectId(None) would be a new id
        raise InvalidTokenError(name)
    return ObjectId(value)


def signed_user() -> str | None:
    """The user of a well-signed access token on this request, for rate limits; asks no database."""
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return _user_of(token, "access")


def refreshing_user() -> str | None:
    """The user of a well-signed refresh token in the JSON body of this request, for rate limits."""
    if not request.is_json or (request.content_length or _MAX_REFRESH_BODY + 1) > _MAX_REFRESH_BODY:
        return None
    try:
        body: Any = request.get_json(silent=True)
        return _user_of(body["refreshToken"], "refresh")
    except Exception:  # noqa: BLE001  an unreadable body, which the view refuses
        return None


def _user_of(token: str, token_type: str) -> str | None:
    claims = _signed_claims(token, current_app.extensions["jwt_keys"][token_type])
    expired_before = clock.now().timestamp() - _LEEWAY_SECONDS
    if claims is None or claims["type"] != token_type or claims["exp"] <= expired_before:
        return None
    return str(claims["sub"])


@lru_cache(_MAX_CACHED_TOKENS)
def _signed_claims(token: str, secrets: Keys) -> Mapping[str, Any] | None:
    """The claims of a well-signed token, expired or not; decoding costs more than all else that a rate limit does."""
    if not token:
        return None
    try:
        secret = keys.select_key(pyjwt.get_unverified_header(token).get("kid"), secrets)
        options: Any = {"verify_exp": False, "verify_iat": False, "require": ["exp", "sub"]}
        claims = pyjwt.decode(token, secret, [ALGORITHM], options, audience=AUDIENCE, issuer=ISSUER)
        return {"type": claims.get("type"), "exp": int(claims["exp"]), "sub": str(claimed_id(claims, "sub"))}
    except (PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
        return None


def _normalize_scheme() -> None:
    """Accept the name of the scheme in any case (RFC 9110 section 11.1)."""
    scheme, _, token = request.headers.get("Authorization", "").strip().partition(" ")
    if scheme.lower() == "bearer" and scheme != "Bearer":
        request.environ["HTTP_AUTHORIZATION"] = f"Bearer {token}"
