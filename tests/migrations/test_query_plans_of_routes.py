"""No route goes through a whole collection, nor sorts in memory."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from mongoengine.connection import get_db

from arthomed.core.permissions import Role
from tests import factories
from tests.architecture.test_permissions import TABLE, make_world, ask
from tests.migrations.plans import poor, recorded

_WIDEST = (Role.ADMIN, Role.RECEPTIONIST, Role.PATIENT, Role.DOCTOR)


@pytest.mark.parametrize("route", sorted(TABLE), ids=" ".join)
def test_a_route_uses_indexes_and_sorts_nothing_in_memory(
    client: FlaskClient, app: Flask, route: tuple[str, str]
) -> None:
    row = TABLE[route]
    world = make_world(app, next(role for role in _WIDEST if role in row.roles), row.status)

    with recorded(get_db()) as asked:
        answer = ask(client, route, world, world.one_that_may_be_reached(row))

    assert answer.status_code < 300, answer.text
    assert asked
    assert poor(asked, get_db()) == []


def test_a_lookup_that_sorts_in_memory_would_be_noticed(client: FlaskClient) -> None:
    lookup = {"$lookup": {"from": "slots", "pipeline": [{"$match": {}}, {"$sort": {"endTime": 1}}], "as": "slots"}}

    with recorded(get_db()) as asked:
        list(get_db().sessions.aggregate([{"$match": {"_id": factories.NOBODY}}, lookup]))

    assert poor(asked, get_db()) == [lookup["$lookup"]]
