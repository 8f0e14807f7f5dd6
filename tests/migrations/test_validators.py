"""The validators of the database refuse invalid documents."""

from collections.abc import Callable
from typing import Any

import pytest
from pymongo.database import Database
from pymongo.errors import WriteError

from tests import factories
from tests.migrations import records

MISSING = "missing"
Document = dict[str, Any]
Make = Callable[..., Document]
VALID: dict[str, Make] = {
    "slots": records.slot,
    "appointments": records.appointment,
    "users": records.user,
    "otps": records.code,
    "sessions": records.session,
    "notifications": records.message,
    "files": records.file,
    "audit_events": records.event,
    "exports": records.export,
    "failed_jobs": records.failed_job,
    "cache_tags": records.cache_tag,
    "display_keys": records.display_key,
    "payments": records.payment,
}
INVALID: dict[str, list[Document]] = {
    "slots": [
        {"doctor": MISSING},
        {"doctor": "672b1234a1b2c3d4e5f60718"},
        {"startsAt": MISSING},
        {"startsAt": "2026-12-01T03:30:00Z"},
        {"takenSeats": MISSING},
        {"takenSeats": [1, 1], "bookedPatients": 2},
        {"takenSeats": [0]},
        {"takenSeats": ["1"]},
        {"maxPatients": 0, "bookedPatients": 0, "takenSeats": []},
        {"maxPatients": "2"},
        {"bookedPatients": MISSING},
        {"blockReason": "holiday"},
        {"isExtra": "yes"},
        {"bookedPatients": 0},
        {"bookedPatients": 2},
        {"bookedPatients": 3, "takenSeats": [1, 2, 3]},
        {"startTime": "09:30"},
        {"startTime": "10:00"},
    ],
    "appointments": [
        *({name: MISSING} for name in ("patient", "doctor", "seat", "appointmentDate", "startsAt", "status")),
        {"patient": "672b1234a1b2c3d4e5f60718"},
        {"slot": None},
        {"seat": 0},
        {"seat": "1"},
        {"startsAt": "2026-12-01"},
        {"status": "open"},
        {"status": "Confirmed"},
    ],
    "users": [
        {"role": "root"},
        {"role": MISSING},
        {"mobileNumber": "12345"},
        {"mobileNumber": "+919876543210"},
        {"name": ""},
        {"isActive": "yes"},
    ],
    "otps": [{"otp": "123456"}, {"attempts": 4}, {"attempts": -1}, {"expiresAt": MISSING}],
    "sessions": [
        *({name: MISSING} for name in ("user", "role", "generation", "expiresAt")),
        {"user": "672b1234a1b2c3d4e5f60718"},
        {"platform": "windows"},
        {"lastUsedAt": "2026-12-01"},
    ],
    "notifications": [
        {"channel": "fax"},
        {"state": "lost"},
        {"dueAt": MISSING},
        {"usefulUntil": "2026-12-01"},
        {"fallback": "sms"},
        {"fallbackAt": "2026-12-01"},
        {"receipt": {"sid": "SM1", "arrival": "seen", "rank": 1, "at": records.STARTS_AT}},
        {"receipt": {"sid": "SM1", "arrival": "sent"}},
    ],
    "files": [
        *({name: MISSING} for name in ("filename", "key", "record", "owner", "uploader", "sha256", "createdAt")),
        {"kind": "invoices"},
        {"record": "672b1234a1b2c3d4e5f60718"},
        {"size": 0},
        {"sha256": "A" * 64},
        {"state": "clean"},
    ],
    "audit_events": [
        *({name: MISSING} for name in ("at", "records", "subjects")),
        {"action": "look"},
        {"search": "Asha"},
        {"search": {"filters": {"search": "Asha"}}},
        {"search": {"filters": {}, "found": -1}},
        {"subjects": ["672b1234a1b2c3d4e5f60718"]},
    ],
    "exports": [{"state": "lost"}, {"askedAt": MISSING}, {"expiresAt": "2026-12-01"}],
    "failed_jobs": [
        *({name: MISSING} for name in ("job", "ids", "error", "attempts", "firstFailedAt", "lastFailedAt")),
        {"ids": [1]},
        {"error": "9876543210 is taken"},
        {"attempts": 0},
    ],
    "display_keys": [{"digest": "the key itself"}, {"rooms": []}, {"rooms": MISSING}, {"createdBy": MISSING}],
    "payments": [
        *({name: MISSING} for name in ("appointment", "patient", "receiptNumber", "receivedBy", "createdBy", "at")),
        {"receiptNumber": "2026/1"},
        {"kind": "gift"},
        {"method": "cheque"},
        {"amount": 0},
        {"amount": -1},
        {"amount": 99.5},
        {"kind": "refund"},
        {"kind": "correction"},
        {"corrects": factories.UNKNOWN_ID},
    ],
    "cache_tags": [{"_id": 1}, {"version": MISSING}, {"version": "text"}, {"changedAt": MISSING}],
}
CASES = [(collection, invalid) for collection, rows in INVALID.items() for invalid in rows]


def invalid_document(collection: str, invalid: Document) -> Document:
    return {name: value for name, value in VALID[collection](**invalid).items() if value is not MISSING}


def case_id(value: object) -> str:
    return str(value) if isinstance(value, str) else ", ".join(f"{k}={v}" for k, v in value.items())  # type: ignore[attr-defined]


@pytest.mark.parametrize("collection", VALID)
def test_a_valid_document_is_accepted(database: Database[Document], collection: str) -> None:
    assert database[collection].insert_one(VALID[collection]()).acknowledged


def test_a_search_is_accepted_in_the_audit_trail(database: Database[Document]) -> None:
    search = records.event(action="search", records=[], search={"filters": {"search": "Asha"}, "found": 1})

    assert database.audit_events.insert_one(search).acknowledged


@pytest.mark.parametrize(("collection", "invalid"), CASES, ids=case_id)
def test_an_invalid_document_is_refused(database: Database[Document], collection: str, invalid: Document) -> None:
    with pytest.raises(WriteError):
        database[collection].insert_one(invalid_document(collection, invalid))
