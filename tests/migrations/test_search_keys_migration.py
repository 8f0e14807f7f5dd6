"""Migration 0020 and its downgrade with users in the database."""

from importlib import import_module

from arthomed.infra import migrations
from arthomed.users.models import User
from tests.factories import Records
from tests.migrations.records import STARTS_AT, user

migration = import_module("migrations.0020_search_keys")


def test_all_users_but_erased_ones_get_their_keys(fresh_uri: str, fresh: Records) -> None:
    migrations.upgrade(fresh_uri)
    migration.downgrade(fresh)
    asha, erased = user(name="Asha Verma"), user(mobileNumber=f"erased:{'0' * 24}", erasedAt=STARTS_AT)
    fresh.users.insert_many([asha, erased])

    for _ in range(2):  # an interrupted run is repeated
        migration.upgrade(fresh)

    stored = {one["_id"]: one.get("search") for one in fresh.users.find()}
    made = User(name="Asha Verma", mobile_number=asha["mobileNumber"])
    made.clean()
    assert stored == {asha["_id"]: made.search.to_mongo().to_dict(), erased["_id"]: None}


def test_the_downgrade_removes_keys_and_index(fresh_uri: str, fresh: Records) -> None:
    migrations.upgrade(fresh_uri)
    fresh.users.insert_one(user(search={"keys": ["asha"], "words": ["asha"]}))

    migration.downgrade(fresh)
    migration.downgrade(fresh)

    assert "search" not in (fresh.users.find_one() or {})
    assert "by_search_key" not in fresh.users.index_information()
