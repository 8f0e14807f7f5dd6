"""Messages of the services in the reader's language."""

import re
from collections.abc import Mapping
from functools import cache

from flask_babel import LazyString, gettext, lazy_gettext

from arthomed.core.errors import Code
from arthomed.dashboard import service_texts
from arthomed.dashboard.i18n import language

_OF_CODES: Mapping[str, LazyString] = {
    Code.VALIDATION_ERROR: lazy_gettext("Please check this field."),
    Code.RATE_LIMIT_EXCEEDED: lazy_gettext("Too many requests. Please wait a moment and try again."),
    Code.INVALID_STATUS_TRANSITION: lazy_gettext("This is not possible any more. The list shows the present state."),
    Code.TOO_LATE: lazy_gettext("It is too late for this"),
    Code.SERVICE_UNAVAILABLE: lazy_gettext("The server does not answer right now. Please try again."),
}
"""What is shown for messages that have no translation, such as those that hold a number."""


def translated(message: str, code: str) -> str:
    """The message of an error; English is what the services say."""
    if language() == "en":
        return message
    found = str(gettext(message))
    if found != message:
        return found
    for text in service_texts.WITH_VALUES:
        if values := _pattern(text).fullmatch(message):
            return str(gettext(text, **values.groupdict()))
    return str(_OF_CODES.get(code, lazy_gettext("This did not work. Please try again.")))


@cache
def _pattern(text: str) -> re.Pattern[str]:
    """What a message looks like that has values in it."""
    return re.compile(re.sub(r"%\\\((\w+)\\\)s", r"(?P<\1>.+)", re.escape(text)))
