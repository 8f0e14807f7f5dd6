"""Parts of pages that stay up to date: rendered with a version, polled, and answered with 204 while it is the same."""

from hashlib import sha256
from typing import Any

from flask import Response, render_template
from markupsafe import Markup

from arthomed.dashboard.i18n import language
from arthomed.http import cache

_VERSION_LETTERS = 16

polled = cache.cached_part(language)
"""A view that polls a part; place it below `requires_page`. What the part depends on, the service declares."""


def part(template: str, *, url: str, filters: dict[str, str], **context: Any) -> Markup:
    """A part from a template; `url` and `filters` are its request for a newer version."""
    return _part(template, url, filters, context)[0]


def response(template: str, *, url: str, filters: dict[str, str], **context: Any) -> Response:
    """A part as the answer to a poll, or after an action."""
    rendered, version = _part(template, url, filters, context)
    return Response(rendered, headers={cache.VERSION_HEADER: version})


def _part(template: str, url: str, filters: dict[str, str], context: dict[str, Any]) -> tuple[Markup, str]:
    inner = Markup(render_template(template, filters=filters, **context))  # noqa: S704  a template escapes
    version = sha256(inner.encode()).hexdigest()[:_VERSION_LETTERS]
    outer = render_template("dashboard/_part.html", inner=inner, version=version, url=url, filters=filters)
    return Markup(outer), version  # noqa: S704  a template escapes
