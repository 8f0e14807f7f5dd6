"""Messages of the services in the reader's language."""

import re
from collections.abc import Mapping
from functools import cache

from flask_babel import LazyString, gettext, lazy_gettext

from arthomed.core import text
from arthomed.core.errors import Code, FieldError
from arthomed.dashboard.i18n import language
from arthomed.dashboard.service_texts import PLAIN, WITH_VALUES

_OF_CODES: Mapping[str, LazyString] = {
    Code.VALIDATION_ERROR: lazy_gettext("Please check this field."),
    Code.RATE_LIMIT_EXCEEDED: lazy_gettext("Too many requests. Please wait a moment and try again."),
    Code.INVALID_STATUS_TRANSITION: lazy_gettext("This is not possible any more. The list shows the present state."),
    Code.TOO_LATE: lazy_gettext("It is too late for this"),
    Code.SERVICE_UNAVAILABLE: lazy_gettext("The server does not answer right now. Please try again."),
}
"""What is shown for messages that have no translation."""
_FILL_IN = lazy_gettext("Please fill this in.")


def translated(message: str, code: str) -> str:
    """The message of an error, in plain words: the services speak to programmers, too."""
    plain = _plain(message)
    if plain is not None:
        return plain
    if language() == "en":
        return message
    found = str(gettext(message))
    if found != message:
        return found
    return str(_OF_CODES.get(code, lazy_gettext("This did not work. Please try again.")))


def of_field(error: FieldError) -> str:
    """What is wrong with a field; one that is empty has to be filled in."""
    if isinstance(error.value, str) and text.is_blank(error.value):
        return str(_FILL_IN)
    return translated(error.message, Code.VALIDATION_ERROR)


def _plain(message: str) -> str | None:
    if message in PLAIN:
        return str(PLAIN[message])
    for with_values, plain in WITH_VALUES.items():
        if values := _pattern(with_values).fullmatch(message):
            return str(gettext(plain, **values.groupdict()))
    return None


@cache
def _pattern(with_values: str) -> re.Pattern[str]:
    """What a message looks like that has values in it."""
    return re.compile(re.sub(r"%\\\((\w+)\\\)s", r"(?P<\1>.+)", re.escape(with_values)))
