"""Which requests are for the pages of the dashboard: they sign with a cookie, and get pages also for errors."""

from flask import request

PREFIX = "/dashboard"
TOKEN_USE = "dashboard"  # noqa: S105  what it is for
"""The claim `use` of the token in the cookie: it opens pages only, and an access token of the API opens none."""


def is_page() -> bool:
    """Whether this request is for the dashboard."""
    return request.path == PREFIX or request.path.startswith(f"{PREFIX}/")
