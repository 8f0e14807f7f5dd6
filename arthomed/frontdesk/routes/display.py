"""Displays in waiting rooms, and their keys."""

from typing import Any

from bson import ObjectId
from flask import g, request

from arthomed.core.errors import Code, NotFound
from arthomed.core.permissions import Permission
from arthomed.frontdesk.models import DisplayKey, Room
from arthomed.frontdesk.schemas.display import CreateDisplayKey, DisplayKeysOut, DisplayOut, NewDisplayKeyOut
from arthomed.frontdesk.service import display
from arthomed.http.auth import current_actor, public, requires
from arthomed.http.blueprint import Blueprint
from arthomed.http.cache import conditional
from arthomed.http.limits import limit_unless

blueprint = Blueprint("display", __name__, url_prefix="/api", description="Displays in waiting rooms.")


def _display_key() -> DisplayKey | None:
    """The key of this request if there is one; read once, for the rate limit and for the view."""
    if "display_key" not in g:
        g.display_key = display.find_key((request.view_args or {})["key"])
    found: DisplayKey | None = g.display_key
    return found


@blueprint.get("/display/<string:key>")
@limit_unless(lambda: _display_key() is not None)
@public
@conditional
@blueprint.response(200, DisplayOut, description="Display retrieved successfully")
def show_display(key: str) -> display.Display:  # noqa: ARG001  `_display_key` reads it
    """Show a waiting room whose token is called, and who waits: the secret `key` opens it, and no names are in it.

    Send the `ETag` as `If-None-Match` and get 304 while nothing has changed.
    """
    found = _display_key()
    if found is None:
        raise NotFound
    return display.show(found)


@blueprint.get("/display-keys")
@requires(Permission.DISPLAY_KEYS)
@blueprint.response(200, DisplayKeysOut, description="Display keys retrieved successfully")
def list_display_keys() -> dict[str, Any]:
    """List the keys of displays; the keys themselves are not stored."""
    return {"items": display.list_keys()}


@blueprint.post("/display-keys")
@requires(Permission.DISPLAY_KEYS)
@blueprint.arguments(CreateDisplayKey)
@blueprint.response(201, NewDisplayKeyOut, description="Display key created successfully")
@blueprint.refuses(Code.NOT_FOUND)
def create_display_key(body: dict[str, Any]) -> display.NewKey:
    """Make a key for a display of some rooms; the answer is the only one that has the key."""
    rooms = [Room(doctor=one["doctor_id"], room=one["room"]) for one in body["rooms"]]
    return display.create_key(current_actor(), body["name"], rooms)


@blueprint.delete("/display-keys/<object_id:key_id>")
@requires(Permission.DISPLAY_KEYS)
@blueprint.response(200, description="Display key revoked")
def revoke_display_key(key_id: ObjectId) -> None:
    """Revoke the key of a display, which shows nothing any more."""
    display.revoke_key(current_actor(), key_id)
