"""Reports unexpected errors to an error tracker; infra/sentry.py is the one for Sentry."""

from collections.abc import Callable

Reporter = Callable[[BaseException, str, str | None], None]
"""Takes the error, the route or task that raised it, and the id of the signed-in user. It must not block."""


_reporter: Reporter | None = None


def use(reporter: Reporter | None) -> None:
    """Set the reporter of this process; None reports nothing."""
    global _reporter  # noqa: PLW0603  arthomed.app sets it once per process
    _reporter = reporter


def report(error: BaseException, place: str, *, user_id: str | None = None) -> None:
    if _reporter:
        _reporter(error, place, user_id)
