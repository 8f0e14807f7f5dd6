"""Users whose stored record has fields that only a newer version of the application has."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.factories import Records, SignedIn, data_of

UNKNOWN = {"version": 2}


@pytest.fixture(autouse=True)
def _newer_version(person: SignedIn, database: Records) -> None:
    added = {"addedLater": UNKNOWN, "profile.addedLater": UNKNOWN}
    database.users.update_one({"_id": person.user.id}, {"$set": {**added, "profile.gender": "female"}})


def stored_user(database: Records, person: SignedIn) -> dict[str, Any]:
    return database.users.find_one({"_id": person.user.id}) or {}


def test_profile_with_unknown_stored_fields_can_be_read(client: FlaskClient, person: SignedIn) -> None:
    user = data_of(client.get("/api/users/profile", headers=person.headers))["user"]

    assert user["profile"]["gender"] == "female"
    assert "addedLater" not in user
    assert "addedLater" not in user["profile"]


@pytest.mark.parametrize(
    "changes",
    [{"name": "Asha Sharma"}, {"profile": {"language": "hi"}}, {"profile": {"gender": None}}],
    ids=["name", "profile field", "cleared profile field"],
)
def test_saving_the_profile_keeps_unknown_stored_fields(
    client: FlaskClient, person: SignedIn, database: Records, changes: dict[str, Any]
) -> None:
    data_of(client.put("/api/users/profile", json=changes, headers=person.headers))

    stored = stored_user(database, person)
    assert (stored["addedLater"], stored["profile"]["addedLater"]) == (UNKNOWN, UNKNOWN)
