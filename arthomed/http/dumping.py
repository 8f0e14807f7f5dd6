"""From what was read to JSON by the documented shapes, without marshmallow's work for each field of each answer.

The shape is looked through once, when a route is made; what comes out is what marshmallow would have dumped: of hooks,
what a shape's `trimmed` leaves.
"""

from collections.abc import Callable, Mapping
from typing import Any

import marshmallow as ma
from marshmallow import fields

from arthomed.core import clock
from arthomed.http.schema import Day, FileUrl, Id, Instant, file_url

Dump = Callable[[Any], Any]
_Column = tuple[str, str, str, Dump | None, bool, object]
"""Its name in the answer, of the attribute and in MongoDB; what makes JSON of it; whether it may be left out; what is
told when there is nothing.
"""

_CONVERSIONS: Mapping[type[fields.Field[Any]], Dump] = {
    Id: str,
    Day: lambda day: day.isoformat()[:10],
    Instant: clock.iso,
    FileUrl: lambda name: name and file_url(name),
}


def dumper(schema: ma.Schema) -> Dump:
    """Make what dumps things of this shape: rows as MongoDB keeps them, or objects with the shape's attributes."""
    columns = [_column(name, one) for name, one in schema.fields.items()]
    as_it_is = {key for key, _, stored_as, convert, *_ in columns if key == stored_as and convert is None}
    trimmed: Dump | None = getattr(schema, "trimmed", None)
    is_plain = len(as_it_is) == len(columns) and trimmed is None

    def dump(thing: Any) -> dict[str, Any]:
        stored = isinstance(thing, dict)
        if is_plain and stored and thing.keys() == as_it_is:
            return dict(thing)
        dumped: dict[str, Any] = {}
        for key, attribute, stored_as, convert, may_lack, instead in columns:
            value = thing.get(stored_as) if stored else getattr(thing, attribute)
            if value is None:
                value = instead
            if value is not None:
                dumped[key] = value if convert is None else convert(value)
            elif not may_lack:
                dumped[key] = None
        return dumped if trimmed is None else trimmed(dumped)

    return dump


def _column(name: str, one: fields.Field[Any]) -> _Column:
    key, attribute = str(one.data_key), one.attribute or name
    stored_as = key if attribute in (name, "id") else attribute
    may_lack = isinstance(one, fields.Nested) and not (one.required or one.allow_none)
    return key, attribute, stored_as, _conversion(one), may_lack, _instead(one)


def _instead(one: fields.Field[Any]) -> object:
    """What MongoEngine has in place of what is not stored."""
    if one.dump_default is not ma.missing:
        return one.dump_default
    return [] if isinstance(one, fields.List) or (isinstance(one, fields.Nested) and one.many) else None


def _conversion(one: fields.Field[Any]) -> Dump | None:
    if isinstance(one, fields.Nested):
        inner = dumper(one.schema)
        return _each(inner) if one.schema.many else inner
    if isinstance(one, fields.List):
        of_one = _conversion(one.inner)
        return None if of_one is None else _each(of_one)
    return _CONVERSIONS.get(type(one))


def _each(inner: Dump) -> Dump:
    return lambda things: [inner(thing) for thing in things]
