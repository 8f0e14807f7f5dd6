"""Authentication with flask-jwt-extended: the access token, the live session behind it, and a route's permission.

The library verifies a token. Its blocklist callback reads the session from MongoDB on every request, together with the
cache tags that the route needs. Its user lookup returns the actor.
"""

from collections.abc import Callable, Collection, Mapping
from functools import wraps
from typing import Any, ClassVar, TypeVar

from bson import ObjectId
from flask import Flask, current_app, g, has_request_context, request
from flask_jwt_extended import JWTManager, get_current_user, verify_jwt_in_request
from jwt.exceptions import ImmatureSignatureError, InvalidTokenError

from arthomed.config import Settings
from arthomed.core import keys
from arthomed.core.actor import SYSTEM, Actor
from arthomed.core.cache import Versions
from arthomed.core.errors import ClinicError, Code, PermissionDenied
from arthomed.core.permissions import ROLE_PERMISSIONS, Permission
from arthomed.http import cache, errors, limits
from arthomed.http.parsing import refuse_unknown_query
from arthomed.http.signed_tokens import ALGORITHM, AUDIENCE, ISSUER, LEEWAY_SECONDS, claimed_id

View = TypeVar("View", bound=Callable[..., Any])
FindActor = Callable[[ObjectId, ObjectId, int | None, Collection[str]], tuple[Actor, Versions]]
"""From the token's user, session and generation, and cache tags, to the actor and the tags' versions.

It raises when the session is over. Access tokens of earlier versions name no generation.
"""

_COUNTED_BELOW = "__wrapper-limiter-instance"  # flask-limiter sets it on a view with a limit

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
        JWT_DECODE_LEEWAY=LEEWAY_SECONDS,
        JWT_ACCESS_TOKEN_EXPIRES=settings.access_token_lifetime,
        JWT_TOKEN_LOCATION=["headers"],  # `tokens.verified_refresh` verifies the refresh token of a body
    )
    jwt.init_app(app)
    # Another host's clock, or this one before it stepped back, is ahead: a refresh gives a token of the present time.
    app.register_error_handler(ImmatureSignatureError, lambda _: errors.respond_to(TokenExpired()))
    app.extensions["find_actor"] = find_actor
    app.extensions["jwt_keys"] = {"access": settings.jwt_keys, "refresh": settings.jwt_refresh_keys}
    app.before_request(_normalize_authorization)


def current_actor() -> Actor:
    """The actor of this request; only behind `requires`."""
    actor: Actor = get_current_user()
    return actor


def reader() -> Actor:
    """The actor who gets the response; the system outside of a request, as in a job."""
    return current_actor() if has_request_context() else SYSTEM


def own_id() -> ObjectId:
    """The id of the user behind this request."""
    return current_actor().signed_in_user_id


def requires(permission: Permission) -> Callable[[View], View]:
    """A route's permission: the request needs a token of a live session whose role has the permission."""

    def decorate(view: View) -> View:
        if hasattr(view, _COUNTED_BELOW):
            raise TypeError(f"{view.__name__}: rate limits go above @requires, so that refused requests count, too")

        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            try:
                verify_jwt_in_request()
            except RecursionError as error:  # of JSON nested too deep for PyJWT
                raise InvalidToken from error
            if not current_actor().may(permission):
                raise PermissionDenied
            refuse_unknown_query()
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
            user_id, session_id, claims.get("gen"), cache.tags_to_check(user_id)
        )
    except ClinicError as reason:
        limits.count_for_address()
        g.revoked_because = reason
        return True
    return False


@jwt.user_lookup_loader
def _actor(_header: Mapping[str, Any], _claims: Mapping[str, Any]) -> Actor:
    """The actor that `_is_revoked` has found."""
    actor: Actor = g.actor
    return actor


jwt.revoked_token_loader(lambda *_: errors.respond_to(g.revoked_because))
jwt.expired_token_loader(lambda *_: errors.respond_to(TokenExpired()))
jwt.invalid_token_loader(lambda *_: errors.respond_to(InvalidToken()))
jwt.token_verification_failed_loader(lambda *_: errors.respond_to(InvalidToken()))
jwt.unauthorized_loader(lambda *_: errors.respond_to(NoToken()))


def _normalize_authorization() -> None:
    """Leave one scheme and its token in the header, or none; the scheme's case is free (RFC 9110 section 11.1).

    flask-jwt-extended would search a list of several for a token, and fail with an IndexError at an empty member.
    """
    scheme, _, token = request.headers.get("Authorization", "").strip().partition(" ")
    if scheme.lower() == "bearer":
        request.environ["HTTP_AUTHORIZATION"] = f"Bearer {token.strip()}".strip()
    if "," in scheme + token:
        request.environ.pop("HTTP_AUTHORIZATION")
