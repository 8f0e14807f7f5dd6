"""No route scans a whole collection or sorts in memory."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from mongoengine.connection import get_db

from arthomed.core.permissions import Role
from tests import factories
from tests.architecture.test_permissions import TABLE, call_route, make_world
from tests.migrations.plans import inefficient, profiled

_ROLES_BY_ACCESS = (Role.ADMIN, Role.RECEPTIONIST, Role.PATIENT, Role.DOCTOR)


@pytest.mark.long
@pytest.mark.parametrize("route", sorted(TABLE), ids=" ".join)
def test_a_route_uses_indexes_and_sorts_nothing_in_memory(
    client: FlaskClient, app: Flask, route: tuple[str, str]
) -> None:
    row = TABLE[route]
    world = make_world(app, next(role for role in _ROLES_BY_ACCESS if role in row.roles), row.status)

    with profiled(get_db()) as operations:
        response = call_route(client, route, world, world.accessible_record(row))

    assert response.status_code < 300, response.text
    assert operations
    assert inefficient(operations, get_db()) == []


def test_a_lookup_that_sorts_in_memory_is_found(client: FlaskClient) -> None:
    lookup = {"$lookup": {"from": "slots", "pipeline": [{"$match": {}}, {"$sort": {"endTime": 1}}], "as": "slots"}}

    with profiled(get_db()) as operations:
        list(get_db().sessions.aggregate([{"$match": {"_id": factories.UNKNOWN_ID}}, lookup]))

    assert inefficient(operations, get_db()) == [lookup["$lookup"]]
