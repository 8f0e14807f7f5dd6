"""A morning at the clinic that fills each screen: three doctors, patients at each stage, requests, payments, files."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import transitions
from arthomed.core import cache
from arthomed.core.documents import ClinicDocument, transaction
from arthomed.core.permissions import Role
from arthomed.files.models import File
from arthomed.notifications.models import Notification, State
from arthomed.payments.models import Payment
from arthomed.payments.rules import Method
from arthomed.payments.service import recording
from arthomed.users import family
from arthomed.users.dependents import Dependent
from arthomed.users.models import DOCTORS_TAG, User
from tests import factories
from tests.browser import clinic
from tests.browser.clinic import ADMIN, Doctor

NUMBER = "9876543210"
NEW_NUMBER, SIMILAR_NUMBER = "9876500123", "9000000123"  # with the same last digits, as of one person with two numbers
MAX_NAME = 100  # letters
_ALL_DAY = ("00:00", "24:00")


@dataclass(frozen=True)
class Morning:
    """Who works at the clinic, and the appointments that have most to show.

    Dr Meera is with a patient, Dr Arjun has called the next one, and Dr Leela has nobody. `paid` has files, payments
    and a message that failed; `expected` can be cancelled and moved; `request` waits for confirmation.
    """

    desk: User
    admin: User
    meera: Doctor
    arjun: Doctor
    leela: Doctor
    paid: Appointment
    expected: Appointment
    request: Appointment


def make() -> Morning:
    meera = clinic.make_doctor("Dr Meera Iyer", _ALL_DAY)
    arjun = clinic.make_doctor("Dr Arjun Rao", fee=900)
    fatima, leela = clinic.make_doctor("Dr Fatima Khan"), clinic.make_doctor("Dr Leela Menon")
    desk, admin = factories.make_user(Role.RECEPTIONIST, name="Joseph Mathew"), factories.make_user(Role.ADMIN)
    _patient("Kiran Joshi", 1983, "female", mobile_number=SIMILAR_NUMBER)
    asha = _patient("Asha Verma", 1990, "female", mobile_number=NUMBER)
    son = family.add(factories.actor_of(asha), asha.id, {"name": "Aarav Verma", "relationship": "son"}).dependent
    _add_earlier(meera, asha)
    paid = arjun.add("", "confirm", "arrive", "call", patient=_patient("Ravi Kumar", 1958, "male"), quarter=-1)
    _pay_and_attach(paid, desk)
    return Morning(desk, admin, meera, arjun, leela, paid, *_fill(meera, arjun, fatima, asha, son))


def _fill(meera: Doctor, arjun: Doctor, fatima: Doctor, asha: User, son: Dependent) -> tuple[Appointment, Appointment]:
    """The other appointments; returns one that is expected, and a request."""
    meera.add("", "confirm", "arrive", "start", patient=asha, quarter=-1, reason="Cough for two weeks, worse at night")
    for name, year, gender, doctor, steps, quarter, reason in (
        ("अनिल देशपांडे", 1971, "male", meera, "confirm arrive", -1, "मधुमेहाची तपासणी"),
        ("Lakshmi Narayanan Subramanian", 1949, "female", arjun, "confirm arrive", 0, "Blood pressure"),
        ("Sunita O'Neil", 1984, "female", fatima, "confirm arrive call start done", -1, "Rash on the arm"),
        ("Imran Sheikh", 2025, "male", fatima, "confirm arrive skip", -1, "Vaccination"),
        ("Grace D'Souza", 2003, "female", meera, "confirm", 2, "Follow-up"),
        ("தமிழ்செல்வி", 1995, "female", fatima, "confirm no-show", -1, "Headache"),
        ("Rohan Mehta", 1979, "male", fatima, "cancel", 6, "Back pain"),
    ):
        doctor.add("", *steps.split(), patient=_patient(name, year, gender), quarter=quarter, reason=reason)
    fatima.add("", "confirm", patient=asha, dependent_id=son.id, quarter=3, reason="Fever since Sunday")
    expected = arjun.add("", "confirm", patient=_patient("Bhavna Patel", 1988, "female"), quarter=4, reason="Check-up")
    asked = [
        doctor.add("", patient=_patient(name, year, gender), day=1, quarter=quarter, reason=reason)
        for name, year, gender, doctor, quarter, reason in (
            ("Deepa Nair", 1966, "female", meera, 1, "Chest pain when climbing stairs"),
            ("Manoj Tiwari", 1992, "male", meera, 3, "Report of the blood test"),
            ("Farah Ali", 2001, "female", arjun, 2, "Dizziness"),
        )
    ]
    return expected, asked[1]


def _patient(name: str, year: int, gender: str, **parts: Any) -> User:
    profile = {"date_of_birth": datetime(year, 5, 4, tzinfo=UTC), "gender": gender}
    return factories.make_user(name=name, profile=profile, **parts)


def _add_earlier(doctor: Doctor, patient: User) -> None:
    made = doctor.add("", "confirm", "arrive", "start", "done", patient=patient, reason="Cough")
    earlier = {f"set__{name}": made[name] - timedelta(days=40) for name in ("starts_at", "ends_at", "appointment_date")}
    texts = {"set__notes": "Throat is red, lungs are clear", "set__prescription": "Paracetamol 500 mg\nfor three days"}
    Appointment.objects(id=made.id).update(**earlier, **texts)


def _pay_and_attach(made: Appointment, desk: User) -> None:
    """Two payments of which one is cancelled, files, and a message that failed."""
    actor = factories.actor_of(desk)
    wrong = recording.pay(actor, made.id, 300, Method.CASH, reference=None, key=None).payment
    recording.correct(actor, wrong.id, reason="Was paid by UPI", key=None)
    recording.pay(actor, made.id, 400, Method.UPI, reference="433912345678", key=None)
    for name in ("blood-test.png", "x-ray-chest.png"):
        factories.make_file(made, User.objects.get(id=made.patient_id), original_name=name)
    failed = Notification.objects(subject=made.id, version=len(made.history)).first()
    Notification.objects(id=failed.id).update(set__state=State.FAILED)


def decide_requests() -> None:
    """Confirm all that waits for confirmation."""
    for waiting in Appointment.objects(status=Status.PENDING):
        transitions.change_status(ADMIN, waiting.id, Status.CONFIRMED)


def overwrite_texts(text: str) -> None:
    """Store a text wherever a person could have typed one, also if no service takes it, as an import could have.

    The patients of the two numbers get the beginning: the database refuses bookings of longer names.
    """
    places: list[tuple[type[ClinicDocument], str, dict[str, Any]]] = [
        (User, "name", {"role": {"$in": ["patient", "doctor"]}}),
        (User, "doctorInfo.specialization", {"role": "doctor"}),
        (Dependent, "name", {}),
        (Dependent, "relationship", {}),
        *((Appointment, name, {}) for name in ("reason", "symptoms", "notes", "prescription")),
        (Payment, "reference", {}),
        (Payment, "reason", {"reason": {"$ne": None}}),
        (File, "originalName", {}),
    ]
    for model, field, where in places:
        model.collection().update_many(where, {"$set": {field: text}}, bypass_document_validation=True)
    User.objects(mobile_number__in=[NUMBER, SIMILAR_NUMBER]).update(set__name=text[:MAX_NAME])
    transaction(lambda _: cache.invalidate(DOCTORS_TAG))
