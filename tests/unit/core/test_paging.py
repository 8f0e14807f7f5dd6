"""Pagination of lists."""

import pytest

from arthomed.core.paging import Page, PageRequest, Pagination


@pytest.mark.parametrize(("total", "limit", "pages"), [(0, 10, 0), (1, 10, 1), (10, 10, 1), (11, 10, 2), (100, 1, 100)])
def test_number_of_pages_is_rounded_up(total: int, limit: int, pages: int) -> None:
    assert Pagination(current=1, limit=limit, total=total).pages == pages


@pytest.mark.parametrize(
    ("current", "total", "has_prev", "has_next"),
    [(1, 25, False, True), (2, 25, True, True), (3, 25, True, False), (4, 25, True, False), (1, 0, False, False)],
    ids=["first", "middle", "last", "beyond the last", "empty list"],
)
def test_page_has_flags_for_the_previous_and_the_next_page(
    current: int, total: int, *, has_prev: bool, has_next: bool
) -> None:
    pagination = Page.of([], PageRequest(current, 10), total=total).pagination

    assert (pagination.has_prev, pagination.has_next) == (has_prev, has_next)
