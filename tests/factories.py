"""People, hours and visits for tests, made by the services that make them in production."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cache
from io import BytesIO
from itertools import count
from threading import Barrier
from typing import Any, TypeVar

import pytest
from bson import ObjectId
from flask import Flask
from flask.testing import FlaskClient
from flask_jwt_extended import get_csrf_token
from PIL import Image
from pymongo.database import Database
from werkzeug.test import TestResponse
from werkzeug.wrappers import Response

from arthomed.app import create_app, wire
from arthomed.appointments.models import Appointment
from arthomed.appointments.service import booking
from arthomed.appointments.service.attempts import BookingDetails
from arthomed.auth import rules as auth_rules
from arthomed.auth.models import Otp
from arthomed.auth.service import otp, sessions
from arthomed.config import settings
from arthomed.config_limits import RateLimits
from arthomed.core import clock
from arthomed.core.actor import Actor
from arthomed.core.permissions import Role
from arthomed.files import file_store
from arthomed.files import rules as file_rules
from arthomed.files.models import File
from arthomed.files.rules import Category, Kind, State, UploadTarget
from arthomed.files.service import uploading
from arthomed.http import tokens
from arthomed.http.limits import limiter
from arthomed.infra import mongo
from arthomed.notifications.models import Notification
from arthomed.scheduling import service as scheduling
from arthomed.scheduling.models import Slot
from arthomed.scheduling.rules import WEEK, ExistingSlot, PlannedSlot
from arthomed.users import service as users
from arthomed.users.models import User

UNKNOWN_ID = ObjectId("0123456789abcdef01234567")
"""An id that no document has; the same in each process, as the names of tests must be."""

_numbers = count(9_100_000_000)
FEE = 500
T = TypeVar("T")
Records = Database[dict[str, Any]]


def new_mobile() -> str:
    """A number that no user has."""
    return str(next(_numbers))


def make_user(role: Role = Role.PATIENT, **parts: Any) -> User:
    wanted = {"mobile_number": new_mobile(), "name": f"Test {role.title()}", "is_verified": True, **parts}
    return users.register(role=role, **wanted)


def every_day(start: str = "09:00", end: str = "17:00", **more: Any) -> list[dict[str, Any]]:
    """A week with the same hours on each day."""
    return [{"day": str(day), "start_time": start, "end_time": end, **more} for day in WEEK]


def make_doctor(week: list[dict[str, Any]] | None = None, *, fee: int = FEE, **parts: Any) -> User:
    """A doctor with hours (every day, nine to eleven) and so with slots."""
    doctor = make_user(Role.DOCTOR, doctor_info={"specialization": "Cardiology", "consultation_fee": fee}, **parts)
    scheduling.save_schedule(actor_of(doctor), doctor.id, every_day(end="11:00") if week is None else week)
    return users.get(doctor.id)


def slots_of(doctor: User, day: date) -> list[Slot]:
    """A doctor's slots of a day, in order."""
    return list(Slot.objects(doctor=doctor.id, date=clock.midnight_utc(day)).order_by("start_time"))


def stored_slot(planned: PlannedSlot, **parts: Any) -> ExistingSlot:
    """A planned slot as the rules see it once it is stored: free by default."""
    kept = {name: getattr(planned, name) for name in ("date", "start_time", "end_time", "starts_at", "max_patients")}
    wanted = {"id": ObjectId(), "consultation_fee": FEE, "is_blocked": False, "bookings": 0, **kept, **parts}
    return ExistingSlot(**wanted)


def actor_of(user: User) -> Actor:
    return Actor(user.id, user.role)


def tomorrow() -> date:
    return clock.today(settings().policy.timezone) + timedelta(days=1)


def make_booking_details(doctor: User, *, day: date | None = None, time: str = "09:00", **parts: Any) -> BookingDetails:
    wanted = {"purpose_of_visit": "consultation", "reason": "Headache", **parts}
    return BookingDetails(doctor.id, day or tomorrow(), time, **wanted)


def make_appointment(patient: User | None = None, doctor: User | None = None, **details: Any) -> Appointment:
    """A pending visit, tomorrow at nine."""
    return booking.book(actor_of(patient or make_user()), make_booking_details(doctor or make_doctor(), **details))


def picture(kind: str = "PNG", size: tuple[int, int] = (8, 6), name: str = "picture.png") -> tuple[BytesIO, str]:
    """A file as the test client sends it."""
    stream = BytesIO()
    Image.new("RGB", size, "teal").save(stream, kind)
    stream.seek(0)
    return stream, name


def make_file(visit: Appointment, uploader: User, *, content: bytes | None = None, **parts: Any) -> str:
    """A stored file of an appointment, a small picture by default; returns its name."""
    secret, storage = str(ObjectId()), file_store.current().storage
    target = UploadTarget(Kind.APPOINTMENTS, Category.REPORTS, visit.id, visit.patient_id)
    key = file_rules.storage_key(target, "png", now=clock.now(), today=clock.now().date(), secret=secret)
    incoming = uploading.incoming_folder() / secret
    incoming.write_bytes(picture()[0].read() if content is None else content)
    made = File(
        filename=key.rpartition("/")[2],
        key=key,
        kind=target.kind,
        category=target.category,
        record=target.record,
        owner=target.owner,
        uploader=uploader.id,
        original_name="picture.png",
        mime_type="image/png",
        size=incoming.stat().st_size,
        sha256="0" * 64,
        state=State.READY,
        attached_at=clock.now(),
    )
    for name, value in parts.items():
        setattr(made, name, value)
    made.insert()
    storage.put(key, incoming)
    filename: str = made.filename
    return filename


