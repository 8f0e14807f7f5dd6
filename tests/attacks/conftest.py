"""The clock and the people of the API's tests."""

from tests.api.conftest import admin, now, person

__all__ = ["admin", "now", "person"]
