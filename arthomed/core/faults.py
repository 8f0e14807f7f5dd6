"""Faults of the program itself, told to whoever asked for them; infra/sentry.py carries them on."""

from collections.abc import Callable

Report = Callable[[BaseException, str, str | None], None]
"""Takes the error, the route or the job that it came from, and the id of the user who asked. It must not block."""


def nobody(error: BaseException, place: str, user_id: str | None) -> None:
    """Tell nobody."""


_report: Report = nobody


def use(report: Report) -> None:
    global _report  # noqa: PLW0603  one a process, set where the parts are put together
    _report = report


def report(error: BaseException, place: str, *, user_id: str | None = None) -> None:
    _report(error, place, user_id)
