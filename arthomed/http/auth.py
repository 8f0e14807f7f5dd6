"""Authentication with flask-jwt-extended: the access token, the live session behind it, and a route's permission.

The library verifies a token. Its blocklist callback reads the session from MongoDB on every request, together with the
cache tags that the route needs. Its user lookup returns the actor.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from functools import wraps
from typing import Any, ClassVar, TypeVar

from bson import ObjectId
from flask import Flask, current_app, g, has_request_context, request
from flask_jwt_extended import JWTManager, get_current_user, verify_jwt_in_request
from flask_jwt_extended.exceptions import CSRFError
from jwt.exceptions import ImmatureSignatureError, InvalidTokenError

from arthomed.config import Settings
from arthomed.core import keys
from arthomed.core.actor import SYSTEM, Actor
from arthomed.core.cache import Versions
from arthomed.core.errors import ClinicError, Code, PermissionDenied
from arthomed.core.permissions import ROLE_PERMISSIONS, Permission
from arthomed.http import cache, errors, limits, pages
from arthomed.http.parsing import refuse_unknown_query
from arthomed.http.signed_tokens import ALGORITHM, AUDIENCE, ISSUER, LEEWAY_SECONDS, claimed_id

View = TypeVar("View", bound=Callable[..., Any])
FindActor = Callable[[ObjectId, ObjectId, int | None, Collection[str]], tuple[Actor, Versions, datetime | None]]
"""From the token's user, session and generation, and cache tags, to the actor, the tags' versions, and the last input.

It raises when the session is over. Access tokens of earlier versions name no generation.
"""

_COUNTED_BELOW = "__wrapper-limiter-instance"  # flask-limiter sets it on a view with a limit

_CSRF_HEADER = "X-CSRF-TOKEN"

jwt = JWTManager()


class NoToken(ClinicError):
    code: ClassVar[Code] = Code.NO_TOKEN
    message = "Access denied. No token provided."


class InvalidToken(ClinicError):
    code: ClassVar[Code] = Code.INVALID_TOKEN
    message = "Invalid token. Please log in again."


class ForgedRequest(PermissionDenied):
    """A page of another origin sent the request, or it lacks the token against that."""

    message = "This request did not come from the dashboard. Please reload the page and try again."


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
        JWT_ACCESS_COOKIE_NAME="__Host-arthomed" if settings.is_production else "arthomed",
        JWT_COOKIE_SECURE=settings.is_production,
        JWT_COOKIE_SAMESITE="Strict",
        JWT_CSRF_IN_COOKIES=False,  # pages have it, and htmx sends it as a header
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
            _authorize("headers", permission)
            refuse_unknown_query()
            return view(*args, **kwargs)

        roles = sorted(role for role, granted in ROLE_PERMISSIONS.items() if permission in granted)
        documentation = {"security": [{"bearerAuth": []}], "x-permission": str(permission), "x-roles": roles}
        guarded.permission = permission  # type: ignore[attr-defined]
        guarded._apidoc = {**getattr(guarded, "_apidoc", {}), "manual_doc": documentation}  # type: ignore[attr-defined]  # noqa: SLF001  flask-smorest reads it
        return guarded  # type: ignore[return-value]

    return decorate


def requires_page(permission: Permission, *, while_locked: bool = False) -> Callable[[View], View]:
    """A page's permission, and that to use the dashboard: the request needs the cookie of a live session of staff.

    What writes also needs the cookie's CSRF token in the header `X-CSRF-TOKEN`. On a screen that is locked only the
    views `while_locked` work.
    """

    def decorate(view: View) -> View:
        if hasattr(view, _COUNTED_BELOW):
            raise TypeError(
                f"{view.__name__}: rate limits go above @requires_page, so that refused requests count, too"
            )

        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if not request.headers.get(_CSRF_HEADER, "").isascii():  # the library cannot compare others
                raise ForgedRequest
            try:
                _authorize("cookies", Permission.DASHBOARD, permission)
            except CSRFError as error:
                raise ForgedRequest from error
            refusal = None if while_locked else current_app.extensions["page_guard"]()
            return view(*args, **kwargs) if refusal is None else refusal

        guarded.permission = permission  # type: ignore[attr-defined]
        return guarded  # type: ignore[return-value]

    return decorate


def guard_pages(app: Flask, guard: Callable[[], Any]) -> None:
    """Ask before each page that is not open while the screen is locked; what is not None is the response instead."""
    app.extensions["page_guard"] = guard


def _authorize(location: str, *permissions: Permission) -> None:
    """Verify the token at a location of the request, and what its role may do.

    Raises:
        InvalidToken, PermissionDenied; what flask-jwt-extended raises is handled by the loaders below.
    """
    try:
        verify_jwt_in_request(locations=[location])
    except RecursionError as error:  # of JSON nested too deep for PyJWT
        raise InvalidToken from error
    if not all(map(current_actor().may, permissions)):
        raise PermissionDenied


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
    is_of_page = claims.get("use") == pages.TOKEN_USE
    return claims["jti"] is not None and "exp" in claims and is_of_page is pages.is_page()


@jwt.token_in_blocklist_loader
def _is_revoked(_header: Mapping[str, Any], claims: Mapping[str, Any]) -> bool:
    """Read the live session of a token, and with it the versions of the route's cache tags, in one round trip."""
    user_id, session_id = claimed_id(claims, "sub"), claimed_id(claims, "sid")
    try:
        g.actor, g.tag_versions, g.last_input_at = current_app.extensions["find_actor"](
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
