"""Sends core.error_reporting to Sentry: the type of an error and where it was raised, but never its message.

Import this module only where SENTRY_DSN is set. The SDK's integrations stay off, because they read requests and tasks.
"""

from typing import Any

import sentry_sdk

from arthomed import __version__
from arthomed.core import origin

_EVENT_FIELDS = ("event_id", "timestamp", "platform", "level", "release", "environment", "transaction", "tags", "user")
_ERROR_FIELDS = ("type", "module", "stacktrace")


def start(dsn: str, environment: str) -> None:
    """Start the SDK, which sends events from a thread of its own; a forked process starts its own thread."""
    sentry_sdk.init(
        dsn=dsn,
        environment=environment,
        release=__version__,
        default_integrations=False,
        include_local_variables=False,
        max_breadcrumbs=0,
        before_send=_scrub,
    )


def report(error: BaseException, place: str, user_id: str | None) -> None:
    """The core.error_reporting.Reporter of Sentry."""
    with sentry_sdk.new_scope() as scope:
        scope.set_transaction_name(place)
        scope.set_tag("request_id", origin.current().request_id)
        scope.set_user({"id": user_id} if user_id else None)
        scope.capture_exception(error)


def _scrub(event: Any, _hint: Any) -> Any:
    """Keep only the fields listed above; the message of an error is not among them, for it may quote personal data."""
    kept = {name: event[name] for name in _EVENT_FIELDS if name in event}
    errors = [{name: error.get(name) for name in _ERROR_FIELDS} for error in event["exception"]["values"]]
    return {**kept, "exception": {"values": errors}}
