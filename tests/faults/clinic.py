"""A client of a running stack: it inserts people and slots into the database, and sends requests to the API."""

import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Any, Self, TypeVar
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx
import jwt
from bson import ObjectId
from pymongo import MongoClient

from arthomed.auth.models import Session
from arthomed.core import clock
from arthomed.core.permissions import Role
from arthomed.http.signed_tokens import ALGORITHM, AUDIENCE, ISSUER
from arthomed.scheduling.models import Slot
from arthomed.users.models import DoctorInfo, PatientInfo, User
from tests.factories import new_mobile
from tests.stack import Stack, children, wait_for

SECRET = "only-for-development-and-test-access"
ZONE = ZoneInfo("Asia/Kolkata")
DAY = clock.now().date() + timedelta(days=3)  # beyond every notice period, in every time zone
T = TypeVar("T")
R = TypeVar("R")
Headers = dict[str, str]


@dataclass(frozen=True)
class Person:
    """A user with a session; `headers` authenticate a request."""

    id: ObjectId
    headers: Headers


class Clinic:
    """The API of a stack, direct or through the proxy at `url`, and its database."""

    def __init__(self, stack: Stack, *, url: str | None = None, timeout: float = 30) -> None:
        self.stack = stack
        limits = httpx.Limits(max_connections=300, max_keepalive_connections=300)
        self.api = httpx.Client(base_url=f"{url or stack.url}/api", timeout=timeout, limits=limits)
        self._mongo: MongoClient[dict[str, Any]] = MongoClient(stack.env["MONGODB_URI"], tz_aware=True)
        self.database = self._mongo.get_default_database()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.api.close()
        self._mongo.close()

    def users(self, role: Role, how_many: int) -> list[Person]:
        """Insert new users with sessions."""
        users = [_user(role) for _ in range(how_many)]
        sessions = [_session(user) for user in users]
        self.database.users.insert_many([user.to_mongo() for user in users])
        self.database.sessions.insert_many([session.to_mongo() for session in sessions])
        return [
            Person(user.id, {"Authorization": f"Bearer {_token(user.id, session.id)}"})
            for user, session in zip(users, sessions, strict=True)
        ]

    def patients(self, how_many: int) -> list[Person]:
        return self.users(Role.PATIENT, how_many)

    def person(self, role: Role) -> Person:
        return self.users(role, 1)[0]

    def doctor(self, *, slots: int, capacity: int = 1, day: date = DAY) -> ObjectId:
        """Insert a doctor with consecutive slots of half an hour from midnight."""
        doctor = _user(Role.DOCTOR)
        self.database.users.insert_one(doctor.to_mongo())
        times = [f"{index // 2:02}:{index % 2 * 30:02}" for index in range(slots + 1)]
        self.database.slots.insert_many(
            [_slot(doctor.id, day, start, end, capacity).to_mongo() for start, end in pairwise(times)]
        )
        return ObjectId(doctor.id)

    def doctor_of_today(self, *, slots: int) -> ObjectId:
        """Insert a doctor with free slots of today, whatever the time is: they begin in the next minutes."""
        doctor = self.doctor(slots=slots, day=clock.today(ZONE))
        for nth, time in enumerate(self.times(doctor)):
            starts_at = clock.now() + timedelta(minutes=nth)
            self.database.slots.update_one({"doctor": doctor, "startTime": time}, {"$set": {"startsAt": starts_at}})
        return doctor

    def walk_in(self, desk: Person, doctor: ObjectId, mobile: str, **headers: str) -> httpx.Response:
        body = {"doctorId": str(doctor), "mobileNumber": mobile, "name": "Asha Verma", "isWalkIn": True}
        return self.api.post("/appointments/manual", json=body, headers={**desk.headers, **headers})

    def tokens(self, doctor: ObjectId) -> list[int]:
        """The tokens of a doctor's patients, in order."""
        found = self.database.appointments.find({"doctor": doctor}, {"queue": 1})
        return sorted(one["queue"]["token"] for one in found)

    def times(self, doctor: ObjectId) -> list[str]:
        """Find the start times of a doctor's slots."""
        return [slot["startTime"] for slot in self.database.slots.find({"doctor": doctor}).sort("startTime")]

    def book(self, patient: Person, doctor: ObjectId, time: str = "00:00", **headers: str) -> httpx.Response:
        return self.api.post(
            "/appointments/book", json=booking_body(doctor, time), headers={**patient.headers, **headers}
        )

    def change_status(self, actor: Person, appointment_id: str, status: str, **fields: str) -> httpx.Response:
        return self.api.put(
            f"/appointments/{appointment_id}/status", json={"status": status, **fields}, headers=actor.headers
        )

    @contextmanager
    def conflicting_transaction(self, doctor: ObjectId) -> Iterator[None]:
        """Hold a transaction that has written to a doctor's slots, so that bookings of them must wait."""
        with self._mongo.start_session() as session, session.start_transaction():
            self.database.slots.update_many({"doctor": doctor}, {"$set": {"touched": True}}, session=session)
            yield
            session.abort_transaction()

    def transactions_started(self) -> int:
        """Count the transactions since mongod started."""
        return int(self._mongo.admin.command("serverStatus")["transactions"]["totalStarted"])

    def is_available(self) -> bool:
        """Whether all web processes respond; enough requests are sent to reach each."""
        responses = in_parallel(lambda _: self.api.get("/auth/me"), range(16))
        return {response.status_code for response in responses} == {401}

    def audit(self) -> str:
        """Run `flask audit`; returns its output."""
        return self.stack.flask("audit", check=False).stdout


