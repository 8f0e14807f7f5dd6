"""A seeded clinic of any size, and requests to it, for our server or for a peer over the same collections."""

import json
import random
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count, islice
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import jwt
from bson import ObjectId
from pymongo.database import Database

from arthomed.core import clock
from arthomed.http.signed_tokens import ALGORITHM, AUDIENCE, ISSUER
from arthomed.scheduling.rules import WEEK, hhmm

Row = dict[str, Any]
_NOW = clock.now()
_TODAY = _NOW.date()
_ZONE = ZoneInfo("Asia/Kolkata")
_TIMES = [(hhmm(start), hhmm(start + 30)) for start in range(9 * 60, 17 * 60, 30)]
SLOTS_PER_DAY = len(_TIMES)
_INSERT_BATCH = 5_000
_READ_DAYS = 7  # the first days of each doctor are read only
_BOOKINGS_PER_PATIENT = 5
_OPEN_APPOINTMENTS = 200
_FEE = 500


@dataclass(frozen=True)
class Size:
    """Counts of documents: each reader has `appointments` past ones, each doctor has sixteen slots a day.

    There must be at least as many readers as doctors, if there are any.

    `numbers` are patients who only sign in. A clinic that is not `bookable` has no patients for `Clinic.bookings`.
    """

    doctors: int = 100
    days: int = 60
    readers: int = 200
    appointments: int = 50
    numbers: int = 80_000
    bookable: bool = True


class FreeSlot(NamedTuple):
    """A slot, and a patient who may book it, with the patient's token."""

    token: str
    patient: str
    doctor: str
    date: str
    time: str

    @property
    def start(self) -> dict[str, str]:
        return {"appointmentDate": self.date, "appointmentTime": self.time}

    @property
    def body(self) -> dict[str, str]:
        """What books it."""
        return {"doctorId": self.doctor, **self.start, "reason": "Fever"}

    def booking(self) -> str:
        """Make the request that books it."""
        return _post("/api/appointments/book", self.token, **self.body)

    def booking_at_desk(self, token: str) -> str:
        """Make the request of a receptionist that books it for the patient."""
        return _post("/api/appointments/manual", token, patientId=self.patient, **self.body)


@dataclass
class Clinic:
    """The seeded data that requests need. Requests are lines: method, path, token or -, body or -, tab between.

    The iterators hold data that can be used once. `free_slots` come in random order: successive bookings use different
    doctors and days.
    """

    tokens: list[str]
    receptionist_token: str
    doctor_days: list[tuple[str, str]]
    free_slots: Iterator[FreeSlot]
    numbers: list[str]
    used_numbers: Iterator[int] = field(default_factory=count)

    def reads(self, path: str) -> list[str]:
        """Make a GET for each reader."""
        return [f"GET\t{path}\t{token}\t-" for token in self.tokens]

    def slots(self) -> list[str]:
        """Make a GET for each day of each doctor; readers take turns."""
        path = "/api/appointments/slots?doctorId={}&date={}"
        return [
            f"GET\t{path.format(*day)}\t{self.tokens[number % len(self.tokens)]}\t-"
            for number, day in enumerate(self.doctor_days)
        ]

    def bookings(self, limit: int) -> list[str]:
        """Make bookings of free slots, fewer than `limit` if the slots run out."""
        return [slot.booking() for slot in islice(self.free_slots, limit)]

    def bookings_at_desk(self, limit: int) -> list[str]:
        """As `bookings`, by a receptionist."""
        return [slot.booking_at_desk(self.receptionist_token) for slot in islice(self.free_slots, limit)]

    def pairs_of_slots(self, limit: int) -> list[tuple[FreeSlot, FreeSlot]]:
        """Take free slots, two of the same doctor each time; fewer pairs than `limit` if the slots run out."""
        first_of: dict[str, FreeSlot] = {}
        pairs: list[tuple[FreeSlot, FreeSlot]] = []
        while len(pairs) < limit and (slot := next(self.free_slots, None)):
            if first := first_of.pop(slot.doctor, None):
                pairs.append((first, slot))
            else:
                first_of[slot.doctor] = slot
        return pairs

    def next_numbers(self, how_many: int) -> list[str]:
        """Take mobile numbers; a number comes again after all others."""
        return [self.numbers[at % len(self.numbers)] for at in islice(self.used_numbers, how_many)]


