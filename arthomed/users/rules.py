"""Normalise names, phone numbers and dates as people type them; decide which actor may deactivate a user."""

import re
import unicodedata
from datetime import date

from arthomed.core import text
from arthomed.core.actor import Actor
from arthomed.core.permissions import Role

GENDERS = ("male", "female", "other")
NAME_MIN, NAME_MAX = 1, 100
NAME_LENGTH_ERROR = f"Name must be between {NAME_MIN} and {NAME_MAX} characters"
_MAX_INPUT_LENGTH = 4 * NAME_MAX  # Unicode normalization takes quadratic time
_NAME_PUNCTUATION = frozenset(" .'-/")
_NAME_MARKS = re.compile("[\ufe00-\ufe0f\U000e0000-\U000e0fff]")  # invisible: variation selectors and tags
_LETTERS_AND_MARKS = ("L", "M")  # Unicode general categories
_JOINERS = frozenset("\u200c\u200d")  # zero-width joiners, part of some Indian conjuncts and of Persian and Urdu words
_VIRAMA = 9  # canonical combining class
_ARABIC = "AL"  # Unicode bidirectional class of Arabic letters

_NUMBER_PUNCTUATION = re.compile(r"[ ().-]")
_MOBILE = re.compile(r"(?:(?:\+|00)?91)?0?([6-9][0-9]{9})")
_PREFIXES = ("0091", "91", "0")
_NATIONAL_LENGTH = 10
_LANDLINE = re.compile(r"\A0([1-9][0-9]{9})\Z")  # with its area code
_INTERNATIONAL = re.compile(r"\+(?:91[1-9][0-9]{9}|(?!91)[1-9][0-9]{6,14})")  # E.164

LOCAL_DOMAINS = frozenset({"local", "localhost", "localdomain", "internal", "lan", "invalid"})
"""Top-level domains that no mail from the internet reaches."""

_FIRST_DAY = date(1900, 1, 1)
MAX_AGE = 120
AGE_ERROR = f"Please enter the age in years, from 1 to {MAX_AGE}; for a baby the date of birth."


def normalise_mobile(typed: str) -> str | None:
    """Return the ten digits of an Indian mobile number, without prefix and punctuation; None if it is invalid."""
    found = _MOBILE.fullmatch(_digits(typed))
    return found and found[1]


def mobile_error(typed: str) -> str:
    """What is wrong with an invalid mobile number."""
    national = _without_prefix(_digits(typed).removeprefix("+"))
    if len(national) == _NATIONAL_LENGTH:
        return "Please enter a valid Indian mobile number"
    return f"Mobile number must be exactly {_NATIONAL_LENGTH} digits"


def normalise_phone(typed: str) -> str | None:
    """Return an Indian mobile number as ten digits, any other phone number as in E.164; None if it is invalid."""
    mobile, number = normalise_mobile(typed), _digits(typed.replace("(0)", ""))
    if mobile is not None:
        return mobile
    number = f"+{number.removeprefix('00')}" if number.startswith("00") else _LANDLINE.sub(r"+91\1", number)
    return number if _INTERNATIONAL.fullmatch(number) else None


def digits_of(typed: str) -> str:
    """The digits of a number or of a part of one; empty if a text is not a part of a number."""
    digits = _digits(typed).removeprefix("+")
    return digits if digits.isascii() and digits.isdigit() else ""


def number_starts(typed: str) -> list[str]:
    """The first digits of stored mobile numbers that a person may mean, with and without a prefix."""
    mobile = normalise_mobile(typed)
    if mobile is not None:
        return [mobile]
    digits = digits_of(typed)
    starts = [digits.removeprefix(prefix) for prefix in _PREFIXES if digits.startswith(prefix) and digits != prefix]
    return [digits, *starts]


def _digits(typed: str) -> str:
    return typed if len(typed) > _MAX_INPUT_LENGTH else _NUMBER_PUNCTUATION.sub("", text.plain_number(typed))


def _without_prefix(digits: str) -> str:
    for prefix in _PREFIXES:
        if digits.startswith(prefix) and len(digits) > _NATIONAL_LENGTH:
            digits = digits.removeprefix(prefix)
    return digits


def normalise_name(typed: str) -> str | None:
    """Return a name in any script as `plain_name` writes it; None if it is invalid."""
    return None if name_error(typed) else plain_name(typed)


def plain_name(typed: str) -> str:
    """Write a name in NFC, with plain punctuation and single spaces, and with the joiners that its script needs."""
    if len(typed) > _MAX_INPUT_LENGTH:
        return typed
    name = _NAME_MARKS.sub("", text.plain(typed))
    kept = "".join(char for at, char in enumerate(name) if char not in _JOINERS or _is_joiner_needed(name, at))
    return re.sub(" +", " ", unicodedata.normalize("NFC", kept)).strip()


def name_error(typed: str) -> str | None:
    """What is wrong with a name; None if it is valid."""
    name = plain_name(typed)
    if not NAME_MIN <= len(name) <= NAME_MAX:
        return NAME_LENGTH_ERROR
    has_letter = any(unicodedata.category(char)[0] == "L" for char in name)
    if has_letter and all(_is_allowed_in_name(char) for char in name):
        return None
    return "Name can only contain letters, spaces, full stops, apostrophes, hyphens and slashes"


def _is_allowed_in_name(char: str) -> bool:
    return char in _NAME_PUNCTUATION | _JOINERS or unicodedata.category(char)[0] in _LETTERS_AND_MARKS


def _is_joiner_needed(name: str, at: int) -> bool:
    """Whether a joiner is part of a conjunct or between Arabic letters (RFC 5892 appendix A)."""
    neighbours = name[max(at - 1, 0) : at] + name[at + 1 : at + 2]
    is_arabic = [unicodedata.bidirectional(char) for char in neighbours] == [_ARABIC, _ARABIC]
    return is_arabic or _is_next_to_virama(name, at)


def date_error(day: date, today: date) -> str | None:
    """What is wrong with a date of birth or of a diagnosis; None if it is possible."""
    return None if _FIRST_DAY <= day <= today else f"Must be a date from {_FIRST_DAY} until today"


def born_for_age(years: int, today: date) -> date:
    """The date of birth that stands for an age: 1 January, so that the age is right until the end of the year."""
    return date(today.year - years, 1, 1)


def _is_next_to_virama(name: str, at: int) -> bool:
    """Whether a joiner is part of a conjunct; in Bengali it precedes the virama."""
    return any(unicodedata.combining(char) == _VIRAMA for char in name[max(at - 1, 0) : at + 2])


def placeholder_name(mobile: str) -> str:
    """The name of a patient who has not given one."""
    return f"Patient {mobile[-4:]}"


def may_deactivate(actor: Actor, user_id: object) -> bool:
    """An admin may deactivate every user but themselves, so that the clinic never locks itself out."""
    return actor.role is Role.ADMIN and actor.user_id != user_id