AUDIT_PASSED = "Appointments and slots are consistent.\n"


def booking_body(doctor: ObjectId, time: str) -> dict[str, str]:
    """The body of a booking request."""
    return {"doctorId": str(doctor), "appointmentDate": DAY.isoformat(), "appointmentTime": time, "reason": "Headache"}


def in_parallel(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Call `work` for all items at once, each in its own thread."""
    given = list(items)
    with ThreadPoolExecutor(len(given)) as pool:
        return list(pool.map(work, given))


def final_response(request: Callable[[], httpx.Response], *, seconds: float = 60) -> httpx.Response:
    """Send a request again, as the app does, until a server responds with anything but 503."""

    def try_once() -> httpx.Response | None:
        with suppress(httpx.TransportError):
            response = request()
            return None if response.status_code == 503 else response
        return None

    return wait_for(try_once, seconds=seconds, what="a final response")


def outcomes(responses: Iterable[httpx.Response]) -> Counter[tuple[int, str]]:
    """Count responses by status and error code."""
    return Counter((response.status_code, error_code(response)) for response in responses)


def error_code(response: httpx.Response) -> str:
    """The code of an error, OK for a success."""
    return str(response.json().get("error", {}).get("code", "OK"))


def _user(role: Role) -> User:
    user = User(id=ObjectId(), role=role, mobile_number=new_mobile(), name=f"Test {role.title()}")
    user.is_verified = True
    if role is Role.DOCTOR:
        user.doctor_info = DoctorInfo(specialization="Cardiology", consultation_fee=500)
    if role is Role.PATIENT:
        user.patient_info = PatientInfo()
    return user


def _session(user: User) -> Session:
    now = clock.now()
    return Session(id=ObjectId(), user=user.id, role=user.role, rotated_at=now, expires_at=now + timedelta(days=1))


def _slot(doctor: ObjectId, day: date, start: str, end: str, capacity: int) -> Slot:
    starts_at = clock.midnight_utc(day) + timedelta(hours=int(start[:2]), minutes=int(start[3:]))
    return Slot(
        id=ObjectId(),
        doctor=doctor,
        date=clock.midnight_utc(day),
        start_time=start,
        end_time=end,
        starts_at=starts_at - timedelta(hours=5, minutes=30),
        max_patients=capacity,
        consultation_fee=500,
    )


def _token(user_id: ObjectId, session_id: ObjectId) -> str:
    now = clock.now()
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(user_id),
        "sid": str(session_id),
        "type": "access",
        "fresh": False,
        "jti": uuid4().hex,
        "iat": now,
        "exp": now + timedelta(hours=1),
    }
    return jwt.encode(claims, SECRET, algorithm=ALGORITHM)


def kill_at_random(stack: Stack, *, kills: int, until: Callable[[], bool]) -> None:
    """Kill web processes at random moments, and every tenth time their master, which is then started again."""
    pause = threading.Event()
    for nth in range(1, kills + 1):
        assert stack.web
        pause.wait(random.uniform(0.02, 0.15))
        if until():
            return
        if nth % 10 == 0:
            os.kill(stack.web.pid, signal.SIGKILL)
            stack.web.wait()
            stack.start_web()
        elif victims := children(stack.web.pid):
            with suppress(ProcessLookupError):
                os.kill(random.choice(victims), signal.SIGKILL)
