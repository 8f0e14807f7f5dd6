"""Parts of pages that stay up to date: rendered with a version, polled, and answered with 204 while it is the same."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from hashlib import sha256
from typing import Any, TypeVar

from flask import Response, render_template
from markupsafe import Markup

from arthomed.core import cache as core_cache
from arthomed.core import clock
from arthomed.core.errors import NotFound
from arthomed.dashboard.i18n import language
from arthomed.http import cache, errors

View = TypeVar("View", bound=Callable[..., Any])

_VERSION_LETTERS = 16
_MINUTE = timedelta(minutes=1)
_FIRST_FOCUS = " autofocus"  # of a page, and after an action; a poll draws the same without it


def polled(view: View) -> View:
    """A view that polls a part; place it below `requires_page`. What the part depends on, the service declares.

    When the reader may not see it any more, the browser loads the page again.
    """
    cached = cache.cached_part(language)(view)

    @wraps(cached)
    def polled_view(*args: Any, **kwargs: Any) -> Response:
        try:
            found: Response = cached(*args, **kwargs)
        except NotFound as error:
            found = errors.respond_to(error)
            found.headers["HX-Refresh"] = "true"
        return found

    return polled_view  # type: ignore[return-value]


def this_minute() -> datetime:
    """Now in whole minutes, for what shows minutes or what is possible now; it is drawn again in the next one.

    Within a minute all processes draw the same, so that its version is the same.
    """
    minute = clock.now().replace(second=0, microsecond=0)
    core_cache.valid_until(minute + _MINUTE)
    return minute


def part(template: str, **context: Any) -> Markup:
    """A part from a template; `url` and `filters` are its request for a newer version, `place` is where it is."""
    return _part(template, **context)[0]


def response(template: str, **context: Any) -> Response:
    """A part as the answer to a poll, or after an action."""
    rendered, version = _part(template, **context)
    return Response(rendered, headers={cache.VERSION_HEADER: version})


def _part(
    template: str, *, url: str, filters: dict[str, str], place: str = "#live", **context: Any
) -> tuple[Markup, str]:
    inner = Markup(render_template(template, filters=filters, **context))  # noqa: S704  a template escapes
    version = sha256(inner.replace(_FIRST_FOCUS, "").encode()).hexdigest()[:_VERSION_LETTERS]
    look = {"inner": inner, "version": version, "url": url, "filters": filters, "place": place}
    return Markup(render_template("dashboard/_part.html", **look)), version  # noqa: S704  a template escapes
