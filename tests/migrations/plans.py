"""How MongoDB goes about what it is asked, by its own record."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from bson import DatetimeConversion, ObjectId
from pymongo.database import Database

Records = Database[dict[str, Any]]
Asked = dict[str, Any]
_POOR = {"COLLSCAN", "SORT", "$sort"}


@contextmanager
def recorded(database: Records) -> Iterator[list[Asked]]:
    """What MongoDB was asked meanwhile, with the plan that it took."""
    asked: list[Asked] = []
    database.command("profile", 2)
    try:
        yield asked
    finally:
        database.command("profile", 0)
        asked += database["system.profile"].find({"planSummary": {"$exists": True}})
        database["system.profile"].drop()


def poor(asked: list[Asked], database: Records) -> list[Any]:
    """What went through a whole collection or was sorted in memory, the lookups of a reading included."""
    plans = [
        (one["ns"], one["command"], one["planSummary"])
        for one in asked
        if one.get("hasSortStage") or "COLLSCAN" in one["planSummary"]
    ]
    lookups = [stage["$lookup"] for one in asked for stage in one["command"].get("pipeline", []) if "$lookup" in stage]
    return plans + [lookup for lookup in lookups if _POOR & set(_stages_of(_explained(lookup, database)))]


def _explained(lookup: dict[str, Any], database: Records) -> Any:
    """The plan of the query that a lookup is; what it is joined to is made up."""
    joined = {lookup["foreignField"]: {"$in": [ObjectId(), ObjectId()]}} if "foreignField" in lookup else {}
    pipeline = [{"$match": joined}, *lookup["pipeline"]]
    command = {"aggregate": lookup["from"], "pipeline": pipeline, "cursor": {}}
    any_date = database.codec_options.with_options(datetime_conversion=DatetimeConversion.DATETIME_AUTO)
    return database.command("explain", command, verbosity="queryPlanner", codec_options=any_date)


def _stages_of(plan: Any) -> Iterator[str]:
    """The names of the stages that were chosen, wherever they are nested."""
    if isinstance(plan, Mapping):
        yield from ([plan["stage"]] if isinstance(plan.get("stage"), str) else [])
        yield from (stage for stage in plan if stage == "$sort")
        for name, inner in plan.items():
            if name not in ("command", "rejectedPlans"):
                yield from _stages_of(inner)
    elif isinstance(plan, list):
        for one in plan:
            yield from _stages_of(one)
