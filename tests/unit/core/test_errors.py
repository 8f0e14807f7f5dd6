"""The error codes of the API."""

import pytest

from arthomed.core import errors
from arthomed.http.errors import STATUS_OF


@pytest.mark.parametrize("code", errors.Code)
def test_every_code_has_a_status(code: errors.Code) -> None:
    assert STATUS_OF[code] in {400, 401, 403, 404, 409, 422, 423, 429, 503}
