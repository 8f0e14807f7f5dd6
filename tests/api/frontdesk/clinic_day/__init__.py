"""A whole day of a clinic over HTTP: who comes, what the reception does, and what must be true in the evening."""

import pytest

pytest.register_assert_rewrite(f"{__name__}.checks", f"{__name__}.play", f"{__name__}.waiting")  # with the values
