"""The desk and doctors search patients by name, number and today's token."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.audit import service as audit
from arthomed.audit.models import AuditEvent
from arthomed.core import clock
from arthomed.core.permissions import Role
from arthomed.users import search_index
from arthomed.users import service as users
from arthomed.users.models import User
from tests import factories
from tests.api.appointments.clinic import move
from tests.api.auth.sign_in import Now
from tests.factories import Records, SignedIn, data_of, invalid_fields


@pytest.fixture
def desk(app: Flask, client: FlaskClient) -> SignedIn:
    del client  # it empties the database
    return factories.sign_in(app, factories.make_user(Role.RECEPTIONIST, name="Asha Receptionist"))


def search(client: FlaskClient, caller: SignedIn, typed: str, **query: Any) -> TestResponse:
    return client.get("/api/patients", query_string={"search": typed, **query}, headers=caller.headers)


def found(client: FlaskClient, caller: SignedIn, typed: str) -> list[str]:
    return [one["name"] for one in data_of(search(client, caller, typed))["items"]]


class TestNameAndNumber:
    @pytest.fixture(autouse=True)
    def _patients(self, desk: SignedIn) -> None:
        del desk  # it empties the database
        factories.make_user(name="Asha Verma", mobile_number="9876543210")
        factories.make_user(name="Ravi Ashok Kumar", mobile_number="9876500001")
        factories.make_user(name="Mr. D'Souza", mobile_number="6000000001")
        factories.make_user(name="आशा वर्मा", mobile_number="7000000002")
        factories.make_user(name="கவிதா", mobile_number="7000000003")

    @pytest.mark.parametrize(
        ("typed", "names"),
        [
            ("asha", ["Asha Verma"]),
            ("ash", ["Ravi Ashok Kumar", "Asha Verma"]),
            ("ver ash", ["Asha Verma"]),
            ("kumar ravi", ["Ravi Ashok Kumar"]),
            ("D\u2019Souza", ["Mr. D'Souza"]),
            ("dsou", ["Mr. D'Souza"]),
            ("वर आशा", ["आशा वर्मा"]),
            ("கவி", ["கவிதா"]),
            ("+91 98765-43210", ["Asha Verma"]),
            ("9876543210", ["Asha Verma"]),
            ("0001", ["Mr. D'Souza", "Ravi Ashok Kumar"]),
            ("00001", ["Mr. D'Souza", "Ravi Ashok Kumar"]),
            ("500001", ["Ravi Ashok Kumar"]),
            ("nobody", []),
            ("receptionist", []),
            ("as.*a", []),
        ],
    )
    def test_patients_are_found(self, client: FlaskClient, desk: SignedIn, typed: str, names: list[str]) -> None:
        assert sorted(found(client, desk, typed)) == sorted(names)

    @pytest.mark.parametrize("typed", ["", " ", "a", "123", "+", "#", "#x", "#-1", "#12345", "()", "a" * 101])
    def test_a_search_that_is_too_short_is_refused(self, client: FlaskClient, desk: SignedIn, typed: str) -> None:
        assert invalid_fields(search(client, desk, typed)) == ["search"]

    def test_an_item_has_few_fields(self, client: FlaskClient, desk: SignedIn) -> None:
        [item] = data_of(search(client, desk, "verma"))["items"]

        assert set(item) == {"_id", "name", "mobileNumber", "isActive", "profile"}
        assert item["profile"] == {"dateOfBirth": None, "gender": None}

    def test_search_follows_a_new_name_and_a_new_number(self, client: FlaskClient, desk: SignedIn, admin: Any) -> None:
        asha = User.objects.get(mobile_number="9876543210")
        users.update(asha.id, {"name": "Usha Rao", "mobile_number": "9123456789"}, by=factories.actor_of(admin.user))

        assert [found(client, desk, typed) for typed in ("verma", "3210")] == [[], []]
        assert [found(client, desk, typed) for typed in ("rao u", "6789")] == [["Usha Rao"], ["Usha Rao"]]

    def test_search_keys_are_no_change_in_the_audit_trail(self, admin: SignedIn) -> None:
        asha = User.objects.get(mobile_number="9876543210")
        users.update(asha.id, {"name": "Usha Rao"}, by=factories.actor_of(admin.user))

        [event] = AuditEvent.objects(action="change", records=asha.id)
        assert [change["field"] for change in event.changes] == ["name"]

    def test_an_erased_patient_is_not_found(self, client: FlaskClient, desk: SignedIn, database: Records) -> None:
        asha = User.objects.get(mobile_number="9876543210")
        with database.client.start_session() as session:
            User.anonymise(asha.id, now=clock.now(), keep_until=clock.now(), session=session)

        assert found(client, desk, "verma") == []

    def test_each_search_is_recorded_with_its_words_and_each_read_with_its_patients(
        self, client: FlaskClient, desk: SignedIn
    ) -> None:
        data_of(search(client, desk, "ver asha"))
        audit.flush()

        searched, read = AuditEvent.objects(actor=desk.user.id, action__ne="create").order_by("at", "id")
        asha = User.objects.get(mobile_number="9876543210")
        assert (searched.action, searched.search.filters, searched.search.found) == (
            "search",
            {"search": "ver asha"},
            1,
        )
        assert (read.action, read.kind, read.subjects) == ("read", "user", [asha.id])


class TestPages:
    def test_pages_have_no_gap_and_no_overlap(self, client: FlaskClient, desk: SignedIn) -> None:
        ids = {str(factories.make_user(name=f"Asha {letter}").id) for letter in "BDACE"}

        pages = [data_of(search(client, desk, "asha", page=page, limit=2)) for page in (1, 2, 3, 4)]

        assert [[one["name"][-1] for one in page["items"]] for page in pages] == [["A", "B"], ["C", "D"], ["E"], []]
        assert {one["_id"] for page in pages for one in page["items"]} == ids
        assert pages[0]["pagination"] == {
            "current": 1,
            "pages": 3,
            "total": 5,
            "limit": 2,
            "hasNext": True,
            "hasPrev": False,
        }

    def test_the_total_stops(
        self, client: FlaskClient, desk: SignedIn, admin: SignedIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(users, "MAX_FOUND", 3)
        for _ in range(4):
            factories.make_user(name="Asha Verma")

        pages = [
            data_of(search(client, desk, "asha")),
            data_of(client.get("/api/users?search=asha&role=patient", headers=admin.headers)),
        ]

        for page in pages:
            assert len(page["items"]) == 3
            assert (page["pagination"]["total"], page["pagination"]["totalIsMinimum"]) == (3, True)


class TestToken:
    @staticmethod
    def arrive(appointment: Appointment, token: int) -> None:
        queue = {"token": token, "arrivedAt": clock.now(), "skips": 0}
        Appointment.collection().update_one({"_id": appointment.id}, {"$set": {"queue": queue}})

    def test_a_token_of_today_finds_the_patients_of_all_doctors_and_of_the_asking_doctor(
        self, app: Flask, client: FlaskClient, desk: SignedIn, now: Now
    ) -> None:
        now.move_to(factories.at_clinic(factories.tomorrow(), "08:00"))
        today = clock.today(clock.now().astimezone().tzinfo)  # type: ignore[arg-type]
        desk = factories.sign_in(app, desk.user)
        doctors = [factories.make_doctor() for _ in range(2)]
        for name, doctor in zip(("Asha Verma", "Ravi Kumar"), doctors, strict=True):
            appointment = factories.make_appointment(factories.make_user(name=name), doctor, day=today)
            self.arrive(move(appointment, Status.CONFIRMED), 12)
        yesterday = factories.make_appointment(factories.make_user(name="Old Token"), doctors[0])
        self.arrive(yesterday, 12)

        nurse = factories.make_user(Role.RECEPTIONIST, name="Staff As Patient")
        self.arrive(factories.make_appointment(nurse, factories.make_doctor(), day=today, time="10:00"), 12)

        assert found(client, desk, "#12") == ["Asha Verma", "Ravi Kumar"]
        assert data_of(search(client, desk, "#12"))["pagination"]["total"] == 2
        assert found(client, desk, "# १२") == found(client, desk, "#12")
        assert found(client, desk, "#13") == []
        assert found(client, factories.sign_in(app, doctors[0]), "#12") == ["Asha Verma"]


class TestDoctor:
    def test_doctor_finds_own_patients_only(self, app: Flask, client: FlaskClient) -> None:
        doctor = factories.make_doctor()
        treated, pending = (factories.make_user(name=f"Asha {name}") for name in ("Treated", "Pending"))
        move(factories.make_appointment(treated, doctor), Status.CONFIRMED)
        factories.make_appointment(pending, doctor, time="09:30")
        factories.make_appointment(factories.make_user(name="Asha Other"))

        page = data_of(search(client, factories.sign_in(app, doctor), "asha"))

        assert [one["name"] for one in page["items"]] == ["Asha Treated"]
        assert page["pagination"]["total"] == 1


class TestKeysOfOlderVersions:
    def test_missing_and_wrong_keys_are_filled_once(self, client: FlaskClient, desk: SignedIn) -> None:
        asha, ravi = factories.make_user(name="Asha Verma"), factories.make_user(name="Ravi Kumar")
        User.collection().update_one({"_id": asha.id}, {"$unset": {"search": ""}})
        User.collection().update_one({"_id": ravi.id}, {"$set": {"name": "Ravi Rao"}})

        assert (search_index.fill(User.collection()), search_index.fill(User.collection())) == (2, 0)
        assert [found(client, desk, typed) for typed in ("verma", "rao", "kumar")] == [["Asha Verma"], ["Ravi Rao"], []]

    def test_an_erased_user_gets_no_keys(self, database: Records) -> None:
        asha = factories.make_user(name="Asha Verma")
        with database.client.start_session() as session:
            User.anonymise(asha.id, now=clock.now(), keep_until=None, session=session)

        assert search_index.fill(User.collection()) == 0
        assert "search" not in (database.users.find_one({"_id": asha.id}) or {})
