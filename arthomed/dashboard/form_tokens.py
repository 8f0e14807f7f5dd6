"""Signed tokens in the forms that are sent before sign-in, or while the screen is locked."""

from flask import current_app, request
from itsdangerous import BadSignature, URLSafeTimedSerializer

from arthomed.http.auth import ForgedRequest

FIELD = "formToken"
_SALT = "dashboard-form"
_MAX_AGE_SECONDS = 2 * 24 * 3600  # a page may stay open over a night


def new(subject: str = "") -> str:
    """A token for the forms about a subject."""
    return str(_serializer().dumps(subject))


def check(subject: str = "") -> None:
    """Raises ForgedRequest when the form of this request has no valid token for the subject."""
    try:
        found = _serializer().loads(request.form.get(FIELD, ""), max_age=_MAX_AGE_SECONDS)
    except BadSignature as error:
        raise ForgedRequest from error
    if found != subject:
        raise ForgedRequest


def _serializer() -> URLSafeTimedSerializer:
    """The library takes several secrets, the one that signs last."""
    return URLSafeTimedSerializer(list(reversed(current_app.extensions["jwt_keys"]["access"])), salt=_SALT)
