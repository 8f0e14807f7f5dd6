"""A user's own family: members without a mobile number (`/api/dependents`)."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from arthomed.audit.models import AuditEvent
from arthomed.core.permissions import Role
from arthomed.users import family
from arthomed.users.dependents import Dependent
from tests import factories
from tests.factories import SignedIn, data_of, error_of, in_parallel, invalid_fields

AARAV = {"name": "Aarav Verma", "relationship": "son", "dateOfBirth": "2018-06-30", "gender": "male"}


@pytest.fixture
def asha(app: Flask, client: FlaskClient) -> SignedIn:
    del client  # it empties the database
    return factories.sign_in(app, factories.make_user(name="Asha Verma"))


def add(client: FlaskClient, caller: SignedIn, **parts: Any) -> TestResponse:
    return client.post("/api/dependents", json={**AARAV, **parts}, headers=caller.headers)


def added(client: FlaskClient, caller: SignedIn, **parts: Any) -> str:
    member_id: str = data_of(add(client, caller, **parts), 201)["dependent"]["_id"]
    return member_id


def names(client: FlaskClient, caller: SignedIn) -> list[str]:
    listed = data_of(client.get("/api/dependents", headers=caller.headers))["dependents"]
    return [one["name"] for one in listed]


def test_member_is_added_and_listed_by_name(client: FlaskClient, asha: SignedIn) -> None:
    shown = data_of(add(client, asha), 201)["dependent"]
    added(client, asha, name="Aai", relationship="mother", dateOfBirth=None, gender=None)

    assert shown == {"_id": shown["_id"], **AARAV}
    assert names(client, asha) == ["Aai", "Aarav Verma"]


@pytest.mark.parametrize("role", Role)
def test_every_role_has_a_family(app: Flask, client: FlaskClient, role: Role) -> None:
    caller = factories.sign_in(app, factories.make_user(role))

    added(client, caller)

    assert names(client, caller) == ["Aarav Verma"]


def test_member_is_written_as_people_type(client: FlaskClient, asha: SignedIn) -> None:
    typed = {"name": "  D\u2019Souza\u00a0 Maria\u200b ", "relationship": " mother-in-law\u00a0"}

    shown = data_of(add(client, asha, **typed), 201)["dependent"]

    assert (shown["name"], shown["relationship"]) == ("D'Souza Maria", "mother-in-law")


@pytest.mark.parametrize("again", ["Aarav Verma", "AARAV verma", " Aarav\u00a0Verma"])
def test_repeated_request_adds_nobody(client: FlaskClient, asha: SignedIn, again: str) -> None:
    first = added(client, asha)

    assert data_of(add(client, asha, name=again, relationship="child"))["dependent"]["_id"] == first
    assert names(client, asha) == ["Aarav Verma"]


def test_of_parallel_requests_one_adds_the_member(app: Flask, asha: SignedIn) -> None:
    responses = in_parallel(8, lambda _: add(app.test_client(), asha))

    assert sorted(one.status_code for one in responses) == [200] * 7 + [201]
    assert Dependent.objects.count() == 1


def test_twins_differ_by_name_and_namesakes_by_date_of_birth(client: FlaskClient, asha: SignedIn) -> None:
    added(client, asha)
    added(client, asha, name="Arjun Verma")
    added(client, asha, dateOfBirth="1950-01-01", relationship="grandfather")

    assert len(names(client, asha)) == 3


def test_family_has_at_most_twenty_members(app: Flask, client: FlaskClient, asha: SignedIn) -> None:
    for number in range(family.MAX_MEMBERS - 1):
        added(client, asha, dateOfBirth=f"2001-01-{number + 1:02}")

    responses = in_parallel(3, lambda at: add(app.test_client(), asha, dateOfBirth=f"1990-01-0{at + 1}"))

    assert sorted(one.status_code for one in responses) == [201, 400, 400]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": None}, "name"),
        ({"relationship": " "}, "relationship"),
        ({"dateOfBirth": "2999-01-01"}, "dateOfBirth"),
        ({"gender": "x"}, "gender"),
        ({"mobileNumber": "9876543210"}, "mobileNumber"),
    ],
)
def test_wrong_field_is_named(client: FlaskClient, asha: SignedIn, wrong: dict[str, Any], field: str) -> None:
    assert invalid_fields(add(client, asha, **wrong)) == [field]


def test_member_is_changed_and_null_clears(client: FlaskClient, asha: SignedIn) -> None:
    path = f"/api/dependents/{added(client, asha)}"

    changes = {"name": "Aarav R Verma", "gender": None}
    shown = data_of(client.put(path, json=changes, headers=asha.headers))["dependent"]

    assert (shown["name"], shown["gender"], shown["dateOfBirth"]) == ("Aarav R Verma", None, "2018-06-30")


def test_member_cannot_become_another_one(client: FlaskClient, asha: SignedIn) -> None:
    added(client, asha)
    path = f"/api/dependents/{added(client, asha, name='Arjun Verma')}"

    refused = client.put(path, json={"name": "Aarav verma"}, headers=asha.headers)

    assert error_of(refused) == (400, "DUPLICATE_VALUE")
    assert names(client, asha) == ["Aarav Verma", "Arjun Verma"]


def test_removed_member_who_is_added_again_is_the_same(client: FlaskClient, asha: SignedIn) -> None:
    member_id = added(client, asha)
    path = f"/api/dependents/{member_id}"

    data_of(client.delete(path, headers=asha.headers))

    assert names(client, asha) == []
    assert error_of(client.delete(path, headers=asha.headers)) == (404, "NOT_FOUND")
    assert added(client, asha, relationship="nephew") == member_id
    [shown] = data_of(client.get("/api/dependents", headers=asha.headers))["dependents"]
    assert shown["relationship"] == "nephew"


@pytest.mark.parametrize("first", [None, "2018-06-30"])
def test_missing_date_of_birth_makes_no_other_member(client: FlaskClient, asha: SignedIn, first: str | None) -> None:
    member_id = added(client, asha, dateOfBirth=first)
    second = None if first else "2018-06-30"

    add(client, asha, dateOfBirth=second)

    [shown] = data_of(client.get("/api/dependents", headers=asha.headers))["dependents"]
    assert (shown["_id"], shown["dateOfBirth"]) == (member_id, "2018-06-30")


def test_date_of_birth_is_asked_for_where_several_members_have_the_name(client: FlaskClient, asha: SignedIn) -> None:
    added(client, asha)
    added(client, asha, dateOfBirth="1950-01-01", relationship="grandfather")

    assert invalid_fields(add(client, asha, dateOfBirth=None)) == ["dateOfBirth"]


@pytest.mark.parametrize("typed", ["Male", " MALE\u00a0"])
def test_gender_is_written_as_people_type(client: FlaskClient, asha: SignedIn, typed: str) -> None:
    assert data_of(add(client, asha, gender=typed), 201)["dependent"]["gender"] == "male"


def test_family_of_another_user_is_not_found(app: Flask, client: FlaskClient, asha: SignedIn) -> None:
    path, stranger = f"/api/dependents/{added(client, asha)}", factories.sign_in(app)

    changed = client.put(path, json={"name": "Mine"}, headers=stranger.headers)
    removed = client.delete(path, headers=stranger.headers)

    assert [error_of(one) for one in (changed, removed)] == [(404, "NOT_FOUND")] * 2
    assert (names(client, stranger), names(client, asha)) == ([], ["Aarav Verma"])


def test_changes_are_recorded(client: FlaskClient, asha: SignedIn) -> None:
    member_id = added(client, asha)
    data_of(client.put(f"/api/dependents/{member_id}", json={"relationship": "nephew"}, headers=asha.headers))
    data_of(client.delete(f"/api/dependents/{member_id}", headers=asha.headers))

    events = AuditEvent.objects(kind="dependent").order_by("id")
    assert [(one.action, one.subjects) for one in events] == [
        (action, [asha.user.id]) for action in ("create", "change", "delete")
    ]
    assert events[1].changes == [{"field": "relationship", "from": "son", "to": "nephew"}]


@pytest.mark.parametrize("typed", ["aarav", "verma aar", "Aarav Verma"])
def test_desk_finds_a_patient_by_the_name_of_a_member(
    app: Flask, client: FlaskClient, asha: SignedIn, typed: str
) -> None:
    desk = factories.sign_in(app, factories.make_user(Role.RECEPTIONIST))
    member_id = added(client, asha)
    query = {"search": typed}

    [found] = data_of(client.get("/api/patients", query_string=query, headers=desk.headers))["items"]
    data_of(client.delete(f"/api/dependents/{member_id}", headers=asha.headers))
    after = data_of(client.get("/api/patients", query_string=query, headers=desk.headers))["items"]

    assert found["_id"] == str(asha.user.id)
    assert after == []
