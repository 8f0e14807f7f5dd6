"""Query plans, as MongoDB's profiler records them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from bson import DatetimeConversion, ObjectId

from tests.factories import Records

Operation = dict[str, Any]
_INEFFICIENT_STAGES = {"COLLSCAN", "SORT", "$sort"}


@contextmanager
def profiled(database: Records) -> Iterator[list[Operation]]:
    """The operations that MongoDB executes within the block, with their plans; filled at its end."""
    operations: list[Operation] = []
    database.command("profile", 2)
    try:
        yield operations
    finally:
        database.command("profile", 0)
        operations += database["system.profile"].find({"planSummary": {"$exists": True}})
        database["system.profile"].drop()


def inefficient(operations: list[Operation], database: Records) -> list[Any]:
    """The operations and $lookup stages that scan a whole collection or sort in memory."""
    plans = [
        (one["ns"], one["command"], one["planSummary"])
        for one in operations
        if _sorts_in_memory(one) or "COLLSCAN" in one["planSummary"]
    ]
    lookups = [
        stage["$lookup"] for one in operations for stage in one["command"].get("pipeline", []) if "$lookup" in stage
    ]
    return plans + [lookup for lookup in lookups if _INEFFICIENT_STAGES & set(_stages_of(_explain(lookup, database)))]


def _sorts_in_memory(operation: Operation) -> bool:
    """Documents that were found by a list of ids are few, and may be sorted."""
    by_id = operation["command"].get("filter", {}).get("_id")
    is_listed = isinstance(by_id, Mapping) and "$in" in by_id
    return bool(operation.get("hasSortStage")) and not is_listed


def _explain(lookup: dict[str, Any], database: Records) -> Any:
    """The plan of the query that a $lookup runs, for made-up values of the joined field."""
    joined = {lookup["foreignField"]: {"$in": [ObjectId(), ObjectId()]}} if "foreignField" in lookup else {}
    pipeline = [{"$match": joined}, *lookup["pipeline"]]
    command = {"aggregate": lookup["from"], "pipeline": pipeline, "cursor": {}}
    any_date = database.codec_options.with_options(datetime_conversion=DatetimeConversion.DATETIME_AUTO)
    return database.command("explain", command, verbosity="queryPlanner", codec_options=any_date)


def _stages_of(plan: Any) -> Iterator[str]:
    """The names of the stages of the winning plan, at any depth."""
    if isinstance(plan, Mapping):
        yield from ([plan["stage"]] if isinstance(plan.get("stage"), str) else [])
        yield from (stage for stage in plan if stage == "$sort")
        for name, inner in plan.items():
            if name not in ("command", "rejectedPlans"):
                yield from _stages_of(inner)
    elif isinstance(plan, list):
        for one in plan:
            yield from _stages_of(one)
