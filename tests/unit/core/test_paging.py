"""Pages of a list."""

import pytest

from arthomed.core.paging import Page, PageRequest, Pagination


@pytest.mark.parametrize(("page", "limit", "offset"), [(1, 10, 0), (2, 10, 10), (3, 1, 2), (1, 100, 0)])
def test_a_page_begins_where_the_one_before_ended(page: int, limit: int, offset: int) -> None:
    assert PageRequest(page, limit).offset == offset


@pytest.mark.parametrize(("total", "limit", "pages"), [(0, 10, 0), (1, 10, 1), (10, 10, 1), (11, 10, 2), (100, 1, 100)])
def test_pages_are_as_many_as_the_items_fill(total: int, limit: int, pages: int) -> None:
    assert Pagination(current=1, limit=limit, total=total).pages == pages


@pytest.mark.parametrize(
    ("current", "has_prev", "has_next"),
    [(1, False, True), (2, True, True), (3, True, False), (4, True, False)],
    ids=["first", "middle", "last", "beyond the last"],
)
def test_a_page_knows_its_neighbours(current: int, *, has_prev: bool, has_next: bool) -> None:
    pagination = Pagination(current, limit=10, total=25)

    assert (pagination.has_prev, pagination.has_next) == (has_prev, has_next)


def test_an_empty_list_has_neither_neighbour() -> None:
    pagination = Page.of([], PageRequest(), total=0).pagination

    assert (pagination.has_prev, pagination.has_next) == (False, False)
