"""How long a text is once it is an SMS, and how a name or a sentence is made to fit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import regex
from gsm0338 import Codec

_GSM = Codec()
_MARK = "..."  # the one character for it would turn a whole SMS into UCS-2


class Encoding(StrEnum):
    """3GPP TS 23.038: seven bits for the Latin alphabet of section 6.2.1, UCS-2 for all else."""

    GSM_7 = "GSM-7"
    UCS_2 = "UCS-2"


@dataclass(frozen=True, slots=True)
class Size:
    """`units` are septets or UTF-16 code units; each of the `segments` is paid for."""

    encoding: Encoding
    units: int
    segments: int


_ROOM: Mapping[Encoding, tuple[int, int]] = {Encoding.GSM_7: (160, 153), Encoding.UCS_2: (70, 67)}
"""Units in an SMS that is alone, and in each of those that make up a longer one: a header takes its part there."""


def measure(text: str) -> Size:
    try:
        encoding, widths = Encoding.GSM_7, [len(_GSM.encode(char)[0]) for char in text]
    except UnicodeEncodeError:
        encoding, widths = Encoding.UCS_2, [utf16(char) for char in text]
    alone, joined = _ROOM[encoding]
    return Size(encoding, sum(widths), 1 if sum(widths) <= alone else _segments(widths, joined))


def utf16(text: str) -> int:
    """How many UTF-16 code units a text takes: two for what is outside the basic plane, such as most emoji."""
    return len(text.encode("utf-16-be")) // 2


def short_name(name: str, most: int) -> str:
    """A name of at most `most` UTF-16 code units: initials for what is between title and last name, then for the rest.

    Only a last name that is too long by itself is cut.
    """
    words = name.split()
    for at in [*range(1, len(words) - 1), 0][: len(words) - 1]:
        if utf16(" ".join(words)) <= most:
            break
        initial = f"{_letters(words[at])[0]}."
        if utf16(initial) < utf16(words[at]) and not _is_title(words[at]):
            words[at] = initial
    return clipped(" ".join(words), most)


def clipped(text: str, most: int) -> str:
    """The beginning of a text in at most `most` UTF-16 code units, up to the end of a word where there is one."""
    text = " ".join(text.split())
    if utf16(text) <= most:
        return text
    kept = ""
    for letter in _letters(text):
        if utf16(kept + letter + _MARK) > most:
            break
        kept += letter
    whole_words = kept if text[len(kept)] == " " else kept.rpartition(" ")[0]
    return (whole_words or kept).rstrip(" ,;:-.") + _MARK


def _segments(widths: Sequence[int], room: int) -> int:
    """Neither the two septets of an extension character nor a surrogate pair are torn apart."""
    count = left = 0
    for width in widths:
        if width > left:
            count, left = count + 1, room
        left -= width
    return count


def _letters(text: str) -> list[str]:
    """What people take for one letter: with its marks, joined with others (Unicode UAX 29)."""
    return list(map(str, regex.findall(r"\X", text)))


def _is_title(word: str) -> bool:
    return word.rstrip(".").lower() in {"dr", "prof", "mr", "mrs", "ms"}