def send_otp_requests(numbers: Iterable[str]) -> list[str]:
    """Make a request for a code for each number."""
    return [_post("/api/auth/send-otp", "-", mobileNumber=number, purpose="login") for number in numbers]


def move_request(token: str, appointment: str, to: FreeSlot) -> str:
    """Make the request that moves an appointment to a free slot."""
    return f"PUT\t/api/appointments/{appointment}/reschedule\t{token}\t{json.dumps(to.start)}"


def verify_otp_requests(codes: Iterable[tuple[str, str]]) -> list[str]:
    """Make a sign-in for each pair of number and code."""
    return [
        _post("/api/auth/verify-otp", "-", mobileNumber=number, otp=code, purpose="login") for number, code in codes
    ]


def seed(database: Database[Row], size: Size, secret: str) -> Clinic:
    """Fill an empty database; the same size gives the same clinic except for ids and secrets."""
    rng = random.Random(7)  # noqa: S311  for data
    numbers = count(6_000_000_000)
    doctors = [_doctor(next(numbers), rng) for _ in range(size.doctors)]
    readers = [_person(next(numbers)) for _ in range(size.readers)]
    days = [_TODAY + timedelta(days=1 + ahead) for ahead in range(size.days)]
    # Whole blocks of days only, or a patient would book twice with one doctor on a day.
    last_block = size.days - _BOOKINGS_PER_PATIENT
    free = [
        (doctor["_id"], str(day), start)
        for block in range(_READ_DAYS, last_block + 1 if size.bookable else 0, _BOOKINGS_PER_PATIENT)
        for doctor in doctors
        for start, _ in _TIMES
        for day in days[block : block + _BOOKINGS_PER_PATIENT]
    ]
    bookers = [_person(next(numbers)) for _ in range(-(-len(free) // _BOOKINGS_PER_PATIENT))]
    sign_ins = [_person(next(numbers)) for _ in range(size.numbers)]
    receptionist = {**_person(next(numbers)), "role": "receptionist"}
    _insert(database, "users", [*doctors, *readers, *bookers, *sign_ins, receptionist])
    _insert(database, "slots", _slots(doctors, days))
    _insert(database, "appointments", _past_appointments(readers, doctors, size.appointments))
    sessions = [_session(person) for person in [*readers, *bookers, receptionist]]
    _insert(database, "sessions", sessions)
    tokens = [_token(session, secret) for session in sessions]
    free_slots = [
        FreeSlot(tokens[size.readers + nth], str(bookers[nth]["_id"]), str(doctor), day, time)
        for at, (doctor, day, time) in enumerate(free)
        for nth in [at // _BOOKINGS_PER_PATIENT]
    ]
    rng.shuffle(free_slots)
    doctor_days = [(str(doctor["_id"]), str(day)) for doctor in doctors for day in days[:_READ_DAYS]]
    rng.shuffle(doctor_days)
    mobiles = [person["mobileNumber"] for person in sign_ins]
    return Clinic(tokens[: size.readers], tokens[-1], doctor_days, iter(free_slots), mobiles)


def _post(path: str, token: str, **body: str) -> str:
    return f"POST\t{path}\t{token}\t{json.dumps(body)}"


def _insert(database: Database[Row], name: str, rows: Iterable[Row]) -> None:
    remaining = iter(rows)
    while batch := list(islice(remaining, _INSERT_BATCH)):
        database[name].insert_many(batch, ordered=False)


def _person(number: int) -> Row:
    return {
        "_id": ObjectId(),
        "mobileNumber": str(number),
        "name": "Asha Verma",
        "email": f"person{number}@example.com",
        "role": "patient",
        "isActive": True,
        "isVerified": True,
        "profile": {},
        "patientInfo": {"allergies": [], "medicalHistory": []},
        "consents": [{"notice": "2026-11", "at": _NOW}],
        "createdAt": _NOW,
        "updatedAt": _NOW,
    }


def _doctor(number: int, rng: random.Random) -> Row:
    hours = [
        {"day": str(day), "startTime": "09:00", "endTime": "17:00", "isAvailable": True, "maxPatients": 1}
        for day in WEEK
    ]
    info = {
        "specialization": rng.choice(["Cardiology", "Dermatology", "Orthopaedics", "Paediatrics"]),
        "qualification": "MBBS, MD",
        "experience": rng.randint(2, 30),
        "consultationFee": _FEE,
        "schedule": hours,
    }
    name = f"Dr {rng.choice('ABCDEFGHIJ')}. {rng.choice(['Rao', 'Iyer', 'Khan', 'Nair'])}"
    return {**_person(number), "role": "doctor", "name": name, "doctorInfo": info}


def _slots(doctors: list[Row], days: list[Any]) -> Iterator[Row]:
    for doctor in doctors:
        for day in days:
            for start, end in _TIMES:
                yield {
                    "doctor": doctor["_id"],
                    "date": clock.midnight_utc(day),
                    "startTime": start,
                    "endTime": end,
                    "startsAt": clock.wall_clock(day, start, _ZONE),
                    "isAvailable": True,
                    "isBlocked": False,
                    "maxPatients": 1,
                    "bookedPatients": 0,
                    "takenSeats": [],
                    "consultationFee": _FEE,
                    "createdAt": _NOW,
                    "updatedAt": _NOW,
                }


def _past_appointments(readers: list[Row], doctors: list[Row], per_reader: int) -> Iterator[Row]:
    """Past appointments, no two with one doctor at one time; `_OPEN_APPOINTMENTS` of them are pending."""
    total = len(readers) * per_reader
    for number in range(total):
        nth = number // len(doctors)
        patient, doctor = readers[(number + nth) % len(readers)], doctors[number % len(doctors)]
        day, (start, end) = _TODAY - timedelta(days=1 + nth // len(_TIMES)), _TIMES[nth % len(_TIMES)]
        status = "pending" if number % max(1, total // _OPEN_APPOINTMENTS) == 0 else "completed"
        yield {
            "patient": patient["_id"],
            "doctor": doctor["_id"],
            "slot": ObjectId(),
            "seat": 1,
            "appointmentDate": clock.midnight_utc(day),
            "appointmentTime": start,
            "startsAt": clock.wall_clock(day, start, _ZONE),
            "endsAt": clock.wall_clock(day, end, _ZONE),
            "status": status,
            "purposeOfVisit": "consultation",
            "reason": "Fever",
            "payment": {"amount": _FEE, "status": "pending"},
            "history": [{"to": status, "by": patient["_id"], "at": _NOW}],
            "createdBy": patient["_id"],
            "createdAt": _NOW - timedelta(seconds=number),
            "updatedAt": _NOW,
        }


def _session(person: Row) -> Row:
    return {
        "_id": ObjectId(),
        "user": person["_id"],
        "role": person["role"],
        "generation": 0,
        "rotatedAt": _NOW,
        "expiresAt": _NOW + timedelta(days=30),
        "platform": "other",
        "lastUsedAt": _NOW,
        "createdAt": _NOW,
        "updatedAt": _NOW,
    }


def _token(session: Row, secret: str) -> str:
    """Sign one of our access tokens; the peers read the user from `id`."""
    user = str(session["user"])
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": user, "id": user, "role": session["role"], "type": "access"}
    more = {"sid": str(session["_id"]), "jti": secrets.token_hex(16), "iat": _NOW, "exp": _NOW + timedelta(days=1)}
    return jwt.encode(claims | more, secret, algorithm=ALGORITHM)
