"""What a hot route wants to know, asked in one round trip with who wants to know it: without a session, nothing."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from arthomed.core.documents import Pipeline, Raw
from arthomed.core.paging import PageRequest

T = TypeVar("T")
Found = Mapping[str, Any]
"""By the name of each find: the rows of it, as MongoDB keeps them."""
COUNT: Pipeline = [{"$count": "count"}]
"""The stage that leaves nothing but how many there are; see `count_in`."""


@dataclass(frozen=True, slots=True)
class Find:
    """One query, within a reading, of the collection named; `where` an earlier find says so, only for its rows.

    `joined` are that find's field by a dotted path, and the field here that must have one of its values.
    """

    collection: str
    where: Raw = field(default_factory=dict)
    then: Pipeline = field(default_factory=list)
    joined: tuple[str, str] | None = None

    def lookup(self, name: str) -> Raw:
        """The stage that does it."""
        wanted: Raw = {"from": self.collection, "pipeline": [{"$match": self.where}, *self.then], "as": name}
        if self.joined is not None:
            wanted |= {"localField": self.joined[0], "foreignField": self.joined[1]}
        return {"$lookup": wanted}


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """Queries, and what to make of their rows; a view returns it, and `http.auth.read` carries it out.

    `of` names the things that it reads, where each change of them is told to core/copies.py: then a copy of the
    answer may be given, until the instant that `until` tells of it.
    """

    finds: Mapping[str, Find]
    answer: Callable[[Found], T]
    of: tuple[str, ...] = ()
    until: Callable[[T], datetime | None] = lambda _: None

    @property
    def stages(self) -> Pipeline:
        return [find.lookup(name) for name, find in self.finds.items()]


def only(*names: str) -> Raw:
    """The stage that keeps these stored fields, and the id."""
    return {"$project": dict.fromkeys(names, 1)}


def cut_out(asked: PageRequest, **order: int) -> Pipeline:
    """The stages that cut out a page."""
    return [{"$sort": order}, {"$skip": asked.offset}, {"$limit": asked.limit}]


def count_in(rows: Iterable[Raw]) -> int:
    """What a find with `COUNT` counted; no row is none."""
    return sum(int(row["count"]) for row in rows)
