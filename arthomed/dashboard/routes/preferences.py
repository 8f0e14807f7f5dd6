"""What a browser remembers: the language, and whether single keys are shortcuts."""

from flask import Response, current_app, request

from arthomed.core.errors import ValidationFailed
from arthomed.dashboard import form_tokens, i18n, page
from arthomed.dashboard.blueprint import Pages
from arthomed.http.auth import public
from arthomed.http.limits import limit_sign_in

_YEAR_SECONDS = 365 * 24 * 3600
_CHOICES = {i18n.COOKIE: frozenset(i18n.LANGUAGES), page.KEYS_COOKIE: frozenset({"on", "off"})}

blueprint = Pages("preferences", __name__)


@blueprint.post("/preferences")
@limit_sign_in
@public
def store() -> Response:
    """Store choices in cookies, which hold nothing about anybody, and load the page again."""
    form_tokens.check()
    response = Response(status=204, headers={"HX-Refresh": "true"})
    for name, choices in _CHOICES.items():
        chosen = request.form.get(name)
        if chosen is None:
            continue
        if chosen not in choices:
            raise ValidationFailed.of(name, "Please check this field.")
        response.set_cookie(
            name,
            chosen,
            max_age=_YEAR_SECONDS,
            path="/dashboard",
            secure=current_app.config["JWT_COOKIE_SECURE"],
            httponly=True,
            samesite="Strict",
        )
    return response
