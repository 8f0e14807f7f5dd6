"""What the OpenAPI document says beyond schemas: ids, access, errors with their codes, headers, possible examples."""

import json
import re
from typing import Any

import pytest

from tests.contract.operations import Operation, appointments_in, codes_of, content_of, errors_of, resolved


def test_every_operation_has_an_id_of_its_own(operations: dict[str, Operation]) -> None:
    ids = [operation.get("operationId") for operation in operations.values()]
    assert all(ids)
    assert len(set(ids)) == len(ids)


def test_description_of_an_operation_says_who_may_call_it(operations: dict[str, Operation]) -> None:
    for name, operation in operations.items():
        if name == "POST /api/auth/logout":
            assert "Needs a well-signed token" in operation["description"]
        elif "security" in operation:
            assert f"Permission: `{operation['x-permission']}`." in operation["description"], name
            assert f"Roles: {', '.join(operation['x-roles'])}." in operation["description"], name
        else:
            assert "Needs no token." in operation["description"], name


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("POST /api/appointments/book", "Idempotency-Key"),
        ("PUT /api/appointments/{appointment_id}/status", "one hour before"),
        ("PUT /api/appointments/{appointment_id}/cancel", "refundInfo"),
        ("PUT /api/appointments/{appointment_id}", "Receptionists"),
        ("POST /api/auth/verify-otp", "purpose"),
        ("GET /api/users/{user_id}", "patientInfo"),
    ],
)
def test_operation_with_rules_describes_them(operations: dict[str, Operation], name: str, words: str) -> None:
    assert words in operations[name]["description"]


def test_every_response_documents_the_headers_of_rate_limits(
    document: dict[str, Any], operations: dict[str, Operation]
) -> None:
    limits = {"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"}
    for name, operation in operations.items():
        for status, response in operation["responses"].items():
            headers = set(resolved(document, response).get("headers", {}))
            assert limits <= headers, (name, status)
            assert ("Retry-After" in headers) is (status in ("423", "429", "503")), (name, status)
    for header in limits:
        assert resolved(document, {"$ref": f"#/components/headers/{header}"})["description"]


def test_every_error_example_has_its_own_code_and_the_status_of_its_response(
    document: dict[str, Any], operations: dict[str, Operation]
) -> None:
    for name, operation in operations.items():
        for status, response in errors_of(document, operation).items():
            examples = content_of(response)["examples"]
            for code, example in examples.items():
                error = example["value"]["error"]
                assert (error["code"], error["statusCode"]) == (code, int(status)), name
                assert f"`{code}`" in response["description"], name


FEATURES_ERRORS = {
    "POST /api/auth/send-otp": {"ACCOUNT_LOCKED", "RATE_LIMIT_EXCEEDED"},
    "POST /api/auth/verify-otp": {"OTP_INVALID", "OTP_EXPIRED", "OTP_MAX_ATTEMPTS", "ACCOUNT_LOCKED", "USER_INACTIVE"},
    "POST /api/auth/register": {"OTP_INVALID", "DUPLICATE_VALUE"},
    "POST /api/auth/refresh-token": {"INVALID_TOKEN", "TOKEN_EXPIRED", "SESSION_REVOKED"},
    "POST /api/appointments/book": {
        "SLOT_UNAVAILABLE",
        "DUPLICATE_VALUE",
        "BOOKING_LIMIT_REACHED",
        "NOT_FOUND",
        "IDEMPOTENCY_KEY_REUSED",
        "INVALID_FILE_TYPE",
        "FILE_TOO_LARGE",
        "TOO_MANY_FILES",
    },
    "PUT /api/appointments/{appointment_id}/status": {"INVALID_STATUS_TRANSITION", "TOO_LATE", "SLOT_UNAVAILABLE"},
    "PUT /api/appointments/{appointment_id}/cancel": {"INVALID_STATUS_TRANSITION", "TOO_LATE"},
    "PUT /api/appointments/{appointment_id}": {"TOO_LATE", "PERMISSION_DENIED", "NOT_FOUND"},
    "POST /api/files/upload/appointments": {"INVALID_FILE_TYPE", "FILE_TOO_LARGE", "TOO_MANY_FILES", "TOO_LATE"},
    "GET /api/files/{filename}": {"FILE_NOT_READY", "PRECONDITION_FAILED", "REQUESTED_RANGE_NOT_SATISFIABLE"},
    "POST /api/users/profile/erasure": {"OTP_INVALID", "TOO_LATE"},
    "POST /api/users": {"DUPLICATE_VALUE"},
    "PUT /api/users/{user_id}": {"DUPLICATE_VALUE", "NOT_FOUND"},
    "GET /api/appointments/slots": {"NOT_FOUND"},
}


