"""Valid raw documents of each collection; a test overrides single fields."""

from datetime import UTC, datetime
from typing import Any

from bson import ObjectId

DAY, STARTS_AT = datetime(2026, 12, 1, tzinfo=UTC), datetime(2026, 12, 1, 3, 30, tzinfo=UTC)


def slot(**parts: Any) -> dict[str, Any]:
    valid = {
        "doctor": ObjectId(),
        "date": DAY,
        "startTime": "09:00",
        "endTime": "09:30",
        "startsAt": STARTS_AT,
        "isAvailable": True,
        "isBlocked": False,
        "maxPatients": 2,
        "bookedPatients": 1,
        "takenSeats": [1],
    }
    return {"_id": ObjectId(), **valid, **parts}


def appointment(**parts: Any) -> dict[str, Any]:
    valid = {
        "patient": ObjectId(),
        "doctor": ObjectId(),
        "slot": ObjectId(),
        "seat": 1,
        "appointmentDate": DAY,
        "appointmentTime": "09:00",
        "startsAt": STARTS_AT,
        "status": "pending",
    }
    return {"_id": ObjectId(), **valid, **parts}


def user(**parts: Any) -> dict[str, Any]:
    valid = {"mobileNumber": "9876543210", "name": "Asha", "role": "patient", "isActive": True, "isVerified": True}
    return {"_id": ObjectId(), **valid, **parts}


def code(**parts: Any) -> dict[str, Any]:
    valid = {"mobileNumber": "9876543210", "otp": "a" * 64, "attempts": 0, "isUsed": False, "expiresAt": STARTS_AT}
    return {"_id": ObjectId(), **valid, **parts}


def session(**parts: Any) -> dict[str, Any]:
    valid = {"user": ObjectId(), "role": "patient", "generation": 0, "expiresAt": STARTS_AT, "lastUsedAt": STARTS_AT}
    return {"_id": ObjectId(), **valid, "platform": "android", "updatedAt": STARTS_AT, **parts}


def message(**parts: Any) -> dict[str, Any]:
    valid = {"subject": ObjectId(), "kind": "code", "version": 1, "channel": "sms", "state": "waiting"}
    return {"_id": ObjectId(), **valid, "dueAt": STARTS_AT, **parts}


def file(**parts: Any) -> dict[str, Any]:
    file_id = ObjectId()
    valid = {
        "filename": f"appointment_{file_id}_1764547200000_report_s.jpg",
        "key": f"appointments/reports/2026/12/appointment_{file_id}_1764547200000_report_s.jpg",
        "kind": "appointments",
        "category": "reports",
        "record": ObjectId(),
        "owner": ObjectId(),
        "uploader": ObjectId(),
        "originalName": "report.jpg",
        "mimeType": "image/jpeg",
        "size": 1,
        "sha256": "a" * 64,
        "state": "ready",
        "attachedAt": STARTS_AT,
        "createdAt": STARTS_AT,
    }
    return {"_id": file_id, **valid, **parts}


def event(**parts: Any) -> dict[str, Any]:
    valid = {"at": STARTS_AT, "action": "read", "kind": "file", "records": [ObjectId()], "subjects": []}
    return {"_id": ObjectId(), **valid, **parts}


def export(**parts: Any) -> dict[str, Any]:
    valid = {"user": ObjectId(), "state": "waiting", "askedAt": STARTS_AT, "expiresAt": STARTS_AT}
    return {"_id": ObjectId(), **valid, **parts}


def failed_job(**parts: Any) -> dict[str, Any]:
    valid = {"job": "sms.send", "ids": ["1"], "error": "InvalidId", "attempts": 1, "firstFailedAt": STARTS_AT}
    return {"_id": f"sms.send:{ObjectId()}", **valid, "lastFailedAt": STARTS_AT, "requestId": None, **parts}


def display_key(**parts: Any) -> dict[str, Any]:
    valid = {
        "name": "Hall",
        "digest": "a" * 64,
        "rooms": [{"doctor": ObjectId(), "room": "1"}],
        "createdBy": ObjectId(),
    }
    return {"_id": ObjectId(), **valid, "createdAt": STARTS_AT, "updatedAt": STARTS_AT, **parts}


def dependent(**parts: Any) -> dict[str, Any]:
    valid = {"owner": ObjectId(), "name": "Aarav", "relationship": "son", "isActive": True}
    return {"_id": ObjectId(), **valid, "createdAt": STARTS_AT, "updatedAt": STARTS_AT, **parts}


def cache_tag(**parts: Any) -> dict[str, Any]:
    return {"_id": f"doctors:{ObjectId()}", "version": b"random bytes", "changedAt": STARTS_AT, **parts}


def payment(**parts: Any) -> dict[str, Any]:
    valid = {"appointment": ObjectId(), "patient": ObjectId(), "receiptNumber": "2026-27/000001", "kind": "payment"}
    people = {"receivedBy": ObjectId(), "createdBy": ObjectId()}
    return {"_id": ObjectId(), **valid, **people, "amount": 500, "method": "cash", "at": STARTS_AT, **parts}
