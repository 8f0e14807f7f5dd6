"""What people are searched by: keys of their name, number and e-mail address, and prefixes that find them; pure.

Each rest of a name is a key ("ashaverma", "verma"), so it does not matter how its words are typed apart; and for each
pair of words the start of one before the other ("as verma", "ve ashaverma"). So two words are one range of the index,
where "kumar" alone would be thousands of people.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher
from itertools import permutations
from unicodedata import normalize

import regex

from arthomed.users import rules

MIN_LETTERS, MIN_DIGITS = 2, 4
_MAX_WORDS = 8  # of a name; more are not searched for
_PAIR_START = 2
_LAST_DIGITS, _FIRST_DIGITS, _EMAIL, _FAMILY = (
    "-",
    "+",
    "@",
    "*",
)  # what a key of this kind begins with; a name has only letters
_SAME_LAST_DIGITS, _SIMILAR = 4, 0.75
_LETTERS = regex.compile(r"[\p{L}\p{M}]+")
_IGNORED = regex.compile(r"[\u0300-\u036f\u200c\u200d\p{ccc=7}]")  # accents, joiners, nuktas


@dataclass(frozen=True, slots=True)
class Prefixes:
    """One way to match: a key begins with `key`, and for each of `words` a word of the name begins with it."""

    key: str
    words: Sequence[str] = ()


def words_of(name: str) -> list[str]:
    """Each word of a name together with the words behind it, in one spelling."""
    words = _LETTERS.findall(_fold(name))[:_MAX_WORDS]
    return ["".join(words[at:]) for at in range(len(words))]


def keys_of(name: str, mobile: str, email: str | None) -> list[str]:
    """The keys of a person."""
    numbers = [_LAST_DIGITS + mobile[::-1], _FIRST_DIGITS + mobile]
    return list(dict.fromkeys([*_name_keys(name), *numbers, *([_EMAIL + email.casefold()] if email else [])]))


def family_keys_of(names: Sequence[str]) -> list[str]:
    """The keys by which only the desk finds a person: those of the names of the family."""
    return list(dict.fromkeys(_FAMILY + key for name in names for key in _name_keys(name)))


def family_words_of(names: Sequence[str]) -> list[str]:
    """As `words_of`, for the names of the family."""
    return [_FAMILY + word for name in names for word in words_of(name)]


def _name_keys(name: str) -> list[str]:
    words = words_of(name)
    return [*words, *(f"{first[:_PAIR_START]} {second}" for first, second in permutations(words, 2))]


def by_name(typed: str) -> list[Prefixes]:
    """Find a name by the beginnings of its words in any order, or typed in one piece; empty without a letter."""
    words = sorted(dict.fromkeys(_typed_words(typed)), key=len, reverse=True)[:_MAX_WORDS]
    if not words:
        return []
    longest, *others = words
    if not others:
        return [Prefixes(longest)]
    start = others[0][:_PAIR_START]
    key = f"{start} {longest}" if len(start) == _PAIR_START else longest
    return [Prefixes(key, others), Prefixes("".join(_typed_words(typed)))]


def by_last_digits(typed: str) -> list[Prefixes]:
    """Find a number by its last digits, or as written; empty for fewer than four digits."""
    digits = rules.normalise_mobile(typed) or rules.digits_of(typed)
    return [Prefixes(_LAST_DIGITS + digits[::-1])] if len(digits) >= MIN_DIGITS else []


def of_patient(typed: str, *, with_families: bool) -> list[Prefixes]:
    """Find patients by name or number, and by a name of the family; empty for less than two letters or four digits."""
    if rules.digits_of(typed):
        return by_last_digits(typed)
    found = by_name(typed) if len("".join(_typed_words(typed))) >= MIN_LETTERS else []
    return [*found, *(_of_family(one) for one in found)] if with_families else found


def _of_family(name: Prefixes) -> Prefixes:
    return Prefixes(_FAMILY + name.key, [_FAMILY + word for word in name.words])


def of_user(typed: str) -> list[Prefixes]:
    """Find users by name, by the first or the last digits of their number, or by the beginning of their address."""
    if rules.digits_of(typed):
        return [*by_last_digits(typed), *(Prefixes(_FIRST_DIGITS + one) for one in rules.number_starts(typed))]
    address = [] if " " in typed else [Prefixes(_EMAIL + typed.casefold())]
    return address if "@" in typed else [*by_name(typed), *address]


@dataclass(frozen=True, slots=True)
class Person:
    """What two records are compared by."""

    name: str
    mobile: str
    date_of_birth: datetime | None


def may_be_same(one: Person, other: Person) -> bool:
    """Whether two records may be of one person: same name and date of birth, or similar name and same last digits."""
    name, other_name = ("".join(sorted(_typed_words(person.name))) for person in (one, other))
    if name == other_name and one.date_of_birth is not None and one.date_of_birth == other.date_of_birth:
        return True
    same_digits = one.mobile[-_SAME_LAST_DIGITS:] == other.mobile[-_SAME_LAST_DIGITS:]
    return same_digits and SequenceMatcher(None, name, other_name).ratio() >= _SIMILAR


def _typed_words(typed: str) -> list[str]:
    """The words that spaces separate: people type the other punctuation of a name, or leave it out."""
    return ["".join(letters) for word in _fold(typed).split() if (letters := _LETTERS.findall(word))]


def _fold(name: str) -> str:
    """A name without case, accents and joiners."""
    folded: str = _IGNORED.sub("", normalize("NFKD", rules.plain_name(name)).casefold())
    return folded
