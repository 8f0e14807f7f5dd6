"""Languages and formats of the pages, with Flask-Babel."""

from collections.abc import Mapping
from datetime import date, datetime

from flask import Flask, has_request_context, request
from flask_babel import Babel, format_currency, format_date, format_datetime, format_decimal, format_time

from arthomed.config import Settings

LANGUAGES: Mapping[str, str] = {"en": "English", "hi": "हिन्दी", "mr": "मराठी"}
"""The languages of the pages, each by its own name."""
COOKIE = "arthomed_language"
_KILO = 1000
_RUPEES = "¤#,##,##0"


def register(app: Flask, settings: Settings) -> None:
    Babel(
        app,
        default_locale="en",
        default_translation_directories="dashboard/translations",
        default_timezone=str(settings.policy.timezone),
        locale_selector=language,
    )
    app.jinja_env.filters.update(day=_day, full_day=_full_day, long_day=_long_day, weekday=weekday)
    app.jinja_env.filters.update(day_and_time=day_and_time, clock_time=clock_time, rupees=rupees, file_size=_file_size)
    app.jinja_env.globals.update(language=language)


def language() -> str:
    """The language that was chosen, else the best of those that the browser names."""
    if not has_request_context():
        return "en"
    chosen = request.cookies.get(COOKIE, "")
    return chosen if chosen in LANGUAGES else request.accept_languages.best_match(LANGUAGES, "en")


def _day(day: date) -> str:
    return str(format_date(day, "d MMM", rebase=False))


def _full_day(day: date) -> str:
    return str(format_date(day, "d MMM y", rebase=False))


def _long_day(day: date) -> str:
    return str(format_date(day, "EEEE, d MMMM", rebase=False))


def weekday(day: date) -> str:
    """A date with its day of the week, short."""
    return str(format_date(day, "EEE, d MMM", rebase=False))


def day_and_time(instant: datetime) -> str:
    """An instant at the clinic."""
    return str(format_datetime(instant, "d MMM, HH:mm"))


def clock_time(instant: datetime) -> str:
    """The time of day at the clinic, as the appointments have it."""
    return str(format_time(instant, "HH:mm"))


def _file_size(size: int) -> str:
    """Of bytes; a file is shown as at least one KB."""
    kilobytes = max(round(size / _KILO), 1)
    return f"{format_decimal(kilobytes)} KB" if kilobytes < _KILO else f"{format_decimal(round(size / _KILO**2, 1))} MB"


def rupees(amount: int) -> str:
    """Whole rupees, grouped as in India: 1,00,000."""
    return str(format_currency(amount, "INR", format=_RUPEES, currency_digits=False, format_type="standard"))
