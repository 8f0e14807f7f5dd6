"""A clinic whose cached responses are compared, and all requests for them."""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

import time_machine
from celery import Celery
from flask import Flask
from flask.testing import FlaskClient
from pymongo.database import Database

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import transitions
from arthomed.core.jobs import Job
from arthomed.core.permissions import Role
from arthomed.files import file_store
from arthomed.notifications.models import Notification
from arthomed.users.models import User
from tests import factories
from tests.api.caching.second_process import Request
from tests.factories import Browser, SignedIn, data_of

_CREATES = re.compile(r"/(users|book|manual|patients|dependents|display-keys|slots|payments|refunds|correction)$")
OWN_LIST = "/api/appointments/my-appointments"
DAY_LIST = "/api/appointments/day"


@dataclass
class Clinic:
    """Asha has a pending and a confirmed appointment; Ravi has one with a file."""

    app: Flask
    celery: Celery
    database: Database[dict[str, Any]]
    asha: SignedIn
    ravi: SignedIn
    admin: SignedIn
    desk: SignedIn
    doctor: User
    other_doctor: User
    pending: Appointment
    confirmed: Appointment
    ravis: Appointment
    file: str

    @property
    def client(self) -> FlaskClient:
        return self.app.test_client()

    def call(self, caller: SignedIn, method: str, path: str, /, **json_body: Any) -> Any:
        response = self.client.open(f"/api{path}", method=method, json=json_body, headers=caller.headers)
        return data_of(response, 201 if method == "POST" and _CREATES.search(path) else 200)

    def change_status(self, appointment: Appointment, status: str) -> None:
        self.call(self.admin, "PUT", f"/appointments/{appointment.id}/status", status=status, reason="As agreed")

    def upload(self, caller: SignedIn, path: str, **form: Any) -> None:
        data = {**form, "files": factories.picture()}
        data_of(self.client.post(f"/api/files/upload/{path}", data=data, headers=caller.headers))

    def run(self, job: Job, *ids: object) -> None:
        self.celery.tasks[job].run(*map(str, ids))

    def run_at(self, moment: datetime, job: Job) -> None:
        with time_machine.travel(moment, tick=True):
            self.run(job)

    def message(self, **query: Any) -> Notification:
        found: Notification = Notification.objects(**query).first()
        return found

    def _days(self) -> list[str]:
        return [f"?date={factories.tomorrow()}", f"?date={factories.tomorrow()}&doctorId={self.doctor.id}"]

    def requests(self) -> dict[str, list[Request]]:
        """Cached requests of several users: slots of days, lists of doctors, own lists."""
        day, later = (factories.tomorrow() + timedelta(days=ahead) for ahead in range(2))
        slots = [(self.doctor, day), (self.other_doctor, day), (self.doctor, later)]
        own = ("", "?when=upcoming", "?status=pending&limit=1")
        return {
            "slots": [(slots_path(*one), self.admin.headers) for one in slots],
            "doctors": [
                (f"/api/users/doctors{query}", self.admin.headers)
                for query in ("", "?specialization=Cardiology&limit=1", f"?date={day}")
            ],
            "day": [(DAY_LIST + query, user.headers) for query in self._days() for user in (self.admin, self.desk)],
            "own": [(OWN_LIST + query, user.headers) for query in own for user in (self.asha, self.ravi)],
        }

    def polled_parts(self) -> list[Request]:
        """Requests for all parts of pages that are polled, as staff; they keep no session in use."""
        queries = {
            "/dashboard/day/live": f"?date={factories.tomorrow()}",
            "/dashboard/requests/live": f"?shown={self.pending.id},{self.confirmed.id},{self.ravis.id}",
        }
        rules = sorted(rule.rule for rule in self.app.url_map.iter_rules() if rule.rule.endswith("/live"))
        paths = [re.sub("<object_id:.*?>", str(self.pending.id), rule) + queries.get(rule, "") for rule in rules]
        return [(path, self._cookies[Role.DOCTOR if "my-day" in path else Role.RECEPTIONIST]) for path in paths]

    @cached_property
    def _cookies(self) -> dict[Role, dict[str, str]]:
        browsers = [Browser(self.app, user) for user in (self.doctor, self.desk.user)]
        return {one.user.role: {"Cookie": f"arthomed={one.token}", "X-Idle": "true"} for one in browsers}


def slots_path(doctor: User, day: date) -> str:
    return f"/api/appointments/slots?doctorId={doctor.id}&date={day}"


def make_clinic(app: Flask, database: Database[dict[str, Any]], celery: Celery) -> Clinic:
    hours = factories.every_day("09:00", "11:00")
    doctor, other_doctor = factories.make_doctor(hours), factories.make_doctor(hours)
    asha, ravi = factories.sign_in(app), factories.sign_in(app)
    admin = factories.sign_in(app, factories.make_user(Role.ADMIN))
    desk = factories.sign_in(app, factories.make_user(Role.RECEPTIONIST))
    pending = factories.make_appointment(asha.user, doctor)
    confirmed = factories.make_appointment(asha.user, other_doctor, time="10:00")
    transitions.change_status(factories.actor_of(admin.user), confirmed.id, Status.CONFIRMED)
    ravis = factories.make_appointment(ravi.user, doctor, time="09:30")
    file_store.current().storage.prepare()
    file = factories.make_file(ravis, ravi.user)
    return Clinic(app, celery, database, asha, ravi, admin, desk, doctor, other_doctor, pending, confirmed, ravis, file)
