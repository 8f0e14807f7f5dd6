"""What the application's user may do in the database: all that it needs, and never to change the audit trail."""

from collections.abc import Iterator
from typing import Any

from mongoengine import Document
from pymongo.database import Database
from pymongo.errors import OperationFailure

NAME = "arthomed-app"
APPEND_ONLY = frozenset({"audit_events"})
_GOING = frozenset({"budgets"})
"""What only the version before this one uses, which serves for a while beside it; see migrations/0012."""

_APPENDING = ("find", "insert", "listIndexes")
_WRITING = (*_APPENDING, "remove", "update")
_ROLE_EXISTS = 51002

Privileges = dict[str, frozenset[str]]
"""By collection: MongoDB's privilege actions. It knows no denial, so what is not named is refused."""


def privileges() -> Privileges:
    """Those of the application, which reaches its database through its documents only."""
    return {
        name: frozenset(_APPENDING if name in APPEND_ONLY else _WRITING)
        for name in sorted({*_collections(Document), *_GOING})
    }


def update(database: Database[Any]) -> None:
    """Make the role, or bring it up to date; may run twice at once, and never leaves its users without it.

    It takes a user with dbOwner on this database, no more; updateRole would take rights on all databases.
    """
    _ensure_exists(database)
    wanted = privileges()
    database.command("grantPrivilegesToRole", NAME, privileges=_told(database, wanted))
    stale = {name: actions - wanted.get(name, frozenset()) for name, actions in granted(database).items()}
    if too_many := _told(database, {name: actions for name, actions in stale.items() if actions}):
        database.command("revokePrivilegesFromRole", NAME, privileges=too_many)


def granted(database: Database[Any]) -> Privileges:
    """What the role may do by now."""
    [role] = database.command("rolesInfo", NAME, showPrivileges=True)["roles"]
    return {one["resource"]["collection"]: frozenset(one["actions"]) for one in role["privileges"]}


def _ensure_exists(database: Database[Any]) -> None:
    try:
        database.command("createRole", NAME, privileges=[], roles=[])
    except OperationFailure as error:
        if error.code != _ROLE_EXISTS:
            raise


def _told(database: Database[Any], wanted: Privileges) -> list[dict[str, Any]]:
    return [
        {"resource": {"db": database.name, "collection": name}, "actions": sorted(actions)}
        for name, actions in wanted.items()
    ]


def _collections(kind: type[Any]) -> Iterator[str]:
    for one in kind.__subclasses__():
        if not one._meta.get("abstract"):  # noqa: SLF001  MongoEngine has no other word for it
            yield one._get_collection_name()  # noqa: SLF001
        yield from _collections(one)
