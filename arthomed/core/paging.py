"""Pagination of lists."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The requested page: `page` counts from 1, `limit` is 1 to 100 items.

    `filters` are those of the request by their names in the API, for the audit trail.
    """

    page: int = 1
    limit: int = 10
    filters: Mapping[str, object] = field(default_factory=dict)

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.limit


@dataclass(frozen=True, slots=True)
class Pagination:
    """The place of a page; a search stops at a number of matches, and then `total_is_minimum`."""

    current: int
    limit: int
    total: int
    total_is_minimum: bool = False

    @property
    def pages(self) -> int:
        return -(-self.total // self.limit)

    @property
    def has_next(self) -> bool:
        return self.current < self.pages

    @property
    def has_prev(self) -> bool:
        return self.current > 1


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    items: Sequence[T]
    pagination: Pagination

    @classmethod
    def of(cls, items: Sequence[T], request: PageRequest, total: int, *, total_is_minimum: bool = False) -> "Page[T]":
        return cls(items, Pagination(request.page, request.limit, total, total_is_minimum))
