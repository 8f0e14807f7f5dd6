"""What messages say in each language: one file of `templates/` is one language, checked when it is read."""

import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from arthomed.notifications.gateways import Email, Invitation, Sms, Template
from arthomed.notifications.lengths import clipped, measure, short_name, utf16

FOLDER = Path(__file__).parent / "templates"
REFERENCE = "en"
"""The language that all others are held against, and of whoever has chosen none."""

MOST = 30  # characters of a template's variable, as the carriers have it
_TEMPLATE_ID = re.compile(r"[0-9]{19}")
_HEADER = re.compile(r"[A-Za-z]{6}")
_VARIABLE = re.compile(r"\{([^{}]*)\}|[{}]")
_ANY_TIME = datetime(2026, 12, 31, 23, 59, tzinfo=UTC)
_LONGEST_LETTER = "अ"  # whatever is not in GSM 03.38 makes a whole SMS of the wider kind


class CatalogueError(Exception):
    """The files can't be used; the message names everything that is wrong."""


class TooLong(Exception):
    """A value does not fit into its variable, and can't be made to: the caller is at fault."""


def _as_it_is(text: str, most: int) -> str:
    if utf16(text) > most:
        raise TooLong
    return text


@dataclass(frozen=True, slots=True)
class Variable:
    """`most` is in UTF-16 code units; `fit` makes a value no longer than that."""

    most: int
    sample: str = "0"
    fit: Callable[[str, int], str] = _as_it_is

    @property
    def longest(self) -> str:
        return self.sample * self.most


VARIABLES: Mapping[str, Variable] = {
    "amount": Variable(7),
    "code": Variable(6),
    "doctor": Variable(MOST, _LONGEST_LETTER, short_name),
    "minutes": Variable(2),
    "patient": Variable(MOST, _LONGEST_LETTER, short_name),
    "reason": Variable(MOST, _LONGEST_LETTER, clipped),
    "when": Variable(20),
}
"""What the texts of SMS may speak of."""


@dataclass(frozen=True, slots=True)
class Wording:
    """One kind of message; `segments` is the most that its SMS may be."""

    template_id: str
    segments: int
    sms: str
    subject: str
    email: str

    @property
    def longest(self) -> str:
        """The SMS with all variables at their longest."""
        return self.sms.format_map({name: VARIABLES[name].longest for name in names_in(self.sms)})


@dataclass(frozen=True, slots=True)
class Words:
    """A language; `language` is its ISO 639-1 code, `name` what it calls itself, `when` a format of strftime."""

    language: str
    name: str
    header: str
    when: str
    letter: Mapping[str, str]
    calendar: Mapping[str, str]
    message: Mapping[str, Wording]

    def time(self, local: datetime) -> str:
        """A date and a time of day at the clinic."""
        return local.strftime(self.when)

    def sms(self, kind: str, to: str, *, entity_id: str, **values: object) -> Sms:
        """A registered template, its variables cut to what the carriers let through."""
        wording = self.message[kind]
        fitted = {name: VARIABLES[name].fit(str(values[name]), VARIABLES[name].most) for name in names_in(wording.sms)}
        return Sms(to, wording.sms.format_map(fitted), Template(entity_id, self.header, wording.template_id))

    def email(
        self, kind: str, to: str, *, reference: str, invitation: Invitation | None = None, **values: object
    ) -> Email:
        """A letter in plain text and in HTML; here nothing need be cut."""
        wording = self.message[kind]
        texts = (self.letter["greeting"], wording.email, self.letter["closing"])
        paragraphs = [text.format_map(values) for text in texts]
        html = _page().render(language=self.language, subject=wording.subject, paragraphs=paragraphs)
        return Email(to, wording.subject, "\n\n".join(paragraphs), reference, html, invitation)


def words(language: str | None) -> Words:
    """A language by its code; the reference for whom none is known, or one that is no more."""
    return languages().get(language or REFERENCE) or languages()[REFERENCE]


@cache
def languages() -> Mapping[str, Words]:
    """All of them by their codes, read once."""
    return read(FOLDER)


def read(folder: Path) -> dict[str, Words]:
    """The languages of a folder.

    Raises:
        CatalogueError: names all that is missing, malformed, or longer than its budget.
    """
    found = {file.stem: _words(file) for file in sorted(folder.glob("*.toml"))}
    if wrong := [*_twice(found), *(f"{one.language}: {why}" for one in found.values() for why in _faults(one, found))]:
        raise CatalogueError("The catalogue of messages can't be used:\n" + "\n".join(f"  {line}" for line in wrong))
    return found


def names_in(text: str) -> set[str]:
    """The variables of a text, with whatever else is written between its braces; a brace without its other is ''."""
    return set(_VARIABLE.findall(text))


def _words(file: Path) -> Words:
    try:
        raw: dict[str, Any] = tomllib.loads(file.read_text("utf-8"))
        message = {kind: Wording(**wording) for kind, wording in raw.pop("message").items()}
        return Words(language=file.stem, message=message, **raw)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise CatalogueError(f"{file.name}: {error}") from error


def _twice(found: Mapping[str, Words]) -> Iterator[str]:
    ids = Counter(wording.template_id for one in found.values() for wording in one.message.values())
    yield from (f"template {template_id} is there {count} times" for template_id, count in ids.items() if count > 1)


def _faults(one: Words, found: Mapping[str, Words]) -> Iterator[str]:
    if not _HEADER.fullmatch(one.header):
        yield f"the header {one.header!r} is not six letters"
    if utf16(one.time(_ANY_TIME)) > VARIABLES["when"].most:
        yield "its times are too long"
    shape = _shape(one)
    for what, names in _shape(found[REFERENCE]).items():
        if shape.pop(what, None) != names:
            yield f"{what} is missing, or has other variables than in {REFERENCE}"
        elif unknown := names - VARIABLES.keys():
            yield f"{what} has variables without a length: {', '.join(map(repr, sorted(unknown)))}"
    yield from (f"{what} is not in {REFERENCE}" for what in shape)
    yield from (f"{kind} {why}" for kind, wording in one.message.items() for why in _faults_of(wording))


def _faults_of(wording: Wording) -> Iterator[str]:
    if not _TEMPLATE_ID.fullmatch(wording.template_id):
        yield "has no template id of 19 digits"
    if names_in(wording.sms) <= VARIABLES.keys() and (size := measure(wording.longest)).segments > wording.segments:
        yield f"may be {size.segments} SMS long ({size.encoding}, {size.units} units), its budget is {wording.segments}"


def _shape(one: Words) -> dict[str, set[str]]:
    """The variables of each text of a language."""
    texts = {f"letter.{name}": text for name, text in one.letter.items()}
    texts |= {f"calendar.{name}": text for name, text in one.calendar.items()}
    for kind, wording in one.message.items():
        texts |= {f"{kind}.sms": wording.sms, f"{kind}.subject": wording.subject, f"{kind}.email": wording.email}
    return {name: names_in(text) for name, text in texts.items()}


@cache
def _page() -> jinja2.Template:
    """The page of a letter; what people wrote is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("letter.html")
