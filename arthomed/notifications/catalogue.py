"""The message catalogue: one TOML file of `templates/` holds the texts of one language and is validated when loaded."""

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

from arthomed.notifications.contacts import remove_contacts
from arthomed.notifications.gateways import DltTemplate, Email, Invitation, Sms
from arthomed.notifications.lengths import measure, shorten_name, truncate, utf16_length

FOLDER = Path(__file__).parent / "templates"
REFERENCE = "en"
"""The language that all others must match, and the default."""

MAX_VARIABLE_LENGTH = 30  # characters, a limit of the carriers
_TEMPLATE_ID = re.compile(r"[0-9]{19}")
_HEADER = re.compile(r"[A-Za-z]{6}")
_VARIABLE = re.compile(r"\{([^{}]*)\}|[{}]")
_SAMPLE_TIME = datetime(2026, 12, 31, 23, 59, tzinfo=UTC)
_UCS_2_CHARACTER = "अ"  # one character outside of GSM 03.38 turns the whole SMS into UCS-2


class CatalogueError(Exception):
    """The files are invalid; the message lists every fault."""


class VariableTooLong(Exception):
    """A value exceeds the length of its variable and must not be shortened: an error of the caller."""


def _require_fitting(text: str, max_length: int) -> str:
    if utf16_length(text) > max_length:
        raise VariableTooLong
    return text


@dataclass(frozen=True, slots=True)
class Variable:
    """`max_length` is in UTF-16 code units; `fit` shortens a value to it, or refuses. People typed what `is_typed`."""

    max_length: int
    sample: str = "0"
    fit: Callable[[str, int], str] = _require_fitting
    is_typed: bool = False

    @property
    def longest(self) -> str:
        return self.sample * self.max_length


VARIABLES: Mapping[str, Variable] = {
    "amount": Variable(7),
    "code": Variable(6),
    "doctor": Variable(MAX_VARIABLE_LENGTH, _UCS_2_CHARACTER, shorten_name, is_typed=True),
    "member": Variable(MAX_VARIABLE_LENGTH, _UCS_2_CHARACTER, shorten_name, is_typed=True),
    "minutes": Variable(2),
    "patient": Variable(MAX_VARIABLE_LENGTH, _UCS_2_CHARACTER, shorten_name, is_typed=True),
    "reason": Variable(MAX_VARIABLE_LENGTH, _UCS_2_CHARACTER, truncate, is_typed=True),
    "when": Variable(20),
}
"""The variables that the text of an SMS may contain."""

_TYPED = {name for name, variable in VARIABLES.items() if variable.is_typed}


@dataclass(frozen=True, slots=True)
class Template:
    """The texts of one kind of message; `segments` is the largest number of segments that its SMS may have."""

    template_id: str
    segments: int
    sms: str
    subject: str
    email: str

    @property
    def longest_sms(self) -> str:
        """The SMS with all variables at their maximum length."""
        return self.sms.format_map({name: VARIABLES[name].longest for name in variables_in(self.sms)})


@dataclass(frozen=True, slots=True)
class Language:
    """The texts of a language; `code` is ISO 639-1, `name` the language's own name, `when` a format of strftime.

    `neutral` has the words that replace values with a link or a number. The other fields are those of the TOML file.
    """

    code: str
    name: str
    header: str
    when: str
    letter: Mapping[str, str]
    calendar: Mapping[str, str]
    neutral: Mapping[str, str]
    message: Mapping[str, Template]

    def format_time(self, local: datetime) -> str:
        return local.strftime(self.when)

    def render_sms(self, kind: str, to: str, *, entity_id: str, **values: object) -> Sms:
        """Fill in a registered template; values are shortened to the lengths that the carriers accept.

        Links and numbers that people typed are replaced: carriers block them, and people trust an SMS of the clinic.
        """
        template = self.message[kind]
        fitted = {name: self._fitted(name, str(values[name])) for name in variables_in(template.sms)}
        return Sms(to, template.sms.format_map(fitted), DltTemplate(entity_id, self.header, template.template_id))

    def _fitted(self, name: str, value: str) -> str:
        variable = VARIABLES[name]
        safe = remove_contacts(value, self.neutral[name]) if variable.is_typed else value
        return variable.fit(safe, variable.max_length)

    def render_email(
        self, kind: str, to: str, *, reference: str, invitation: Invitation | None = None, **values: object
    ) -> Email:
        """Render plain text and HTML; values are not shortened."""
        template = self.message[kind]
        texts = (self.letter["greeting"], template.email, self.letter["closing"])
        paragraphs = [text.format_map(values) for text in texts]
        subject = template.subject.format_map(values)
        html = _html_template().render(language=self.code, subject=subject, paragraphs=paragraphs)
        return Email(to, subject, "\n\n".join(paragraphs), reference, html, invitation)