@pytest.mark.parametrize("name", FEATURES_ERRORS)
def test_operation_lists_the_codes_of_its_rules(
    document: dict[str, Any], operations: dict[str, Operation], name: str
) -> None:
    assert codes_of(document, operations[name]) >= FEATURES_ERRORS[name]


def test_no_operation_lists_a_code_that_it_cannot_give(
    document: dict[str, Any], operations: dict[str, Operation]
) -> None:
    codes = {name: codes_of(document, operation) for name, operation in operations.items()}
    tokens = {"NO_TOKEN", "PERMISSION_DENIED"}

    assert {name for name, found in codes.items() if "SLOT_UNAVAILABLE" in found} == {
        "POST /api/appointments/book",
        "POST /api/appointments/manual",
        "PUT /api/appointments/{appointment_id}/reschedule",
        "PUT /api/appointments/{appointment_id}/status",
        "PUT /api/appointments/{appointment_id}/undo",
    }
    with_permission = [name for name, operation in operations.items() if "x-permission" in operation]
    assert not [name for name in with_permission if not tokens <= codes[name]]
    assert not [name for name, found in codes.items() if "NO_TOKEN" in found and "security" not in operations[name]]


def test_logout_lists_no_code_of_a_session_because_it_works_after_the_end_of_one(
    document: dict[str, Any], operations: dict[str, Operation]
) -> None:
    codes = codes_of(document, operations["POST /api/auth/logout"])

    assert codes >= {"NO_TOKEN", "INVALID_TOKEN"}
    assert not codes & {"TOKEN_EXPIRED", "SESSION_REVOKED", "USER_INACTIVE", "USER_NOT_FOUND", "PERMISSION_DENIED"}


def test_every_id_is_documented_as_in_either_case(document: dict[str, Any], operations: dict[str, Operation]) -> None:
    patterns = set(re.findall(r'"pattern": "([^"]*\{24}[^"]*)"', json.dumps([document, operations])))

    assert patterns
    assert all(re.fullmatch(pattern, "672B1234a1b2c3d4e5f60718") for pattern in patterns)


def test_every_example_of_an_appointment_is_possible(operations: dict[str, Operation]) -> None:
    appointments = list(appointments_in(operations))

    assert {one["status"] for one in appointments} >= {"pending", "confirmed", "cancelled"}
    for one in appointments:
        assert ("cancellation" in one) is (one["status"] == "cancelled")
        assert one["history"][-1]["to"] == one["status"]
        assert [change["from"] for change in one["history"]] == [None, *(step["to"] for step in one["history"][:-1])]
        assert one["startsAt"] == "2026-12-01T04:00:00.000Z"  # 09:30 at the clinic


def test_examples_of_people_slots_and_counts_are_possible(operations: dict[str, Operation]) -> None:
    def example(name: str, status: str = "200") -> Any:
        return content_of(operations[name]["responses"][status])["example"]["data"]

    slots = example("GET /api/appointments/slots")
    assert {(one["isAvailable"], one["bookedPatients"]) for one in slots["availableSlots"]} == {(True, 0)}
    assert {(one["isAvailable"], one["bookedPatients"]) for one in slots["bookedSlots"]} == {(False, 1)}
    assert "doctorInfo" not in example("GET /api/users/profile")["user"]
    left = example("DELETE /api/users/{user_id}")
    assert (left["user"]["role"], left["user"]["isActive"], "patientInfo" in left["user"]) == ("doctor", False, False)
    assert example("POST /api/auth/register", "201")["isNewUser"] is True
    for stats in (example("GET /api/appointments/stats")["byStatus"], example("GET /api/users/stats")["byRole"]):
        assert sum(stats.values()) in (3, 120)
