"""How an admin finds people."""

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from arthomed.core import clock
from arthomed.core.permissions import Role
from arthomed.users.models import User
from tests import factories
from tests.factories import SignedIn, envelope_of, refused, told

JOSEPH = "Joseph \u0915\u093c"  # a letter that NFC takes apart; many keyboards give \u0958


def listed(client: FlaskClient, admin: SignedIn, **query: Any) -> list[str]:
    """The names of the people that a query finds."""
    answer = client.get("/api/users", query_string=query, headers=admin.headers)
    return [one["name"] for one in told(answer)["items"]]


class TestReading:
    @pytest.mark.parametrize("role", Role)
    def test_a_record_is_read_by_its_id(self, client: FlaskClient, admin: SignedIn, role: Role) -> None:
        user = factories.make_user(role)

        answer = client.get(f"/api/users/{user.id}", headers=admin.headers)

        assert told(answer)["user"]["mobileNumber"] == user.mobile_number

    @pytest.mark.parametrize(
        "user_id", [str(factories.NOBODY), "abc", "G" * 24, "0" * 23, "A" * 24, "../auth", "%2e%2e"]
    )
    def test_somebody_who_there_is_not_is_not_found(self, client: FlaskClient, admin: SignedIn, user_id: str) -> None:
        answer = client.get(f"/api/users/{user_id}", headers=admin.headers)

        assert refused(answer) == (404, "NOT_FOUND")
        assert envelope_of(answer)["message"] == "Resource not found"

    def test_people_are_counted_by_role_and_state(self, client: FlaskClient, admin: SignedIn) -> None:
        patient = factories.make_user()
        factories.make_user(Role.DOCTOR)
        told(client.delete(f"/api/users/{patient.id}", headers=admin.headers))

        assert told(client.get("/api/users/stats", headers=admin.headers)) == {
            "total": 3,
            "active": 2,
            "inactive": 1,
            "byRole": {"admin": 1, "doctor": 1, "receptionist": 0, "patient": 1},
        }


