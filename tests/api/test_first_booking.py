"""From a one-time code to a confirmed appointment, over HTTP and through all processes."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from redis import Redis

from tests.stack import ROOT, Stack, wait_for

ASHA, RECEPTIONIST = "9000000021", "9000000002"


@pytest.mark.usefixtures("without_recent_codes")
def test_patient_signs_in_books_and_receives_the_confirmation_by_sms_and_email(stack: Stack) -> None:
    with httpx.Client(base_url=f"{stack.url}/api", timeout=10) as api:
        patient, receptionist = sign_in(stack, api, ASHA), sign_in(stack, api, RECEPTIONIST)
        doctor = ok(api.get("/users/doctors", params={"search": "Leela"}, headers=patient))["items"][0]
        day, time = first_free(api, doctor["_id"], patient)
        body = {"doctorId": doctor["_id"], "appointmentDate": day, "appointmentTime": time, "reason": "A rash"}
        appointment = ok(api.post("/appointments/book", json=body, headers=patient))["appointment"]
        assert appointment["status"] == "pending"

        pages = ok(api.get("/appointments/pending", headers=receptionist))["pagination"]["pages"]
        last_page = ok(api.get("/appointments/pending", params={"page": pages}, headers=receptionist))["items"]
        assert appointment["_id"] in [one["_id"] for one in last_page]
        confirmed = ok(
            api.put(f"/appointments/{appointment['_id']}/status", json={"status": "confirmed"}, headers=receptionist)
        )
        assert confirmed["appointment"]["status"] == "confirmed"

    for recipient in (ASHA, "asha@example.com"):
        assert "Dr Leela Nair" in confirmation_text(stack, recipient)
    assert stack.flask("audit").stdout == "Appointments and slots are consistent.\n"


@pytest.fixture
def without_recent_codes(stack: Stack) -> None:
    """Nobody has requested a code in the last minute."""
    with Redis.from_url(stack.env["REDIS_URL"]) as redis:
        for key in redis.scan_iter("*resend:*"):
            redis.delete(key)


@pytest.mark.long
@pytest.mark.usefixtures("without_recent_codes")
def test_the_script_of_the_readme_books_twice_in_a_row_and_within_a_minute(stack: Stack) -> None:
    command = [sys.executable, "-I", "dev/first_booking.py", stack.url]  # -I: it needs none of our modules

    runs = [subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False) for _ in "ab"]

    for done in runs:
        assert (done.returncode, done.stderr) == (0, "")
        assert "is confirmed." in done.stdout
        assert done.stdout.endswith(f"Booked and confirmed. All messages: {stack.url}/dev/mailbox\n")
    assert stack.flask("audit").stdout == "Appointments and slots are consistent.\n"


def confirmation_text(stack: Stack, to: str) -> str:
    """The text of the newest confirmation to a number or an e-mail address."""
    confirmations = wait_for(
        lambda: [one for one in stack.mailbox(to) if one["kind"] == "appointment-confirmed"], what="the confirmation"
    )
    return str(confirmations[0]["text"])


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


def ok(response: httpx.Response) -> Any:
    assert response.status_code in (200, 201), response.text
    return response.json()["data"]
