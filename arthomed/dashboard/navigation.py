"""The links to the screens, in their order."""

from dataclasses import dataclass

from flask import request
from flask_babel import LazyString, lazy_gettext

from arthomed.core.permissions import Permission
from arthomed.http.auth import current_actor


@dataclass(frozen=True, slots=True)
class Entry:
    """A link that those see who have the permission; `key` is its key, `endpoint` the view of the screen.

    A panel opens over the present screen.
    """

    endpoint: str
    label: LazyString
    key: str
    permission: Permission
    is_panel: bool = False

    @property
    def is_current(self) -> bool:
        return request.endpoint == self.endpoint


_ENTRIES = (
    Entry("dashboard_day.show", lazy_gettext("Day"), "T", Permission.QUEUE),
    Entry("dashboard_requests.show", lazy_gettext("Requests"), "Q", Permission.APPOINTMENT_LIST_PENDING),
    Entry(
        "dashboard_booking.show",
        lazy_gettext("New appointment"),
        "N",
        Permission.APPOINTMENT_BOOK_FOR_PATIENT,
        is_panel=True,
    ),
    Entry("dashboard_my_day.show", lazy_gettext("My day"), "Y", Permission.MY_DAY),
)


def entries() -> list[Entry]:
    """The links for the actor of this request."""
    actor = current_actor()
    return [entry for entry in _ENTRIES if actor.may(entry.permission)]
