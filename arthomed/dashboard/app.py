"""Puts the dashboard into the web application."""

from flask import Flask, Response, current_app, request

from arthomed.config import Settings
from arthomed.dashboard import appointment_texts, assets, form_tokens, i18n, lock, navigation, page, problems
from arthomed.dashboard.routes import (
    appointment,
    booking,
    day,
    documents,
    files,
    moving,
    my_day,
    payments,
    preferences,
    requests,
    sign_in,
)
from arthomed.dashboard.routes import lock as lock_routes
from arthomed.http import errors, pages
from arthomed.http.auth import ForgedRequest

_BLUEPRINTS = (
    files.blueprint,
    sign_in.blueprint,
    preferences.blueprint,
    lock_routes.blueprint,
    day.blueprint,
    requests.blueprint,
    booking.blueprint,
    appointment.blueprint,
    documents.blueprint,
    payments.blueprint,
    my_day.blueprint,
    moving.blueprint,
)
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


def register(app: Flask, settings: Settings) -> None:
    i18n.register(app, settings)
    lock.register(app, settings)
    app.jinja_env.globals.update(
        asset=assets.url,
        clinic_name=page.clinic_name,
        csrf_token=page.csrf_token,
        htmx_config=page.HTMX_CONFIG,
        languages=i18n.LANGUAGES,
        lock_seconds=page.lock_seconds,
        navigation=navigation.entries,
        new_form_token=form_tokens.new,
        roles=appointment_texts.ROLES,
        shortcuts=page.shortcuts,
        signed_in_user=page.user,
    )
    app.config["DASHBOARD_ORIGIN"] = settings.public_url
    app.before_request(_refuse_other_origins)
    app.after_request(_add_policy)
    errors.render_pages(app, problems.render)
    for blueprint in _BLUEPRINTS:
        app.register_blueprint(blueprint)


def _refuse_other_origins() -> None:
    """Browsers name the origin of the page that sends a form: it must be this one, by the request or by PUBLIC_URL."""
    if pages.is_page() and request.method not in _READS:
        own = {request.host_url.removesuffix("/"), current_app.config["DASHBOARD_ORIGIN"]}
        if request.headers.get("Origin", "") not in own:
            raise ForgedRequest


def _add_policy(response: Response) -> Response:
    if pages.is_page():
        response.headers.setdefault("Content-Security-Policy", _CONTENT_SECURITY_POLICY)  # files have a stricter one
    return response
