"""People, slots and visits written straight into a stack's database, and many requests to it at once."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count, pairwise
from typing import Any, Self, TypeVar
from uuid import uuid4

import httpx
import jwt
from bson import ObjectId
from pymongo import MongoClient

from arthomed.auth.models import Session
from arthomed.core import clock
from arthomed.core.permissions import Role
from arthomed.http.auth import ALGORITHM, AUDIENCE, ISSUER
from arthomed.scheduling.models import Slot
from arthomed.users.models import DoctorInfo, PatientInfo, User
from tests.stack import Stack

SECRET = "only-for-development-and-test-access"
DAY = clock.now().date() + timedelta(days=3)  # far enough from now for every zone and every notice
_numbers = count(8_000_000_000)
T = TypeVar("T")
R = TypeVar("R")
Headers = dict[str, str]


@dataclass(frozen=True)
class Person:
    """Somebody who is signed in; `headers` sign a request."""

    id: ObjectId
    headers: Headers


class Clinic:
    """A stack's API, where it is or behind a proxy, with a back door into its database."""

    def __init__(self, stack: Stack, *, url: str | None = None, timeout: float = 30) -> None:
        self.stack = stack
        many = httpx.Limits(max_connections=300, max_keepalive_connections=300)
        self.api = httpx.Client(base_url=f"{url or stack.url}/api", timeout=timeout, limits=many)
        self._mongo: MongoClient[dict[str, Any]] = MongoClient(stack.env["MONGODB_URI"], tz_aware=True)
        self.database = self._mongo.get_default_database()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.api.close()
        self._mongo.close()

    def people(self, role: Role, how_many: int) -> list[Person]:
        """New people with live sessions."""
        users = [_user(role) for _ in range(how_many)]
        sessions = [_session(user) for user in users]
        self.database.users.insert_many([user.to_mongo() for user in users])
        self.database.sessions.insert_many([session.to_mongo() for session in sessions])
        return [
            Person(user.id, {"Authorization": f"Bearer {_token(user.id, session.id)}"})
            for user, session in zip(users, sessions, strict=True)
        ]

    def patients(self, how_many: int) -> list[Person]:
        return self.people(Role.PATIENT, how_many)

    def person(self, role: Role) -> Person:
        return self.people(role, 1)[0]

    def doctor(self, *, slots: int, capacity: int = 1, day: date = DAY) -> ObjectId:
        """A doctor with so many half hours on a day, from midnight."""
        doctor = _user(Role.DOCTOR)
        self.database.users.insert_one(doctor.to_mongo())
        times = [f"{index // 2:02}:{index % 2 * 30:02}" for index in range(slots + 1)]
        made = [_slot(doctor.id, day, *span, capacity).to_mongo() for span in pairwise(times)]
        self.database.slots.insert_many(made)
        return ObjectId(doctor.id)

    def times(self, doctor: ObjectId) -> list[str]:
        """When a doctor's slots start."""
        return [slot["startTime"] for slot in self.database.slots.find({"doctor": doctor}).sort("startTime")]

    def book(self, patient: Person, doctor: ObjectId, time: str = "00:00", **headers: str) -> httpx.Response:
        return self.api.post("/appointments/book", json=wish(doctor, time), headers={**patient.headers, **headers})

    def move(self, actor: Person, appointment_id: str, status: str, **more: str) -> httpx.Response:
        return self.api.put(
            f"/appointments/{appointment_id}/status", json={"status": status, **more}, headers=actor.headers
        )

    @contextmanager
    def somebody_else_at(self, doctor: ObjectId) -> Iterator[None]:
        """A transaction that has written to a doctor's slots, and so makes every booking there wait."""
        with self._mongo.start_session() as session, session.start_transaction():
            self.database.slots.update_many({"doctor": doctor}, {"$set": {"touched": True}}, session=session)
            yield
            session.abort_transaction()

    def transactions_begun(self) -> int:
        """How many there were since the server started."""
        return int(self._mongo.admin.command("serverStatus")["transactions"]["totalStarted"])

    def is_open(self) -> bool:
        """Whether every web process takes requests again, asked often enough to reach each."""
        answers = all_at_once(lambda _: self.api.get("/auth/me"), range(16))
        return {answer.status_code for answer in answers} == {401}

    def audit(self) -> str:
        """What `flask audit` says."""
        return self.stack.flask("audit", check=False).stdout


BOOKS_IN_ORDER = "Appointments and slots are consistent.\n"


def wish(doctor: ObjectId, time: str) -> dict[str, str]:
    """The body of a booking."""
    return {
        "doctorId": str(doctor),
        "appointmentDate": DAY.isoformat(),
        "appointmentTime": time,
        "reason": "Headache",
    }


def all_at_once(work: Callable[[T], R], things: Iterable[T]) -> list[R]:
    """Do the work for all of the things in as many threads."""
    given = list(things)
    with ThreadPoolExecutor(len(given)) as pool:
        return list(pool.map(work, given))


def outcomes(answers: Iterable[httpx.Response]) -> Counter[tuple[int, str]]:
    """How often which status and code was answered."""
    return Counter((answer.status_code, code_of(answer)) for answer in answers)


def code_of(answer: httpx.Response) -> str:
    return str(answer.json().get("error", {}).get("code", "OK"))


def new_mobile() -> str:
    """A number that nobody has."""
    return str(next(_numbers))


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