def language(code: str | None) -> Language:
    """A language by its code; the reference language when the code is None or unknown."""
    return languages().get(code or REFERENCE) or languages()[REFERENCE]


@cache
def languages() -> Mapping[str, Language]:
    """All languages by code, loaded once."""
    return load(FOLDER)


def load(folder: Path) -> dict[str, Language]:
    """Load the languages of a folder.

    Raises:
        CatalogueError: lists all texts that are missing, malformed or too long.
    """
    found = {file.stem: _load_language(file) for file in sorted(folder.glob("*.toml"))}
    faults = list(_duplicate_template_ids(found))
    faults += [f"{one.code}: {fault}" for one in found.values() for fault in _faults(one, found)]
    if faults:
        raise CatalogueError("The message catalogue is invalid:\n" + "\n".join(f"  {line}" for line in faults))
    return found


def variables_in(text: str) -> set[str]:
    """Everything that a text has in braces, valid name or not; an unbalanced brace yields ''."""
    return set(_VARIABLE.findall(text))


def _load_language(file: Path) -> Language:
    try:
        raw: dict[str, Any] = tomllib.loads(file.read_text("utf-8"))
        message = {kind: Template(**template) for kind, template in raw.pop("message").items()}
        return Language(code=file.stem, message=message, **raw)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise CatalogueError(f"{file.name}: {error}") from error


def _duplicate_template_ids(found: Mapping[str, Language]) -> Iterator[str]:
    ids = Counter(template.template_id for one in found.values() for template in one.message.values())
    yield from (f"template id {duplicate} is used {count} times" for duplicate, count in ids.items() if count > 1)


def _faults(one: Language, found: Mapping[str, Language]) -> Iterator[str]:
    if not _HEADER.fullmatch(one.header):
        yield f"the header {one.header!r} is not six letters"
    if utf16_length(one.format_time(_SAMPLE_TIME)) > VARIABLES["when"].max_length:
        yield "`when` makes times that are too long"
    variables = _variables_by_text(one)
    for text, names in _variables_by_text(found[REFERENCE]).items():
        if variables.pop(text, None) != names:
            yield f"{text} is missing, or has other variables than in {REFERENCE}"
        elif unknown := names - VARIABLES.keys():
            yield f"{text} has variables without a length: {', '.join(map(repr, sorted(unknown)))}"
    yield from (f"{text} is not in {REFERENCE}" for text in variables)
    yield from _neutral_faults(one)
    yield from (f"{kind} {fault}" for kind, template in one.message.items() for fault in _template_faults(template))


def _neutral_faults(one: Language) -> Iterator[str]:
    if one.neutral.keys() != _TYPED:
        yield f"`neutral` needs words for exactly {', '.join(sorted(_TYPED))}"
    for name, word in one.neutral.items():
        if not 0 < utf16_length(word) <= MAX_VARIABLE_LENGTH:
            yield f"neutral.{name} has not 1 to {MAX_VARIABLE_LENGTH} characters"


def _template_faults(template: Template) -> Iterator[str]:
    if not _TEMPLATE_ID.fullmatch(template.template_id):
        yield "has no template id of 19 digits"
    if variables_in(template.sms) <= VARIABLES.keys():
        size = measure(template.longest_sms)
        if size.segments > template.segments:
            length = f"{size.segments} SMS long ({size.encoding}, {size.units} units)"
            yield f"may be {length}, its limit is {template.segments}"


def _variables_by_text(one: Language) -> dict[str, set[str]]:
    texts = {f"letter.{name}": text for name, text in one.letter.items()}
    texts |= {f"calendar.{name}": text for name, text in one.calendar.items()}
    for kind, template in one.message.items():
        texts |= {f"{kind}.sms": template.sms, f"{kind}.subject": template.subject, f"{kind}.email": template.email}
    return {name: variables_in(text) for name, text in texts.items()}


@cache
def _html_template() -> jinja2.Template:
    """The HTML page of an e-mail; Jinja escapes all values."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("email.html")
