"""The words for the status of an appointment."""

from collections.abc import Mapping

from flask_babel import LazyString, lazy_gettext, lazy_pgettext

from arthomed.appointments.rules import Status

STATUSES: Mapping[Status, LazyString] = {
    Status.PENDING: lazy_gettext("To be confirmed"),
    Status.CONFIRMED: lazy_pgettext("state", "Confirmed"),
    Status.REJECTED: lazy_pgettext("state", "Rejected"),
    Status.CANCELLED: lazy_pgettext("state", "Cancelled"),
    Status.IN_PROGRESS: lazy_pgettext("state", "In consultation"),
    Status.COMPLETED: lazy_pgettext("state", "Done"),
    Status.NO_SHOW: lazy_pgettext("state", "No-show"),
}
