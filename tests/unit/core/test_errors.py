"""What can go wrong, and what is told of it."""

import pytest

from arthomed.core import errors
from arthomed.core.errors import ClinicError, FieldError, NotFound, ValidationFailed
from arthomed.http.errors import STATUS_OF

KINDS = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, ClinicError)]
CONCRETE = [kind for kind in KINDS if "code" in vars(kind) and kind is not ValidationFailed]


@pytest.mark.parametrize("code", errors.Code)
def test_every_code_has_a_status(code: errors.Code) -> None:
    assert STATUS_OF[code] in {400, 401, 403, 404, 409, 422, 423, 429, 503}


@pytest.mark.parametrize("kind", CONCRETE)
def test_a_refusal_has_words_for_a_person(kind: type[ClinicError]) -> None:
    assert str(kind()) == kind.message


def test_a_refusal_may_have_words_of_its_own() -> None:
    assert str(NotFound("No such thing")) == "No such thing"


def test_a_refusal_has_no_fields_and_nothing_extra_unless_told() -> None:
    assert (list(NotFound().fields), dict(NotFound().extra)) == ([], {})


def test_a_refused_field_is_told_with_its_value() -> None:
    assert ValidationFailed.of("name", "Too short", "A").fields == [FieldError("name", "Too short", "A")]
