"""The words and keys of the day."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask_babel import LazyString, lazy_gettext, lazy_pgettext

from arthomed.appointments.stages import Stage
from arthomed.frontdesk.service.steps import Action


@dataclass(frozen=True, slots=True)
class ActionText:
    """A button: its verb, its key, and what is said when it is done. `asks` opens a dialog first."""

    label: LazyString
    key: str
    done: LazyString
    asks: bool = False


ACTIONS: Mapping[Action, ActionText] = {
    Action.CONFIRM: ActionText(lazy_pgettext("button", "Confirm"), "O", lazy_pgettext("state", "Confirmed")),
    Action.ARRIVE: ActionText(lazy_pgettext("button", "Arrived"), "A", lazy_pgettext("state", "Waiting")),
    Action.CALL: ActionText(lazy_pgettext("button", "Call"), "C", lazy_pgettext("state", "Called")),
    Action.SKIP: ActionText(lazy_pgettext("button", "Skip"), "K", lazy_pgettext("state", "Skipped")),
    Action.RECALL: ActionText(lazy_pgettext("button", "Recall"), "R", lazy_pgettext("state", "Waiting")),
    Action.START: ActionText(lazy_pgettext("button", "Start"), "S", lazy_pgettext("state", "In consultation")),
    Action.DONE: ActionText(lazy_pgettext("button", "Done"), "D", lazy_pgettext("state", "Done"), asks=True),
    Action.NO_SHOW: ActionText(lazy_pgettext("button", "No-show"), "W", lazy_pgettext("state", "No-show")),
    Action.UNDO: ActionText(lazy_pgettext("button", "Undo"), "U", lazy_pgettext("state", "Undone")),
    Action.CANCEL: ActionText(lazy_pgettext("button", "Cancel"), "X", lazy_pgettext("state", "Cancelled"), asks=True),
}
STAGES: Mapping[Stage, LazyString] = {
    Stage.IN_PROGRESS: lazy_pgettext("state", "In consultation"),
    Stage.CALLED: lazy_pgettext("state", "Called"),
    Stage.WAITING: lazy_pgettext("state", "Waiting"),
    Stage.SKIPPED: lazy_pgettext("state", "Skipped"),
    Stage.EXPECTED: lazy_pgettext("state", "Expected"),
    Stage.DONE: lazy_pgettext("state", "Done"),
    Stage.NO_SHOW: lazy_pgettext("state", "No-show"),
    Stage.CANCELLED: lazy_pgettext("state", "Cancelled"),
}
USUAL = frozenset(
    {
        (Stage.EXPECTED, Action.CONFIRM),
        (Stage.EXPECTED, Action.ARRIVE),
        (Stage.WAITING, Action.CALL),
        (Stage.SKIPPED, Action.RECALL),
        (Stage.CALLED, Action.START),
        (Stage.IN_PROGRESS, Action.DONE),
    }
)
"""What usually comes next, which stands out."""
ENDED = frozenset({Stage.IN_PROGRESS, Stage.DONE, Stage.NO_SHOW, Stage.CANCELLED})
"""When it does not matter any more whether the patient got the message."""
MESSAGES: Mapping[str, LazyString] = {
    "delivered": lazy_gettext("Message delivered"),
    "sent": lazy_gettext("Message sent"),
    "waiting": lazy_gettext("Message on its way"),
    "failed": lazy_gettext("Message failed"),
    "expired": lazy_gettext("Message not sent in time"),
}
GENDERS: Mapping[str, LazyString] = {
    "male": lazy_gettext("male"),
    "female": lazy_gettext("female"),
    "other": lazy_pgettext("sex", "other"),
}
PRIORITIES: Mapping[str, LazyString] = {
    "emergency": lazy_gettext("Emergency"),
    "elderly": lazy_gettext("Elderly"),
    "pregnant": lazy_gettext("Pregnant"),
    "disabled": lazy_gettext("Disabled"),
}
