"""The differences that an audit event of a change holds."""

from datetime import UTC, datetime
from typing import Any

import pytest

from arthomed.audit.service import differences


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({"name": "Asha"}, {"name": "Asha"}, []),
        ({"name": "Asha"}, {"name": "Ravi"}, [{"field": "name", "from": "Asha", "to": "Ravi"}]),
        ({}, {"email": "a@example.com"}, [{"field": "email", "from": None, "to": "a@example.com"}]),
        ({"email": "a@example.com"}, {}, [{"field": "email", "from": "a@example.com", "to": None}]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, [{"field": "a.c", "from": 2, "to": 3}]),
        ({"a": [1]}, {"a": [1, 2]}, [{"field": "a", "from": [1], "to": [1, 2]}]),
    ],
    ids=["same", "changed", "added", "removed", "nested", "list"],
)
def test_only_fields_that_differ_are_listed_with_old_and_new_value(before: Any, after: Any, found: Any) -> None:
    assert differences(before, after) == found


def test_the_time_of_the_change_is_not_listed() -> None:
    assert differences({"updatedAt": 1}, {"updatedAt": datetime(2026, 12, 1, tzinfo=UTC)}) == []
