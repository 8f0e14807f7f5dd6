"""The search for leaks finds all of them and nothing else."""

import pytest

from tests.whole_suite.leaks import leaks

PEOPLE = ["Asha Sharma", "Ravi", "ਗੁਰਪ੍ਰੀਤ ਸਿੰਘ", "asha@example.com", "0123456789", "info", "0", "  ", "12345"]
TOKEN = "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("kind", "value", "line"),
    [
        ("person", "Asha Sharma", '{"event": "booked", "patient": "Asha Sharma"}'),
        ("person", "Ravi", "Hello Ravi, your appointment is confirmed"),
        ("person", "ਗੁਰਪ੍ਰੀਤ ਸਿੰਘ", "name=ਗੁਰਪ੍ਰੀਤ ਸਿੰਘ"),
        ("person", "asha@example.com", "refused: <asha@example.com>"),
        ("person", "0123456789", "to 0123456789"),
        ("mobile number", "9876543210", 'dup key: { mobileNumber: "9876543210" }'),
        ("mobile number", "+919876543210", "to=+919876543210"),
        ("mobile number", "919876543210", "to=919876543210"),
        ("code", "482913", "482913 is your code"),
        ("code", "048291", "otp='048291'."),
        ("token", TOKEN, f"token={TOKEN}"),
        ("authorization", "Bearer abc", "'Authorization': 'Bearer abc'"),
        ("authorization", "bearer abc", "authorization: bearer abc"),
    ],
)
def test_leak_is_found(kind: str, value: str, line: str) -> None:
    assert [(leak.kind, leak.value) for leak in leaks(["a line before", line], PEOPLE)] == [(kind, value)]


@pytest.mark.parametrize(
    "line",
    [
        "2026-11-22T23:54:31.235864Z [info     ] request  duration=12.345678 statusCode=200",
        "[error    ] [4123456] Worker (pid:412345) was sent SIGKILL! [gunicorn.error]",
        "[info     ] Booting worker with pid: 412345 [gunicorn.error]",
        "Task sms.send[ea5cab25-ba08-4f99-8ba6-389876543210] raised unexpected: InvalidId",
        "appointment_id=6b0380b74fe3ba310770f686 request_id=9a5428e986804da9913af10ed801da12",
        "request_id=12345678901234567890123456789012 userId=987654321098765432109876",
        "duration=123456.7 ip=127.0.0.1 code=OTP_INVALID WWW-Authenticate: Bearer",
        "Ravindra and information, 12345 of 100000000",
    ],
)
def test_harmless_line_is_no_leak(line: str) -> None:
    assert list(leaks([line], PEOPLE)) == []


def test_leak_names_its_kind_value_and_line() -> None:
    (leak,) = leaks(["sms_caught text='482913 is your code'"], [])
    assert str(leak) == "code '482913' in: sms_caught text='482913 is your code'"
