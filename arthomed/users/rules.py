"""What a name and a mobile number may look like, and who may change what about a person."""

import re
import unicodedata

from arthomed.core.actor import Actor
from arthomed.core.permissions import Role

NAME_MIN, NAME_MAX = 2, 100
_MOBILE = re.compile(r"[6-9][0-9]{9}")
_PREFIXES = ("+91", "91", "0", "")
_NATIONAL_LENGTH = 10
_TYPED_APOSTROPHE = "\N{RIGHT SINGLE QUOTATION MARK}"  # what the keyboards of phones write
_NAME_PUNCTUATION = frozenset(" .'-")
_LETTERS_AND_MARKS = ("L", "M")  # Unicode general categories
_JOINERS = frozenset("\u200c\u200d")  # zero-width, how some Indian conjuncts are written
_VIRAMA = 9  # canonical combining class


_LONGEST_TOLD = 4 * NAME_MAX


def normalised_mobile(text: str) -> str | None:
    """Ten digits of an Indian mobile number, with +91, 91, 0, spaces and dashes taken off; else None."""
    digits = re.sub(r"[ -]", "", text)
    for prefix in _PREFIXES:
        rest = digits.removeprefix(prefix)
        if digits.startswith(prefix) and len(rest) == _NATIONAL_LENGTH and _MOBILE.fullmatch(rest):
            return rest
    return None


def normalised_name(text: str) -> str | None:
    """A person's name in any script (NFC, single spaces), or None when it can't be one."""
    if len(text) > _LONGEST_TOLD:  # normalizing takes the square of its length
        return None
    name = unicodedata.normalize("NFC", text).replace(_TYPED_APOSTROPHE, "'")
    name = re.sub(" +", " ", name).strip(" ")
    has_letter = any(unicodedata.category(char)[0] == "L" for char in name)
    allowed = all(
        char in _NAME_PUNCTUATION
        or unicodedata.category(char)[0] in _LETTERS_AND_MARKS
        or (char in _JOINERS and _is_by_a_virama(name, at))
        for at, char in enumerate(name)
    )
    return name if has_letter and allowed and NAME_MIN <= len(name) <= NAME_MAX else None


def _is_by_a_virama(name: str, at: int) -> bool:
    """Where a joiner is part of a letter and not hidden in a name (as RFC 5892 appendix A; Bengali has it before)."""
    return any(unicodedata.combining(char) == _VIRAMA for char in name[max(at - 1, 0) : at + 2])


def placeholder_name(mobile: str) -> str:
    """How a patient is called until a name is given."""
    return f"Patient {mobile[-4:]}"


def may_deactivate(actor: Actor, user_id: object) -> bool:
    """An admin may deactivate anyone but themselves, so that the clinic never locks itself out."""
    return actor.role is Role.ADMIN and actor.user_id != user_id
