"""The list of the day."""

from typing import Any

from arthomed.core.permissions import Permission
from arthomed.frontdesk.schemas.queue import DayOut, DayQuery
from arthomed.frontdesk.service import day
from arthomed.http.auth import current_actor, requires
from arthomed.http.blueprint import Blueprint
from arthomed.http.cache import cached

_MAX_BYTES = 2_000_000  # of a thousand appointments

blueprint = Blueprint("day", __name__, url_prefix="/api/appointments", description="The list of the day.")


@blueprint.get("/day")
@requires(Permission.QUEUE)
@cached(shared=False, has_etag=True, max_bytes=_MAX_BYTES)
@blueprint.arguments(DayQuery, location="query")
@blueprint.response(200, DayOut, description="Day retrieved successfully")
def get_day(query: dict[str, Any]) -> day.Day:
    """List a day of all doctors or of one in queue order; doctors see their own.

    All appointments of the day, not paged (at most 1,000): in each doctor's queue those in progress and called come
    first, then those who wait, then those who are expected. Send the `ETag` as `If-None-Match` and get 304 while
    nothing has changed.
    """
    return day.get(current_actor(), **query)
