"""Admins read, list, search and count users."""

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from arthomed.core import clock
from arthomed.core.permissions import Role
from arthomed.users.models import User
from tests import factories
from tests.factories import SignedIn, data_of, error_of, invalid_fields

JOSEPH = "Joseph \u0915\u093c"  # NFC decomposes U+0958, which many keyboards type


def listed(client: FlaskClient, admin: SignedIn, **query: Any) -> list[str]:
    """The names of the users that a query finds."""
    answer = client.get("/api/users", query_string=query, headers=admin.headers)
    return [one["name"] for one in data_of(answer)["items"]]


class TestReadUser:
    @pytest.mark.parametrize("role", Role)
    def test_user_is_read_by_id(self, client: FlaskClient, admin: SignedIn, role: Role) -> None:
        user = factories.make_user(role)

        answer = client.get(f"/api/users/{user.id}", headers=admin.headers)

        assert data_of(answer)["user"]["mobileNumber"] == user.mobile_number

    def test_unknown_user_is_not_found(self, client: FlaskClient, admin: SignedIn) -> None:
        assert error_of(client.get(f"/api/users/{factories.UNKNOWN_ID}", headers=admin.headers)) == (404, "NOT_FOUND")

    def test_users_are_counted_by_role_and_status(self, client: FlaskClient, admin: SignedIn) -> None:
        patient = factories.make_user()
        factories.make_user(Role.DOCTOR)
        data_of(client.delete(f"/api/users/{patient.id}", headers=admin.headers))

        assert data_of(client.get("/api/users/stats", headers=admin.headers)) == {
            "total": 3,
            "active": 2,
            "inactive": 1,
            "byRole": {"admin": 1, "doctor": 1, "receptionist": 0, "patient": 1},
        }


class TestListUsers:
    @pytest.fixture(autouse=True)
    def _users(self, client: FlaskClient, admin: SignedIn) -> None:
        """Six users. The admin is the oldest one."""
        rahul = factories.make_user(name="Rahul Mehta", mobile_number="9876543210", email="rahul.m@example.com")
        factories.make_user(name="आशा वर्मा", mobile_number="9876500001")
        factories.make_user(name="Mr. D'Souza", mobile_number="6000000001")
        factories.make_user(Role.DOCTOR, name="Dr Meera Iyer", mobile_number="7000000001")
        joseph = factories.make_user(Role.RECEPTIONIST, name=JOSEPH, mobile_number="8000000001")
        User.objects(id=joseph.id).update(set__created_at=clock.now() + timedelta(minutes=1))
        data_of(client.delete(f"/api/users/{rahul.id}", headers=admin.headers))

    def test_default_order_is_newest_first(self, client: FlaskClient, admin: SignedIn) -> None:
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
    def test_users_are_sorted_by_the_requested_field(
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
            ({"search": "+91 98765 43210"}, ["Rahul Mehta"]),
            ({"search": "\u202a+91 98765\u00a043210\u202c"}, ["Rahul Mehta"]),
            ({"search": "098765-432"}, ["Rahul Mehta"]),
            ({"search": "९८७६५ ४३"}, ["Rahul Mehta"]),
            ({"search": "Rahul\u00a0\u200bMehta"}, ["Rahul Mehta"]),
            ({"search": "Rahul  Mehta"}, ["Rahul Mehta"]),
            ({"search": "D\u2019Souza"}, ["Mr. D'Souza"]),
            ({"search": "Meera", "role": "patient"}, []),
            ({"search": "वर्मा"}, ["आशा वर्मा"]),
            ({"search": "d'souza"}, ["Mr. D'Souza"]),
            ({"search": "Mr. D"}, ["Mr. D'Souza"]),
            ({"search": "\u0958"}, [JOSEPH]),
            ({"search": "  iyer "}, ["Dr Meera Iyer"]),
        ],
    )
    def test_users_are_filtered_by_role_status_and_text(
        self, client: FlaskClient, admin: SignedIn, query: dict[str, str], names: list[str]
    ) -> None:
        assert listed(client, admin, **query) == names

    @pytest.mark.parametrize(
        "text",
        [
            "(a+)+$",
            ".*",
            "^",
            "$",
            "R.hul",
            "Rahul|Meera",
            "[A-Z]",
            "(",
            "\\",
            "(?i)rahul",
            "a{1,9}",
            "9876.*",
            "%",
            "_",
        ],
    )
    def test_search_treats_a_pattern_as_literal_text(self, client: FlaskClient, admin: SignedIn, text: str) -> None:
        assert listed(client, admin, search=text) == []

    def test_pages_have_no_gap_and_no_overlap(self, client: FlaskClient, admin: SignedIn) -> None:
        pages = [listed(client, admin, page=page, limit=4, sort="name") for page in (1, 2, 3)]

        assert [len(one) for one in pages] == [4, 2, 0]
        assert [*pages[0], *pages[1]] == listed(client, admin, sort="name")

    def test_page_has_pagination_metadata(self, client: FlaskClient, admin: SignedIn) -> None:
        answer = client.get("/api/users?page=2&limit=4", headers=admin.headers)

        assert data_of(answer)["pagination"] == {
            "current": 2,
            "pages": 2,
            "total": 6,
            "limit": 4,
            "hasNext": False,
            "hasPrev": True,
        }

    def test_default_page_has_ten_items(self, client: FlaskClient, admin: SignedIn) -> None:
        answer = client.get("/api/users", headers=admin.headers)

        assert (data_of(answer)["pagination"]["limit"], data_of(answer)["pagination"]["current"]) == (10, 1)


