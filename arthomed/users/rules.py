"""Validate names and mobile numbers; decide which actor may deactivate a user."""

import re
import unicodedata

from arthomed.core.actor import Actor
from arthomed.core.permissions import Role

NAME_MIN, NAME_MAX = 2, 100
_MOBILE = re.compile(r"[6-9][0-9]{9}")
_PREFIXES = ("+91", "91", "0", "")
_NATIONAL_LENGTH = 10
_TYPED_APOSTROPHE = "\N{RIGHT SINGLE QUOTATION MARK}"  # phone keyboards type it instead of the plain one
_NAME_PUNCTUATION = frozenset(" .'-")
_LETTERS_AND_MARKS = ("L", "M")  # Unicode general categories
_JOINERS = frozenset("\u200c\u200d")  # zero-width joiners, part of some Indian conjuncts
_VIRAMA = 9  # canonical combining class
_MAX_INPUT_LENGTH = 4 * NAME_MAX  # Unicode normalization takes quadratic time


def normalise_mobile(text: str) -> str | None:
    """Return the ten digits of an Indian mobile number, without prefix, spaces and dashes; None if it is invalid."""
    digits = re.sub(r"[ -]", "", text)
    for prefix in _PREFIXES:
        rest = digits.removeprefix(prefix)
        if digits.startswith(prefix) and len(rest) == _NATIONAL_LENGTH and _MOBILE.fullmatch(rest):
            return rest
    return None


def normalise_name(text: str) -> str | None:
    """Return a name in any script, in NFC and with single spaces; None if it is invalid."""
    if len(text) > _MAX_INPUT_LENGTH:
        return None
    name = unicodedata.normalize("NFC", text).replace(_TYPED_APOSTROPHE, "'")
    name = re.sub(" +", " ", name).strip(" ")
    has_letter = any(unicodedata.category(char)[0] == "L" for char in name)
    allowed = all(
        char in _NAME_PUNCTUATION
        or unicodedata.category(char)[0] in _LETTERS_AND_MARKS
        or (char in _JOINERS and _is_next_to_virama(name, at))
        for at, char in enumerate(name)
    )
    return name if has_letter and allowed and NAME_MIN <= len(name) <= NAME_MAX else None


def _is_next_to_virama(name: str, at: int) -> bool:
    """Whether a joiner is part of a conjunct (RFC 5892 appendix A; in Bengali it precedes the virama)."""
    return any(unicodedata.combining(char) == _VIRAMA for char in name[max(at - 1, 0) : at + 2])


def placeholder_name(mobile: str) -> str:
    """The name of a patient who has not given one."""
    return f"Patient {mobile[-4:]}"


def may_deactivate(actor: Actor, user_id: object) -> bool:
    """An admin may deactivate every user but themselves, so that the clinic never locks itself out."""
    return actor.role is Role.ADMIN and actor.user_id != user_id
