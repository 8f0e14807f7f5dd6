"""The length of an SMS in segments, and the shortening of names and sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import regex
from gsm0338 import Codec

_GSM = Codec()
_ELLIPSIS = "..."  # the single character for it would turn the whole SMS into UCS-2


class Encoding(StrEnum):
    """3GPP TS 23.038: seven bits for the Latin alphabet of section 6.2.1, UCS-2 for all else."""

    GSM_7 = "GSM-7"
    UCS_2 = "UCS-2"


@dataclass(frozen=True, slots=True)
class Size:
    """`units` are septets (GSM-7) or UTF-16 code units (UCS-2); the carrier bills each segment."""

    encoding: Encoding
    units: int
    segments: int


_UNITS_PER_SEGMENT: Mapping[Encoding, tuple[int, int]] = {Encoding.GSM_7: (160, 153), Encoding.UCS_2: (70, 67)}
"""Units in a single SMS, and in each segment of a concatenated one, whose header takes the difference."""


def measure(text: str) -> Size:
    try:
        encoding, widths = Encoding.GSM_7, [len(_GSM.encode(char)[0]) for char in text]
    except UnicodeEncodeError:
        encoding, widths = Encoding.UCS_2, [utf16_length(char) for char in text]
    single, concatenated = _UNITS_PER_SEGMENT[encoding]
    return Size(encoding, sum(widths), 1 if sum(widths) <= single else _count_segments(widths, concatenated))


def utf16_length(text: str) -> int:
    """The number of UTF-16 code units: two for characters outside the basic plane, such as most emoji."""
    return len(text.encode("utf-16-be")) // 2


def shorten_name(name: str, max_length: int) -> str:
    """Shorten a name to `max_length` UTF-16 code units: first the middle names become initials, then the first name.

    A title stays. The last name is truncated only when it alone is too long.
    """
    words = name.split()
    for at in [*range(1, len(words) - 1), 0][: len(words) - 1]:
        if utf16_length(" ".join(words)) <= max_length:
            break
        initial = f"{_graphemes(words[at])[0]}."
        if utf16_length(initial) < utf16_length(words[at]) and not _is_title(words[at]):
            words[at] = initial
    return truncate(" ".join(words), max_length)


def truncate(text: str, max_length: int) -> str:
    """Cut a text to `max_length` UTF-16 code units, at the end of a word when there is one."""
    text = " ".join(text.split())
    if utf16_length(text) <= max_length:
        return text
    kept = ""
    for grapheme in _graphemes(text):
        if utf16_length(kept + grapheme + _ELLIPSIS) > max_length:
            break
        kept += grapheme
    whole_words = kept if text[len(kept)] == " " else kept.rpartition(" ")[0]
    return (whole_words or kept).rstrip(" ,;:-.") + _ELLIPSIS


def _count_segments(widths: Sequence[int], units_per_segment: int) -> int:
    """Count segments without splitting the two septets of an extension character, or a surrogate pair."""
    count = left = 0
    for width in widths:
        if width > left:
            count, left = count + 1, units_per_segment
        left -= width
    return count


def _graphemes(text: str) -> list[str]:
    """Split into extended grapheme clusters (Unicode UAX 29)."""
    return list(map(str, regex.findall(r"\X", text)))


def _is_title(word: str) -> bool:
    return word.rstrip(".").lower() in {"dr", "prof", "mr", "mrs", "ms"}
