"""What the services say to staff is said in each language: a message without a translation is found in their code."""

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from arthomed import app
from arthomed.core.errors import ClinicError
from arthomed.dashboard import service_texts

_SOURCES = Path(app.__file__).parent  # whose import defines all errors
_USED_BY_PAGES = (
    "appointments/access.py",
    "appointments/messages.py",
    "appointments/rules.py",
    "appointments/booking_rules.py",
    "appointments/service/*.py",
    "auth/rules.py",
    "auth/schemas.py",
    "auth/service/*.py",
    "core/errors.py",
    "files/service/downloading.py",
    "frontdesk/rules.py",
    "frontdesk/service/callers.py",
    "frontdesk/service/families.py",
    "frontdesk/service/queue.py",
    "http/auth.py",
    "notifications/service.py",
    "payments/rules.py",
    "payments/service/*.py",
    "users/family.py",
    "users/rules.py",
)
_NOT_ON_PAGES = {
    "The request was refused": "of no error of its own",
    "Validation failed": "pages show what is wrong with the fields",
    "Duplicate field value entered": "each has a message of its own",
    "This Idempotency-Key was used for another request": "pages say what that means for their form",
    "The request body is not valid JSON": "pages send forms",
    "The form could not be read, or did not arrive completely; please send it again": "pages send no files",
    "You have too many open appointments; cancel one before you book another": "said to patients",
    "This can be changed before the confirmation only": "said to patients",
    "Files cannot be added to an appointment that did not take place": "pages add no files",
    "Only the sender can delete this file, and only before the appointment is completed": "pages delete no files",
    "The patient may still be seen": "said to the system",
    "Can be set with the status completed only.": "pages store notes with the notes only",
    "This is the number of the family; please enter the member's own": "pages hand no member over",
    "The account of this number is deactivated, or one of the staff": "pages hand no member over",
    "The family has a member with this name and date of birth": "pages change no member",
    (
        "The patient of this number and the family member have appointments at one time, or with one doctor on one "
        "day: please cancel one of them first"
    ): "pages hand no member over",
    "Invalid token. User not found.": "pages lead to the sign-in",
    "This session has ended. Please log in again.": "pages lead to the sign-in",
    "Invalid token. Please log in again.": "pages lead to the sign-in",
    "Access denied. No token provided.": "pages lead to the sign-in",
    "Your token has expired. Please log in again.": "pages lead to the sign-in",
}
"""And why."""
_BY_CODE = {
    "An appointment cannot go from {} to {}",
    "At most {} rupees are open.",
    "At most {} rupees can be refunded.",
    "Nothing is open; the fee is paid.",
    "Nothing was paid, so nothing can be refunded.",
}
"""Messages with words of the API in them, for which pages say what they mean."""


def _errors(base: type[ClinicError]) -> Iterator[type[ClinicError]]:
    for error in base.__subclasses__():
        yield error
        yield from _errors(error)


_ERRORS = {error.__name__ for error in _errors(ClinicError)} | {"ValidationError"}


def test_each_message_of_the_services_that_pages_call_has_a_translation() -> None:
    found = {text for path in _modules() for text in _messages(ast.parse(path.read_text()))}

    assert [text for text in sorted(found - _NOT_ON_PAGES.keys() - _BY_CODE) if not _is_translated(text)] == []


def test_the_lists_of_exceptions_name_messages_that_exist() -> None:
    found = {text for path in _modules() for text in _messages(ast.parse(path.read_text()))}

    assert sorted((_NOT_ON_PAGES.keys() | _BY_CODE) - found) == []


def _modules() -> Iterator[Path]:
    for pattern in _USED_BY_PAGES:
        found = sorted(_SOURCES.glob(pattern))
        assert found, pattern
        yield from found


def _messages(module: ast.Module) -> Iterator[str]:
    """The texts of a module that errors are raised with; `{}` stands for what is filled in."""
    constants = {
        node.targets[0].id: node.value
        for node in module.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    for node in ast.walk(module):
        for value in _values(node):
            yield from _texts(value, constants)


def _values(node: ast.AST) -> Sequence[ast.expr]:
    """The message of an error class, or what an error is raised with."""
    if isinstance(node, ast.Assign):
        is_message = any(isinstance(one, ast.Name) and one.id == "message" for one in node.targets)
        return [node.value] if is_message else []
    if not isinstance(node, ast.Call):
        return []
    match node.func:
        case ast.Attribute(value=ast.Name(id="ValidationFailed"), attr="of"):
            return node.args[1:2]
        case ast.Name(id=name) | ast.Attribute(attr=name) if name in _ERRORS:
            return node.args[:1]
    return []


def _texts(node: ast.expr, constants: dict[str, ast.expr]) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body, constants)
        yield from _texts(node.orelse, constants)
    elif isinstance(node, ast.Name) and node.id in constants:
        yield from _texts(constants[node.id], constants)


def _is_translated(text: str) -> bool:
    pattern = re.compile(".+".join(map(re.escape, text.split("{}"))))
    known = (*service_texts.MESSAGES, *service_texts.PLAIN, *service_texts.WITH_VALUES)
    return any(pattern.fullmatch(one) for one in known)
