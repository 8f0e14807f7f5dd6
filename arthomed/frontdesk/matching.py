"""Whether a patient of the day is who somebody looks for: by name, last digits of the number, or token; pure."""

import re
from collections.abc import Sequence

from arthomed.core import text
from arthomed.users import search

_TOKEN = re.compile(r"(?P<sign>#|token)? ?(?P<number>[0-9]{1,3})", re.IGNORECASE)
_MIN_LAST_DIGITS = 3


def matches(typed: str, *, names: Sequence[str], mobile: str, token: int | None) -> bool:
    """Up to three digits are a token, three or more the last of a number; anything else begins words of a name."""
    found = _TOKEN.fullmatch(text.plain_number(typed))
    if found:
        number = found["number"]
        is_end = not found["sign"] and len(number) >= _MIN_LAST_DIGITS and mobile.endswith(number)
        return is_end or token == int(number)
    ways = search.by_last_digits(typed) or search.by_name(typed)
    return any(
        _matches(way, search.keys_of(name, mobile, None), search.words_of(name)) for way in ways for name in names
    )


def _matches(way: search.Prefixes, keys: Sequence[str], words: Sequence[str]) -> bool:
    has_key = any(key.startswith(way.key) for key in keys)
    return has_key and all(any(word.startswith(other) for word in words) for other in way.words)
