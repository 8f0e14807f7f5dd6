"""From a one-time code to a confirmed visit, over HTTP and all the processes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tests.stack import Stack, wait_for

ASHA, RECEPTION = "9000000021", "9000000002"


def test_patient_signs_in_books_and_is_told_of_the_confirmation(stack: Stack) -> None:
    with httpx.Client(base_url=f"{stack.url}/api", timeout=10) as api:
        patient, reception = sign_in(stack, api, ASHA), sign_in(stack, api, RECEPTION)
        doctor = ok(api.get("/users/doctors", params={"search": "Leela"}, headers=patient))["items"][0]
        day, time = first_free(api, doctor["_id"], patient)
        wish = {"doctorId": doctor["_id"], "appointmentDate": day, "appointmentTime": time, "reason": "A rash"}
        visit = ok(api.post("/appointments/book", json=wish, headers=patient))["appointment"]
        assert visit["status"] == "pending"

        pages = ok(api.get("/appointments/pending", headers=reception))["pagination"]["pages"]
        newest = ok(api.get("/appointments/pending", params={"page": pages}, headers=reception))["items"]
        assert visit["_id"] in [one["_id"] for one in newest]
        moved = ok(api.put(f"/appointments/{visit['_id']}/status", json={"status": "confirmed"}, headers=reception))
        assert moved["appointment"]["status"] == "confirmed"

    for address in (ASHA, "asha@example.com"):
        assert "Dr Leela Nair" in confirmation(stack, address)
    assert stack.flask("audit").stdout == "The books are in order.\n"


def confirmation(stack: Stack, to: str) -> str:
    """The newest confirmation that was sent there."""
    told = wait_for(
        lambda: [one for one in stack.mailbox(to) if one["kind"] == "appointment-confirmed"], what="the confirmation"
    )
    return str(told[0]["text"])


def sign_in(stack: Stack, api: httpx.Client, mobile: str) -> dict[str, str]:
    ok(api.post("/auth/send-otp", json={"mobileNumber": mobile}))
    code = stack.code_sent_to(mobile)
    signed_in = ok(api.post("/auth/verify-otp", json={"mobileNumber": mobile, "otp": code}))
    return {"Authorization": f"Bearer {signed_in['tokens']['accessToken']}"}


def first_free(api: httpx.Client, doctor_id: str, headers: dict[str, str]) -> tuple[str, str]:
    for offset in range(1, 8):
        day = (datetime.now(UTC) + timedelta(days=offset)).date().isoformat()
        slots = ok(api.get("/appointments/slots", params={"doctorId": doctor_id, "date": day}, headers=headers))
        if slots["availableSlots"]:
            return day, slots["availableSlots"][0]["startTime"]
    raise AssertionError("no free slot in a week")


def ok(answer: httpx.Response) -> Any:
    assert answer.status_code in (200, 201), answer.text
    return answer.json()["data"]
