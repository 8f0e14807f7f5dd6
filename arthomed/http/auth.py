"""Who is asking: access tokens, the actor behind a request, and the permission a route names."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache, wraps
from typing import Any, ClassVar, TypeVar

import jwt
from bson import ObjectId
from bson.errors import InvalidId
from flask import Flask, current_app, g, request
from flask_jwt_extended import JWTManager
from jwt.exceptions import PyJWTError

from arthomed.config import Keys, Settings
from arthomed.core import clock, keys, metrics
from arthomed.core.actor import Actor, all_sessions_of
from arthomed.core.copies import SURE_LIFETIME, Copies, Seen
from arthomed.core.documents import Pipeline
from arthomed.core.errors import ClinicError, Code, PermissionDenied
from arthomed.core.permissions import ROLE_PERMISSIONS, Permission
from arthomed.core.reading import Found, Reading
from arthomed.http import answers

View = TypeVar("View", bound=Callable[..., Any])
FindActor = Callable[[ObjectId, ObjectId, Pipeline], tuple[Actor, datetime, Found]]
"""From user id and session id to the actor, until when a copy may be used, and what the stages looked up.

Raises when the session is over.
"""

ALGORITHM = "HS256"
ISSUER = AUDIENCE = "arthomed"
_TOKENS_KNOWN = 2000  # some 2 KB each
_ACTORS_KNOWN = 2000  # some 1 KB each
_CLAIMS = ("type", "jti", "sid", "sub", "exp")


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
        JWT_ENCODE_ISSUER=ISSUER,
        JWT_ENCODE_AUDIENCE=AUDIENCE,
        JWT_ACCESS_TOKEN_EXPIRES=settings.access_token_lifetime,
    )
    JWTManager(app)
    app.extensions["find_actor"] = find_actor
    app.extensions["actors"] = Copies[Actor](_ACTORS_KNOWN, SURE_LIFETIME)
    app.extensions["jwt_keys"] = settings.jwt_keys


def current_actor() -> Actor:
    """The actor of this request; only behind `requires`."""
    actor: Actor = g.actor
    return actor


def own_id() -> ObjectId:
    """The id of the person behind this request."""
    return current_actor().person


def requires(permission: Permission) -> Callable[[View], View]:
    """A route's permission: the request must carry a live session whose role has it."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            _admit(permission, [])
            return view(*args, **kwargs)

        _document(guarded, permission)
        return guarded  # type: ignore[return-value]

    return decorate