def booking_body(doctor: User, **parts: Any) -> dict[str, Any]:
    """The body of POST /api/appointments/book."""
    return {
        "doctorId": str(doctor.id),
        "appointmentDate": tomorrow().isoformat(),
        "appointmentTime": "09:00",
        "reason": "Headache",
        **parts,
    }


@dataclass(frozen=True)
class SignedIn:
    """A person with a live session; `headers` sign a request."""

    user: User
    session_id: ObjectId
    access_token: str
    refresh_token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access_token}"}


def sign_in(app: Flask, user: User | None = None) -> SignedIn:
    """A new session of a user (a new patient by default), with its tokens."""
    person = user or make_user()
    session = sessions.new_session(person, name="tests")
    session.insert()
    with app.app_context():
        pair = tokens.pair(person.id, session.id, session.generation, session.role)
    return SignedIn(person, session.id, pair.access_token, pair.refresh_token)


class Browser:
    """Someone who uses the dashboard: a client with the cookie of a session, and what its pages send."""

    def __init__(self, app: Flask, user: User) -> None:
        self.user, session = user, sessions.new_session(user, name="tests")
        session.insert()
        self.session_id, self.client = session.id, app.test_client()
        with app.app_context():
            self.token = tokens.page_token(user.id, session.id, session.role)
            self.csrf_token = get_csrf_token(self.token)
        self.client.set_cookie(app.config["JWT_ACCESS_COOKIE_NAME"], self.token)

    def get(self, path: str, *, is_partial: bool = False, **more: Any) -> TestResponse:
        """Open a page, or ask for a part of one as htmx does."""
        headers = {"HX-Request": "true"} if is_partial else {}
        return self.client.get(path, headers=headers | more.pop("headers", {}), **more)

    def post(self, path: str, **form: str) -> TestResponse:
        """Send a form as htmx does."""
        return self.client.post(path, data=form, headers=self.headers)

    @property
    def headers(self) -> dict[str, str]:
        return {"HX-Request": "true", "Origin": "http://localhost", "X-CSRF-TOKEN": self.csrf_token}


def code_for(mobile: str) -> str:
    """The live code of a number, derived as the worker derives it."""
    stored: Otp = Otp.objects.get(mobile_number=mobile)
    return auth_rules.code_for(stored.nonce, settings().otp_secret)


def otp_message(mobile: str) -> Notification:
    """The message of a number's live code, put into the outbox as the worker does it."""
    [message] = otp.add_message_to_outbox(Otp.objects.get(mobile_number=mobile).issue)
    return message


def request_code(client: FlaskClient, mobile: str, *, address: str = "127.0.0.1", **more: Any) -> TestResponse:
    body = {"mobileNumber": mobile, **more}
    return client.post("/api/auth/send-otp", json=body, environ_base={"REMOTE_ADDR": address})


def submit_code(
    client: FlaskClient, mobile: str, code: str, *, address: str = "127.0.0.1", **more: Any
) -> TestResponse:
    """Verify a code."""
    body = {"mobileNumber": mobile, "otp": code, **more}
    return client.post("/api/auth/verify-otp", json=body, environ_base={"REMOTE_ADDR": address})


def wrong_code(code: str) -> str:
    """A wrong code."""
    return f"{(int(code) + 1) % 10**6:06}"


def envelope_of(answer: TestResponse) -> Any:
    """The whole body of an answer."""
    return json.loads(answer.data)


def data_of(answer: TestResponse, status: int = 200) -> Any:
    """`data` of an answer that went well."""
    assert answer.status_code == status, answer.text
    body: Any = answer.json
    return body["data"]


def error_of(answer: Response) -> tuple[int, str]:
    """The status and the code of a refusal."""
    body: Any = answer.json
    return answer.status_code, body.get("error", {}).get("code", "")


def invalid_fields(answer: TestResponse) -> list[str]:
    """The dotted paths of the fields that a validation error names."""
    assert error_of(answer) == (400, "VALIDATION_ERROR"), answer.text
    return [str(one["field"]) for one in envelope_of(answer)["errors"]]


def at_clinic(day: date, hhmm: str) -> datetime:
    """The instant of a time of day at the clinic."""
    return clock.wall_clock(day, hhmm, settings().policy.timezone)


@cache
def main_app() -> Flask:
    """The application that the tests share."""
    return create_app(settings())


@contextmanager
def another_app(**changes: Any) -> Iterator[Flask]:
    """The application with other settings; this process is wired as before after it.

    Only what create_app is given changes: the services go on with the settings of the environment.
    """
    try:
        yield create_app(replace(settings(), **changes))
    finally:
        wire(settings(), database_timeout_ms=mongo.WEB_TIMEOUT_MS)
        limiter.init_app(main_app())


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """The settings of other environment variables."""
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            settings.cache_clear()
            yield
    finally:
        settings.cache_clear()


def rate_limits(**changes: Any) -> RateLimits:
    """The rate limits of the settings with some of them changed, for another_app."""
    return replace(settings().rate_limits, **changes)


def in_parallel(count: int, work: Callable[[int], T]) -> list[T]:
    """What comes back from as many calls that begin at the same moment, each in a thread of its own."""
    start = Barrier(count)

    def run(number: int) -> T:
        start.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))
