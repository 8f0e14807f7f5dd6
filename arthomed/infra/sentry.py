"""core.faults over Sentry: of which kind an error is and where it came from, never what it quotes.

Import it where SENTRY_DSN is set only. Nothing is left to the SDK's integrations, which look into requests and tasks.
"""

from typing import Any

import sentry_sdk

from arthomed import __version__
from arthomed.core import origin

_TOLD = ("event_id", "timestamp", "platform", "level", "release", "environment", "transaction", "tags", "user")
_TOLD_OF_ERRORS = ("type", "module", "stacktrace")


def start(dsn: str, environment: str) -> None:
    """Send from a thread of this process; after a fork from one of the child's."""
    sentry_sdk.init(
        dsn=dsn,
        environment=environment,
        release=__version__,
        default_integrations=False,
        include_local_variables=False,
        max_breadcrumbs=0,
        before_send=_scrubbed,
    )


def report(error: BaseException, place: str, user_id: str | None) -> None:
    """core.faults.Report."""
    with sentry_sdk.new_scope() as scope:
        scope.set_transaction_name(place)
        scope.set_tag("request_id", origin.current().request_id)
        scope.set_user({"id": user_id} if user_id else None)
        scope.capture_exception(error)


def _scrubbed(event: Any, _hint: Any) -> Any:
    """Let pass what is named here: of errors all but their words."""
    told = {name: event[name] for name in _TOLD if name in event}
    errors = [{name: error.get(name) for name in _TOLD_OF_ERRORS} for error in event["exception"]["values"]]
    return {**told, "exception": {"values": errors}}