class TestListing:
    @pytest.fixture(autouse=True)
    def _people(self, client: FlaskClient, admin: SignedIn) -> None:
        """Six people; the admin was there first."""
        rahul = factories.make_user(name="Rahul Mehta", mobile_number="9876543210", email="rahul.m@example.com")
        factories.make_user(name="आशा वर्मा", mobile_number="9876500001")
        factories.make_user(name="Mr. D'Souza", mobile_number="6000000001")
        factories.make_user(Role.DOCTOR, name="Dr Meera Iyer", mobile_number="7000000001")
        joseph = factories.make_user(Role.RECEPTIONIST, name=JOSEPH, mobile_number="8000000001")
        User.objects(id=joseph.id).update(set__created_at=clock.now() + timedelta(minutes=1))
        told(client.delete(f"/api/users/{rahul.id}", headers=admin.headers))

    def test_the_newest_come_first(self, client: FlaskClient, admin: SignedIn) -> None:
        names = listed(client, admin)

        assert (names[0], names[-1], len(names)) == (JOSEPH, "Kavita Desai", 6)

    @pytest.mark.parametrize(
        ("sort", "first", "last"),
        [
            ("name", "Dr Meera Iyer", "आशा वर्मा"),
            ("-name", "आशा वर्मा", "Dr Meera Iyer"),
            ("createdAt", "Kavita Desai", JOSEPH),
            ("-createdAt", JOSEPH, "Kavita Desai"),
        ],
    )
    def test_people_are_sorted_as_asked(
        self, client: FlaskClient, admin: SignedIn, sort: str, first: str, last: str
    ) -> None:
        names = listed(client, admin, sort=sort)

        assert (names[0], names[-1]) == (first, last)

    @pytest.mark.parametrize(
        ("query", "names"),
        [
            ({"role": "doctor"}, ["Dr Meera Iyer"]),
            ({"isActive": "false"}, ["Rahul Mehta"]),
            ({"isActive": "true", "role": "admin"}, ["Kavita Desai"]),
            ({"isActive": "false", "role": "doctor"}, []),
            ({"search": "rahul"}, ["Rahul Mehta"]),
            ({"search": "RAHUL.M@"}, ["Rahul Mehta"]),
            ({"search": "98765432"}, ["Rahul Mehta"]),
            ({"search": "Meera", "role": "patient"}, []),
            ({"search": "वर्मा"}, ["आशा वर्मा"]),
            ({"search": "d'souza"}, ["Mr. D'Souza"]),
            ({"search": "Mr. D"}, ["Mr. D'Souza"]),
            ({"search": "\u0958"}, [JOSEPH]),
            ({"search": "  iyer "}, ["Dr Meera Iyer"]),
        ],
    )
    def test_people_are_found_by_what_is_asked(
        self, client: FlaskClient, admin: SignedIn, query: dict[str, str], names: list[str]
    ) -> None:
        assert listed(client, admin, **query) == names

    @pytest.mark.parametrize(
        "text", [".*", "^", "$", "R.hul", "Rahul|Meera", "[A-Z]", "(", "\\", "(?i)rahul", "a{1,9}", "9876.*", "%", "_"]
    )
    def test_what_looks_like_a_pattern_is_only_text(self, client: FlaskClient, admin: SignedIn, text: str) -> None:
        assert listed(client, admin, search=text) == []

    def test_pages_follow_one_another_without_gap_or_overlap(self, client: FlaskClient, admin: SignedIn) -> None:
        pages = [listed(client, admin, page=page, limit=4, sort="name") for page in (1, 2, 3)]

        assert [len(one) for one in pages] == [4, 2, 0]
        assert [*pages[0], *pages[1]] == listed(client, admin, sort="name")

    def test_a_page_tells_where_it_is(self, client: FlaskClient, admin: SignedIn) -> None:
        answer = client.get("/api/users?page=2&limit=4", headers=admin.headers)

        assert told(answer)["pagination"] == {
            "current": 2,
            "pages": 2,
            "total": 6,
            "limit": 4,
            "hasNext": False,
            "hasPrev": True,
        }

    def test_without_being_asked_a_page_has_ten(self, client: FlaskClient, admin: SignedIn) -> None:
        answer = client.get("/api/users", headers=admin.headers)

        assert (told(answer)["pagination"]["limit"], told(answer)["pagination"]["current"]) == (10, 1)


class TestAskingForAPage:
    @pytest.mark.parametrize(("name", "value"), [("limit", "1"), ("limit", "100"), ("page", "1"), ("page", "1000000")])
    def test_the_bounds_themselves_are_allowed(
        self, client: FlaskClient, admin: SignedIn, name: str, value: str
    ) -> None:
        assert client.get(f"/api/users?{name}={value}", headers=admin.headers).status_code == 200

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *[("limit", one) for one in ("0", "101", "-1", "ten", "", "1.5", "1e1", "9" * 5000)],
            *[("page", one) for one in ("0", "-1", "x", "", "1000001", "9" * 5000)],
            *[("role", one) for one in ("owner", "", "ADMIN")],
            *[("isActive", one) for one in ("maybe", "")],
            *[("sort", one) for one in ("mobileNumber", "", "--name", "name,role", "$natural")],
            *[("search", one) for one in ("", "%00", "a" * 101, "%0a")],
            *[(one, "x") for one in ("colour", "Role", "search[$ne]", "role[]", "$where", "skip")],
        ],
    )
    def test_what_can_not_be_asked_is_refused_by_its_name(
        self, client: FlaskClient, admin: SignedIn, name: str, value: str
    ) -> None:
        answer = client.get(f"/api/users?{name}={value}", headers=admin.headers)

        assert refused(answer) == (400, "VALIDATION_ERROR")
        assert [one["field"] for one in envelope_of(answer)["errors"]] == [name]
