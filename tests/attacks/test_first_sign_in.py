"""A new patient's first code, while the process that checks it is killed or the database refuses the session."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from flask.testing import FlaskClient

from arthomed.auth import rules
from arthomed.config import settings
from dev.servers import Mongo, Valkey
from tests import factories
from tests.api.auth.sign_in import MOBILE, code_sent
from tests.api.auth.test_otp import refusing_sessions
from tests.factories import Records, data_of, error_of
from tests.faults.clinic import Clinic, kill_at_random
from tests.stack import stack_with

NUMBERS, KILLS = 60, 12


@pytest.mark.parametrize(("path", "status"), [("/api/auth/verify-otp", 200), ("/api/auth/register", 201)])
def test_a_first_code_is_consumed_with_its_user_and_session_or_not_at_all(
    client: FlaskClient, database: Records, path: str, status: int
) -> None:
    body = {"mobileNumber": MOBILE, "otp": code_sent(client), "name": "Asha Verma"}

    with refusing_sessions(database):
        assert error_of(client.post(path, json=body)) == (500, "INTERNAL_ERROR")

    assert database.users.count_documents({}) == 0
    assert data_of(client.post(path, json=body), status)["user"]["name"] == "Asha Verma"
    assert database.sessions.count_documents({}) == 1
    assert database.audit_events.count_documents({"action": "create"}) == 2


@pytest.mark.long
def test_no_first_code_is_consumed_without_a_session_when_web_processes_are_killed(
    mongo: Mongo, valkey: Valkey, tmp_path: Path
) -> None:
    stack = stack_with(mongo, valkey, tmp_path, redis=6, parts=("web",))
    with stack, Clinic(stack) as clinic:
        sign_in_while_processes_are_killed(clinic)


def sign_in_while_processes_are_killed(clinic: Clinic) -> None:
    numbers = [factories.new_mobile() for _ in range(NUMBERS)]
    for number in numbers:
        clinic.api.post("/auth/send-otp", json={"mobileNumber": number}).raise_for_status()
    codes = {
        one["mobileNumber"]: rules.code_for(one["nonce"], settings().otp_secret) for one in clinic.database.otps.find()
    }

    def sign_in(number: str) -> None:
        with suppress(httpx.TransportError):  # the process was killed
            clinic.api.post("/auth/verify-otp", json={"mobileNumber": number, "otp": codes[number]})

    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(sign_in, number) for number in numbers]
        kill_at_random(clinic.stack, kills=KILLS, until=lambda: all(one.done() for one in futures))
    mine = {"mobileNumber": {"$in": numbers}}
    users = {one["_id"]: one["mobileNumber"] for one in clinic.database.users.find(mine)}
    signed_in = {users[one["user"]] for one in clinic.database.sessions.find({"user": {"$in": list(users)}})}

    assert (
        set(clinic.database.otps.distinct("mobileNumber", {**mine, "isUsed": True})) == signed_in == set(users.values())
    )
    assert signed_in
