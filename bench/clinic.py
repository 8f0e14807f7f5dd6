"""A seeded clinic of any size, and requests to it, for our server or for another one over the same collections."""

import json
import random
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count, islice
from typing import Any
from zoneinfo import ZoneInfo

import jwt
from bson import ObjectId
from pymongo.database import Database

from arthomed.core import clock
from arthomed.http.auth import ALGORITHM, AUDIENCE, ISSUER
from arthomed.scheduling.rules import WEEK, hhmm

Row = dict[str, Any]
_NOW = clock.now()
_TODAY = _NOW.date()
_ZONE = ZoneInfo("Asia/Kolkata")
_TIMES = [(hhmm(start), hhmm(start + 30)) for start in range(9 * 60, 17 * 60, 30)]
_AT_ONCE = 5_000
_READ_DAYS = 7  # the first ones, which nobody books
_BOOKINGS_OF_ONE = 5
_FEE = 500


@dataclass(frozen=True)
class Size:
    """How much there is; each reader has `visits` past ones, each doctor sixteen slots a day.

    Without `can_be_booked` nobody is there who would book.
    """

    doctors: int = 100
    days: int = 60
    readers: int = 200
    visits: int = 50
    numbers: int = 80_000
    can_be_booked: bool = True


@dataclass
class Clinic:
    """What was seeded, as far as requests need it; what can be used once is taken from the iterators."""

    tokens: list[str]
    staff: str
    days: list[tuple[str, str]]
    bookings: Iterator[tuple[str, str, str, str]]
    numbers: list[str]
    used_numbers: Iterator[int] = field(default_factory=count)

    def reading(self, path: str) -> list[str]:
        """Make a GET for each reader."""
        return [f"GET\t{path}\t{token}\t-" for token in self.tokens]

    def slots(self) -> list[str]:
        """Make a GET for each doctor's day, by one reader after the other."""
        path = "/api/appointments/slots?doctorId={}&date={}"
        return [
            f"GET\t{path.format(*day)}\t{self.tokens[number % len(self.tokens)]}\t-"
            for number, day in enumerate(self.days)
        ]

    def booking(self, most: int) -> list[str]:
        """Make bookings of free slots."""
        return [
            _post(
                "/api/appointments/book",
                token,
                doctorId=doctor,
                appointmentDate=day,
                appointmentTime=time,
                reason="Fever",
            )
            for token, doctor, day, time in islice(self.bookings, most)
        ]

    def asking(self, most: int) -> list[str]:
        """Make requests for codes, each for another number until there are no more."""
        return [
            _post("/api/auth/send-otp", "-", mobileNumber=number, purpose="login") for number in self.next_numbers(most)
        ]

    def next_numbers(self, most: int) -> list[str]:
        """Take mobile numbers, each another until there are no more."""
        return [self.numbers[at % len(self.numbers)] for at in islice(self.used_numbers, most)]


def answering(codes: Iterable[tuple[str, str]]) -> list[str]:
    """Make answers with the codes of numbers."""
    return [
        _post("/api/auth/verify-otp", "-", mobileNumber=number, otp=code, purpose="login") for number, code in codes
    ]


def seed(database: Database[Row], size: Size, secret: str) -> Clinic:
    """Fill an empty database; the same size gives the same clinic but for ids and secrets."""
    chance = random.Random(7)  # noqa: S311  for data
    numbers = count(6_000_000_000)
    doctors = [_doctor(next(numbers), chance) for _ in range(size.doctors)]
    readers = [_person(next(numbers)) for _ in range(size.readers)]
    days = [_TODAY + timedelta(days=1 + ahead) for ahead in range(size.days)]
    last_block = size.days - _BOOKINGS_OF_ONE  # each whole, or somebody would book twice with one doctor on a day
    free = [
        (doctor["_id"], str(day), start)
        for block in range(_READ_DAYS, last_block + 1 if size.can_be_booked else 0, _BOOKINGS_OF_ONE)
        for doctor in doctors
        for start, _ in _TIMES
        for day in days[block : block + _BOOKINGS_OF_ONE]
    ]
    bookers = [_person(next(numbers)) for _ in range(-(-len(free) // _BOOKINGS_OF_ONE))]
    others = [_person(next(numbers)) for _ in range(size.numbers)]
    staff = {**_person(next(numbers)), "role": "receptionist"}
    _insert(database, "users", [*doctors, *readers, *bookers, *others, staff])
    _insert(database, "slots", _slots(doctors, days))
    _insert(database, "appointments", _visits(readers, doctors, size.visits))
    sessions = [_session(one) for one in [*readers, *bookers, staff]]
    _insert(database, "sessions", sessions)
    tokens = [_token(one, secret) for one in sessions]
    booked = [
        (tokens[size.readers + at // _BOOKINGS_OF_ONE], str(who), day, time) for at, (who, day, time) in enumerate(free)
    ]
    chance.shuffle(booked)
    read_days = [(str(doctor["_id"]), str(day)) for doctor in doctors for day in days[:_READ_DAYS]]
    chance.shuffle(read_days)
    return Clinic(tokens[: size.readers], tokens[-1], read_days, iter(booked), [one["mobileNumber"] for one in others])


def _post(path: str, token: str, **body: str) -> str:
    return f"POST\t{path}\t{token}\t{json.dumps(body)}"


def _insert(database: Database[Row], name: str, rows: Iterable[Row]) -> None:
    waiting = iter(rows)
    while batch := list(islice(waiting, _AT_ONCE)):
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


def _doctor(number: int, chance: random.Random) -> Row:
    hours = [
        {"day": str(day), "startTime": "09:00", "endTime": "17:00", "isAvailable": True, "maxPatients": 1}
        for day in WEEK
    ]
    info = {
        "specialization": chance.choice(["Cardiology", "Dermatology", "Orthopaedics", "Paediatrics"]),
        "qualification": "MBBS, MD",
        "experience": chance.randint(2, 30),
        "consultationFee": _FEE,
        "schedule": hours,
    }
    name = f"Dr {chance.choice('ABCDEFGHIJ')}. {chance.choice(['Rao', 'Iyer', 'Khan', 'Nair'])}"
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


def _visits(readers: list[Row], doctors: list[Row], each: int) -> Iterator[Row]:
    """Past visits, no two with one doctor at one moment; 200 of them still wait for the desk."""
    all_of_them = len(readers) * each
    for number in range(all_of_them):
        nth = number // len(doctors)
        who, doctor = readers[(number + nth) % len(readers)], doctors[number % len(doctors)]
        day, (start, end) = _TODAY - timedelta(days=1 + nth // len(_TIMES)), _TIMES[nth % len(_TIMES)]
        status = "pending" if number % max(1, all_of_them // 200) == 0 else "completed"
        yield {
            "patient": who["_id"],
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
            "history": [{"to": status, "by": who["_id"], "at": _NOW}],
            "createdBy": who["_id"],
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
    """Sign an access token of ours; `id` is what other servers may know a person by."""
    user = str(session["user"])
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": user, "id": user, "role": session["role"], "type": "access"}
    more = {"sid": str(session["_id"]), "jti": secrets.token_hex(16), "iat": _NOW, "exp": _NOW + timedelta(days=1)}
    return jwt.encode(claims | more, secret, algorithm=ALGORITHM)
