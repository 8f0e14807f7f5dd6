"""Messages of the services in the reader's language."""

from collections.abc import Mapping

from flask_babel import LazyString, gettext, lazy_gettext

from arthomed.core.errors import Code
from arthomed.dashboard.i18n import language

_OF_CODES: Mapping[str, LazyString] = {
    Code.VALIDATION_ERROR: lazy_gettext("Please check this field."),
    Code.RATE_LIMIT_EXCEEDED: lazy_gettext("Too many requests. Please wait a moment and try again."),
    Code.INVALID_STATUS_TRANSITION: lazy_gettext("This is not possible any more. The list shows the present state."),
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
    return str(_OF_CODES.get(code, lazy_gettext("This did not work. Please try again.")))
