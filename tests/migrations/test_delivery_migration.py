"""Migration 0010 and its downgrade with messages in the database."""

from importlib import import_module

from arthomed.infra import migrations
from tests.factories import Records
from tests.migrations.records import message, session

migration = import_module("migrations.0010_delivery")


def test_the_downgrade_fails_expired_messages_and_removes_push_messages_and_tokens(
    fresh_uri: str, fresh: Records
) -> None:
    migrations.upgrade(fresh_uri)
    expired, pushed, sent = message(state="expired"), message(channel="push"), message(state="sent")
    phone = session(pushToken="a-token-of-the-tests")
    fresh.notifications.insert_many([expired, pushed, sent])
    fresh.sessions.insert_one(phone)

    for _ in range(2):  # an interrupted run is repeated
        migration.upgrade(fresh)
    migration.downgrade(fresh)

    left = {one["_id"]: one["state"] for one in fresh.notifications.find()}
    assert left == {expired["_id"]: "failed", sent["_id"]: "sent"}
    assert "pushToken" not in (fresh.sessions.find_one() or {})
    assert set(fresh.notifications.index_information()) == {"_id_", "message_once", "due", "of_user"}


def test_old_messages_satisfy_the_new_validator(fresh_uri: str, fresh: Records) -> None:
    migrations.upgrade(fresh_uri)
    migration.downgrade(fresh)
    old = message(state="sent")
    fresh.notifications.insert_one(old)
    migration.upgrade(fresh)

    assert fresh.notifications.update_one({"_id": old["_id"]}, {"$set": {"failure": None}}).modified_count == 1