def reads(permission: Permission, *, for_all: bool = False) -> Callable[[View], View]:
    """As `requires`, for a view that does nothing but return a Reading, which goes with the question who asks.

    `for_all` when it tells the same to whoever may ask. What the view refuses is told to those only who may.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            g.admitting = permission
            _claimed()
            if (known := answers.find()) is not None:
                _admit(permission, [])
                metrics.CACHEABLE_RESPONSES.add("yes")
                return known.response()
            try:
                return view(*args, **kwargs)
            except ClinicError:
                if "actor" not in g:
                    _admit(permission, [])
                raise

        guarded.for_all = for_all  # type: ignore[attr-defined]
        _document(guarded, permission)
        return guarded  # type: ignore[return-value]

    return decorate


def read(reading: Reading[Any]) -> Any:
    """Admit the caller and carry out what a view behind `reads` wants to know, in one round trip."""
    found = _admit(g.admitting, reading.stages)
    metrics.CACHEABLE_RESPONSES.add("no")
    return reading.answer(found)


def claimed_user() -> ObjectId:
    """Whose request this says it is, in a view behind `reads`; the reading finds nothing when it is not."""
    return _claimed()[0]


def public(view: View) -> View:
    """A route that anybody may call."""
    view.permission = None  # type: ignore[attr-defined]
    return view


def verified_claims() -> Mapping[str, Any] | None:
    """The claims of a well-signed access token on this request, or None; asks no database."""
    if "claims" not in g:
        g.claims = None
        try:
            g.claims = claims_in(request.headers.get("Authorization", ""), current_app.extensions["jwt_keys"])
        except ClinicError as error:
            g.without_claims = error
    claims: Mapping[str, Any] | None = g.claims
    return claims


def names() -> tuple[str, ...]:
    """What the version must be known of to take the session of this request from a copy."""
    claims = verified_claims()
    return () if claims is None else (all_sessions_of(claims["sub"]),)


def _admit(permission: Permission, stages: Pipeline) -> Found:
    """Let in who has a live session and the permission; what the stages looked up."""
    g.actor, found = find_actor(current_app, *_claimed(), stages, g.get("seen"))
    if not g.actor.may(permission):
        raise PermissionDenied
    return found


def find_actor(
    app: Flask, user_id: ObjectId, session_id: ObjectId, stages: Pipeline, seen: Seen | None
) -> tuple[Actor, Found]:
    """Who that is, from a copy where there is one and nothing is to be looked up.

    Raises:
        ClinicError: the session is over.
    """
    actors: Copies[Actor] = app.extensions["actors"]
    known = None if stages else actors.find(session_id, seen)
    if known is not None:  # it goes by the version of its person's sessions, so it is nobody else's
        return known, {}
    find: FindActor = app.extensions["find_actor"]
    actor, until, found = find(user_id, session_id, stages)
    if seen is not None:
        actors.keep(session_id, actor, (all_sessions_of(user_id),), seen, until=until)
    return actor, found


def _claimed() -> tuple[ObjectId, ObjectId]:
    claims = verified_claims()
    if claims is None:
        raise g.without_claims
    return claimed_id(claims["sub"]), claimed_id(claims["sid"])


def claims_in(authorization: str, secrets: Keys) -> Mapping[str, Any]:
    """What a well-signed access token claims; asks no database.

    Raises:
        NoToken, InvalidToken, TokenExpired
    """
    scheme, _, token = authorization.strip().partition(" ")
    if scheme.lower() != "bearer":  # in any case: RFC 9110 section 11.1
        raise NoToken
    try:
        claims = _decoded(token.strip(), secrets)
    except (PyJWTError, ValueError, TypeError) as error:
        raise InvalidToken from error
    if claims["exp"] <= clock.now().timestamp():
        raise TokenExpired
    if claims["type"] != "access":
        raise InvalidToken
    return claims


@lru_cache(_TOKENS_KNOWN)
def _decoded(token: str, secrets: Keys) -> Mapping[str, Any]:
    """What a token claims, once its signature holds; all that can change with time is whether it has expired.

    When it was issued is not asked: by the clock of another host, or before ours stepped back, it may be in the future.
    """
    named = jwt.get_unverified_header(token).get("kid") if len(secrets) > 1 else None
    claims = jwt.decode(
        token,
        keys.chosen(named, secrets),
        algorithms=[ALGORITHM],
        issuer=ISSUER,
        audience=AUDIENCE,
        options={"require": list(_CLAIMS), "verify_exp": False, "verify_iat": False},
    )
    return {**claims, "exp": int(claims["exp"])}


def claimed_id(claim: object) -> ObjectId:
    """Raises InvalidToken when a claim is no id."""
    try:
        return _id(claim)
    except (InvalidId, TypeError) as error:
        raise InvalidToken from error


_id = lru_cache(2 * _TOKENS_KNOWN)(ObjectId)


def _document(view: Any, permission: Permission) -> None:
    roles = sorted(role for role, granted in ROLE_PERMISSIONS.items() if permission in granted)
    told = {"security": [{"bearerAuth": []}], "x-permission": str(permission), "x-roles": roles}
    view.permission = permission
    view._apidoc = {**getattr(view, "_apidoc", {}), "manual_doc": told}  # noqa: SLF001  flask-smorest reads it
