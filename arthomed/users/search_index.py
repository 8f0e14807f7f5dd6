"""How search keys are stored in users, and how their index is queried."""

import re
from collections.abc import Iterable, Sequence

from bson import ObjectId, Regex
from mongoengine import ListField, StringField
from pymongo import UpdateOne
from pymongo.collection import Collection

from arthomed.core.documents import ClinicEmbeddedDocument, Raw
from arthomed.users import search
from arthomed.users.search import Prefixes

NAME = "by_search_key"
"""The index on role, key and id (migration 0020). A hint names it, so that all pages of a search have one order."""
_FILL_BATCH = 1_000
_SOURCES = ("name", "mobileNumber", "email", "familyNames")


class SearchKeys(ClinicEmbeddedDocument):
    """What a user is searched by: indexed `keys`, and the `words` of names, which have no index."""

    keys = ListField(StringField())
    words = ListField(StringField())

    @classmethod
    def of(cls, name: str, mobile: str, email: str | None, family: Sequence[str] = ()) -> "SearchKeys":
        keys = [*search.keys_of(name, mobile, email), *search.family_keys_of(family)]
        return cls(keys=keys, words=[*search.words_of(name), *search.family_words_of(family)])


def condition(searched: Sequence[Prefixes]) -> Raw:
    """Match users in one of several ways."""
    return {"$or": [_condition(one) for one in searched]}


def _condition(searched: Prefixes) -> Raw:
    found: Raw = {"search.keys": _begins_with(searched.key)}
    if searched.words:
        found["search.words"] = {"$all": [_begins_with(word) for word in searched.words]}
    return found


def _begins_with(prefix: str) -> Regex[str]:
    """A pattern that MongoDB turns into a range of the index: it has no flags, which `re.compile` would give it."""
    return Regex(f"^{re.escape(prefix)}")


def fill(users: Collection[Raw]) -> int:
    """Store the keys of all users whose keys are missing or wrong; returns the number of users.

    A user who is changed at this moment is left out, because the change stores new keys.
    """
    filled, last = 0, ObjectId("0" * 24)
    while batch := list(_after(users, last)):
        updates = [update for raw in batch if (update := _correction(raw)) is not None]
        filled += users.bulk_write(updates, ordered=False).modified_count if updates else 0
        last = batch[-1]["_id"]
    return filled


def _after(users: Collection[Raw], last: ObjectId) -> Iterable[Raw]:
    remaining = {"_id": {"$gt": last}, "erasedAt": None}
    return users.find(remaining, (*_SOURCES, "search")).sort("_id").limit(_FILL_BATCH)


def _correction(raw: Raw) -> UpdateOne | None:
    sources = {name: raw.get(name) for name in _SOURCES}
    family = raw.get("familyNames", [])
    keys = SearchKeys.of(raw["name"], raw["mobileNumber"], raw.get("email"), family).to_mongo()
    return None if keys == raw.get("search") else UpdateOne({"_id": raw["_id"], **sources}, {"$set": {"search": keys}})
