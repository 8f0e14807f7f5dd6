"""What people type, in one form: invisible marks, spaces, line breaks, quotes, dashes and digits."""

import re
import unicodedata

_LINE_BREAK = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")  # Word separates lines with U+000B
_SPACE = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
# Hyphenation marks (U+0002 and U+001F are those of PDF and Word), direction marks, zero-width spaces, blank fillers.
# The joiners U+200C and U+200D are not among them: scripts and emoji need them.
_INVISIBLE = re.compile(
    "[\x02\x1f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff"
    "\uffa0\ufff9-\ufffb]"
)
_WORD_BULLET = re.compile("[\uf020-\uf0ff]")  # characters of Word's symbol fonts
_WORD_HYPHEN = "\x1e"
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u2035\u02b9\u02bb\u02bc\u00b4\u0060\uff07", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u2036\uff02", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2043\ufe58\ufe63\uff0d", "-"),
        **dict.fromkeys("\u2044\u2215\uff0f", "/"),
        "\uff0b": "+",
        "\uff0e": ".",
    }
)
_NO_JOINERS = dict.fromkeys((0x200C, 0x200D))
_FORBIDDEN = frozenset({"Cc", "Cs", "Co"})  # Unicode categories: control, surrogate, private use
_LAST_OF_PLANE = 0xFFFE


def normalise(text: str) -> str:
    """NFC without invisible marks, with plain spaces and with line feeds, trimmed.

    Unicode normalization takes quadratic time, so the caller bounds the length first.
    """
    text = _SPACE.sub(" ", _LINE_BREAK.sub("\n", text)).replace(_WORD_HYPHEN, "-")
    text = _WORD_BULLET.sub("\N{BULLET}", _INVISIBLE.sub("", text))
    return unicodedata.normalize("NFC", text).strip()


def one_line(text: str) -> str:
    """As `normalise`, with a space for each line break and tab."""
    return re.sub(r" *[\n\t]\s*", " ", normalise(text))


def plain(text: str) -> str:
    """One line with plain quotes and dashes and with ASCII digits: for names."""
    text = one_line(text).translate(_PLAIN)
    return "".join(str(unicodedata.decimal(char)) if char.isdecimal() else char for char in text)


def plain_number(text: str) -> str:
    """As `plain`, also without the zero-width joiners: for numbers, ids and dates."""
    return plain(text).translate(_NO_JOINERS)


def is_blank(text: str) -> bool:
    """Whether a person sees nothing of a text."""
    return not _INVISIBLE.sub("", text).translate(_NO_JOINERS).strip()


def forbidden_character(text: str) -> str | None:
    """The first character that no text may have, such as a control character; None if there is none.

    Characters that Python's Unicode tables do not know yet are allowed: new emoji come every year.
    """
    return next((char for char in text if char not in "\n\t" and _is_forbidden(char)), None)


def _is_forbidden(char: str) -> bool:
    code = ord(char)
    is_noncharacter = code & _LAST_OF_PLANE == _LAST_OF_PLANE or 0xFDD0 <= code <= 0xFDEF  # noqa: PLR2004  Unicode 23.7
    return is_noncharacter or unicodedata.category(char) in _FORBIDDEN