class TestOrderOfNames:
    NAMES = ("de Souza", "Zubin", "\u00c1lvaro", "asha verma", "Asha Verma", "Alwin", "Bina", "D'Souza", "Desai")
    SORTED = ("\u00c1lvaro", "Alwin", "asha verma", "Asha Verma", "Bina", "D'Souza", "de Souza", "Desai", "Zubin")

    def test_users_are_listed_by_name_as_in_a_dictionary(self, client: FlaskClient, admin: SignedIn) -> None:
        for name in self.NAMES:
            factories.make_user(name=name)

        found = listed(client, admin, sort="name", role="patient")

        assert found == list(self.SORTED)
        assert listed(client, admin, sort="-name", role="patient") == found[::-1]

    def test_doctors_are_listed_by_name_as_in_a_dictionary(self, client: FlaskClient, admin: SignedIn) -> None:
        for name in ("zoya khan", "Amit Rao", "bina Shah", "Chetan Das"):
            factories.make_user(Role.DOCTOR, name=name)

        answer = client.get("/api/users/doctors", headers=admin.headers)

        assert [one["name"] for one in data_of(answer)["items"]] == ["Amit Rao", "bina Shah", "Chetan Das", "zoya khan"]

    def test_users_of_the_same_name_are_on_one_page_each(self, client: FlaskClient, admin: SignedIn) -> None:
        ids = {str(factories.make_user(name="Asha Verma").id) for _ in range(6)}
        headers = admin.headers

        pages = [
            data_of(client.get(f"/api/users?role=patient&sort=name&limit=2&page={page}", headers=headers))["items"]
            for page in (1, 2, 3)
        ]

        assert {one["_id"] for page in pages for one in page} == ids


class TestListQueryValidation:
    @pytest.mark.parametrize("name", ["limit", "page", "role", "isActive", "sort", "search"])
    @pytest.mark.parametrize("blank", ["", " ", "%0a", "%E2%80%8B"])
    def test_blank_query_parameter_is_absent(self, client: FlaskClient, admin: SignedIn, name: str, blank: str) -> None:
        answer = client.get(f"/api/users?{name}={blank}", headers=admin.headers)

        assert data_of(answer) == data_of(client.get("/api/users", headers=admin.headers))

    @pytest.mark.parametrize(("name", "value"), [("limit", "1"), ("limit", "100"), ("page", "1"), ("page", "1000000")])
    def test_smallest_and_largest_page_and_limit_are_allowed(
        self, client: FlaskClient, admin: SignedIn, name: str, value: str
    ) -> None:
        assert client.get(f"/api/users?{name}={value}", headers=admin.headers).status_code == 200

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *[("limit", one) for one in ("0", "101", "-1", "ten", "1.5", "1e1", "9" * 5000)],
            *[("page", one) for one in ("0", "-1", "x", "1000001", "9" * 5000)],
            *[("role", one) for one in ("owner", "ADMIN")],
            *[("isActive", one) for one in ("maybe",)],
            *[("sort", one) for one in ("mobileNumber", "--name", "name,role", "$natural")],
            *[("search", one) for one in ("%00", "a" * 101)],
            *[(one, "x") for one in ("colour", "Role", "search[$ne]", "role[]", "$where", "skip")],
        ],
    )
    def test_invalid_query_parameter_is_refused_by_name(
        self, client: FlaskClient, admin: SignedIn, name: str, value: str
    ) -> None:
        assert invalid_fields(client.get(f"/api/users?{name}={value}", headers=admin.headers)) == [name]
