"""The database role of the application: the privileges it needs, but none to change the audit trail or payments."""

from collections.abc import Iterator
from typing import Any

from mongoengine import Document
from pymongo.database import Database
from pymongo.errors import OperationFailure

NAME = "arthomed-app"
APPEND_ONLY = frozenset({"audit_events", "payments"})
_PREVIOUS_VERSION_ONLY = frozenset({"budgets"})
"""Collections of the previous version, which still serves during an upgrade; see migrations/0012."""

_APPEND_ACTIONS = ("find", "insert", "listIndexes")
_WRITE_ACTIONS = (*_APPEND_ACTIONS, "remove", "update")
_ROLE_EXISTS = 51002

Privileges = dict[str, frozenset[str]]
"""MongoDB's privilege actions by collection. MongoDB refuses every action that is not listed."""


def privileges() -> Privileges:
    """The privileges that the application needs: those for the collections of its documents."""
    return {
        name: frozenset(_APPEND_ACTIONS if name in APPEND_ONLY else _WRITE_ACTIONS)
        for name in sorted({*_collections(Document), *_PREVIOUS_VERSION_ONLY})
    }


def update(database: Database[Any]) -> None:
    """Create the role or update its privileges, without a moment in which its users lack them; may run concurrently.

    The caller's user needs dbOwner on this database. The command updateRole is not used, because it needs privileges on
    all databases.
    """
    _ensure_exists(database)
    needed = privileges()
    database.command("grantPrivilegesToRole", NAME, privileges=_privilege_documents(database, needed))
    surplus = {name: actions - needed.get(name, frozenset()) for name, actions in granted(database).items()}
    if revoked := _privilege_documents(database, {name: actions for name, actions in surplus.items() if actions}):
        database.command("revokePrivilegesFromRole", NAME, privileges=revoked)


def granted(database: Database[Any]) -> Privileges:
    """The privileges that the role has now."""
    [role] = database.command("rolesInfo", NAME, showPrivileges=True)["roles"]
    return {one["resource"]["collection"]: frozenset(one["actions"]) for one in role["privileges"]}


def _ensure_exists(database: Database[Any]) -> None:
    try:
        database.command("createRole", NAME, privileges=[], roles=[])
    except OperationFailure as error:
        if error.code != _ROLE_EXISTS:
            raise


def _privilege_documents(database: Database[Any], actions_by_collection: Privileges) -> list[dict[str, Any]]:
    return [
        {"resource": {"db": database.name, "collection": name}, "actions": sorted(actions)}
        for name, actions in actions_by_collection.items()
    ]


def _collections(kind: type[Any]) -> Iterator[str]:
    for one in kind.__subclasses__():
        if not one._meta.get("abstract"):  # noqa: SLF001  MongoEngine has no public API for it
            yield one._get_collection_name()  # noqa: SLF001
        yield from _collections(one)
