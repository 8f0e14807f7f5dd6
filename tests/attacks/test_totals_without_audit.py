"""A page beyond the last one shows nobody and still tells the total, so the audit trail records each search of staff.

`GET /api/users?search=9876543210&page=2` answers no item and `total: 1`: the number belongs to somebody.
"""

from collections.abc import Callable

import pytest
from bson import ObjectId
from flask import Flask
from flask.testing import FlaskClient

from arthomed.audit.models import AuditEvent
from tests import factories
from tests.api.audit.clinic import Clinic, get, open_clinic, put, trail
from tests.factories import SignedIn, data_of, error_of

BEYOND = "page=1000"
Search = tuple[SignedIn, str, dict[str, object]]
"""Who searches, the path, and the filters that the audit trail then holds."""

SEARCHES: dict[str, Callable[[Clinic], Search]] = {
    "an admin searches users by a word": lambda c: (c.admin, "/users?search=asha v", {"search": "asha v"}),
    "an admin searches users by a number": lambda c: (
        c.admin,
        f"/users?search={c.patient.user.mobile_number}",
        {"search": c.patient.user.mobile_number},
    ),
    "an admin filters users": lambda c: (
        c.admin,
        "/users?role=patient&isActive=true&sort=name",
        {"role": "patient", "isActive": True},
    ),
    "a receptionist searches patients": lambda c: (c.desk, "/patients?search=ver asha", {"search": "ver asha"}),
    "a receptionist filters appointments by patient": lambda c: (
        c.desk,
        f"/appointments?patientId={c.patient.user.id}&status=pending",
        {"patientId": str(c.patient.user.id), "status": "pending"},
    ),
    "a doctor filters appointments by patient": lambda c: (
        c.doctor,
        f"/appointments?patientId={c.patient.user.id}",
        {"patientId": str(c.patient.user.id)},
    ),
    "a receptionist filters appointments by doctor and day": lambda c: (
        c.desk,
        f"/appointments?doctorId={c.doctor.user.id}&startDate=2020-01-01&endDate=2099-12-31&when=upcoming",
        {
            "doctorId": str(c.doctor.user.id),
            "startDate": "2020-01-01",
            "endDate": "2099-12-31",
            "when": "upcoming",
        },
    ),
    "a receptionist lists pending appointments": lambda c: (c.desk, "/appointments/pending?", {"status": "pending"}),
    "an admin filters messages": lambda c: (
        c.admin,
        "/admin/messages?state=waiting&kind=appointment-pending&channel=sms",
        {"state": "waiting", "kind": "appointment-pending", "channel": "sms"},
    ),
}
BY_ID: dict[str, Callable[[Clinic], tuple[SignedIn, str]]] = {
    "appointments of a patient": lambda c: (c.desk, f"/appointments?patientId={c.patient.user.id}"),
    "the audit trail about a person": lambda c: (c.admin, f"/admin/audit?subjectId={c.patient.user.id}"),
    "the audit trail of what a person did": lambda c: (c.admin, f"/admin/audit?actorId={c.patient.user.id}"),
}

RECORDED = {
    "/api/users",
    "/api/patients",
    "/api/appointments",
    "/api/appointments/pending",
    "/api/admin/messages",
    "/api/admin/audit",
}
PUBLIC_OR_OWN = {
    "/api/users/doctors",
    "/api/appointments/my-appointments",
    "/api/users/profile/access-log",
    "/api/notifications",
    "/api/files",
}


@pytest.fixture
def clinic(app: Flask, client: FlaskClient) -> Clinic:
    del client  # it empties the database
    return open_clinic(app)


def searches() -> list[AuditEvent]:
    return [event for event in trail() if event.action == "search"]


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_that_shows_nobody_is_recorded_with_its_filters_and_the_total(
    client: FlaskClient, clinic: Clinic, name: str
) -> None:
    caller, path, filters = SEARCHES[name](clinic)

    page = get(client, f"{path}&{BEYOND}", caller)

    assert (page["items"], page["pagination"]["total"]) == ([], 1)
    [event] = trail()
    assert (event.action, event.actor, event.session) == ("search", caller.user.id, caller.session_id)
    assert (event.search.filters, event.search.found) == (filters, 1)


def test_each_list_of_the_api_records_searches_or_shows_nothing_about_others(client: FlaskClient) -> None:
    document = factories.envelope_of(client.get("/api/openapi.json"))
    lists = {
        path
        for path, routes in document["paths"].items()
        if any(parameter.get("name") == "page" for parameter in routes.get("get", {}).get("parameters", []))
    }

    assert lists == RECORDED | PUBLIC_OR_OWN


def test_a_search_that_finds_nothing_is_recorded_too(client: FlaskClient, clinic: Clinic) -> None:
    get(client, "/users?search=Nobody", clinic.admin)

    [event] = trail()
    assert (event.search.filters, event.search.found) == ({"search": "Nobody"}, 0)


def test_the_headers_alone_of_a_search_are_recorded_as_well(client: FlaskClient, clinic: Clinic) -> None:
    client.head(f"/api/users?search=Asha&{BEYOND}", headers=clinic.admin.headers)

    assert [event.search.filters for event in searches()] == [{"search": "Asha"}]


@pytest.mark.parametrize("words", ["search=%20Asha%20", "search=A%20.*%20%24where"])
def test_the_recorded_words_are_those_that_were_searched_for(client: FlaskClient, clinic: Clinic, words: str) -> None:
    get(client, f"/users?{words}", clinic.admin)

    [event] = searches()
    assert event.search.filters["search"] in {"Asha", "A .* $where"}
    assert event.search.found == (1 if event.search.filters["search"] == "Asha" else 0)


def test_a_search_that_shows_people_is_recorded_beside_the_read(client: FlaskClient, clinic: Clinic) -> None:
    get(client, "/users?search=Asha", clinic.admin)

    assert [(event.action, event.subjects) for event in trail()] == [
        ("search", []),
        ("read", [clinic.patient.user.id]),
    ]


@pytest.mark.parametrize("name", BY_ID)
def test_a_person_named_by_id_sees_the_search_in_the_access_log(client: FlaskClient, clinic: Clinic, name: str) -> None:
    caller, path = BY_ID[name](clinic)
    get(client, f"{path}&{BEYOND}", caller)
    assert [event.subjects for event in trail()] == [[clinic.patient.user.id]]

    [access] = get(client, "/users/profile/access-log", clinic.patient)["items"]

    assert (access["action"], access["by"]["_id"]) == ("search", str(caller.user.id))
    assert "search" not in access


def test_a_filter_of_the_audit_trail_by_record_is_recorded(client: FlaskClient, clinic: Clinic) -> None:
    put(client, f"/appointments/{clinic.appointment.id}/status", clinic.desk, status="confirmed")

    page = get(client, f"/admin/audit?recordId={clinic.appointment.id}&{BEYOND}", clinic.admin)

    assert (page["items"], page["pagination"]["total"]) == ([], 1)
    assert [event.search.filters for event in searches()] == [{"recordId": str(clinic.appointment.id)}]


def test_reading_recorded_searches_is_recorded_although_they_have_no_subjects(
    client: FlaskClient, clinic: Clinic
) -> None:
    get(client, "/users?search=Nobody", clinic.admin)
    [searched] = trail()

    get(client, "/admin/audit", clinic.admin)

    assert [(one.kind, one.records) for one in trail()[1:]] == [("audit-trail", [searched.id])]


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_refused_mobile_number_which_tells_that_it_is_registered_is_recorded(
    client: FlaskClient, clinic: Clinic, method: str
) -> None:
    mobile = clinic.patient.user.mobile_number
    path = "/api/users" if method == "POST" else f"/api/users/{clinic.desk.user.id}"
    body = {"mobileNumber": mobile} | ({"name": "New Person", "role": "patient"} if method == "POST" else {})

    response = client.open(path, method=method, json=body, headers=clinic.admin.headers)

    assert error_of(response) == (400, "DUPLICATE_VALUE")
    [event] = trail()
    assert (event.action, event.kind, event.actor) == ("search", "user", clinic.admin.user.id)
    assert (event.search.filters, event.search.found) == ({"mobileNumber": mobile}, 1)


def test_the_words_of_a_search_are_in_no_log_line(
    client: FlaskClient, clinic: Clinic, capfd: pytest.CaptureFixture[str]
) -> None:
    get(client, f"/users?search=Asha Verma&{BEYOND}", clinic.admin)
    assert len(searches()) == 1

    logged = capfd.readouterr()
    assert "/api/users?search&page" in logged.err
    assert "Verma" not in logged.err + logged.out


@pytest.mark.parametrize("path", ["/users/doctors?search=Meera", "/users?", "/appointments?"])
def test_public_profiles_and_lists_without_filters_are_no_search(
    client: FlaskClient, clinic: Clinic, path: str
) -> None:
    get(client, f"{path}&{BEYOND}", clinic.admin)

    assert trail() == []


def test_ones_own_lists_are_no_search(client: FlaskClient, clinic: Clinic) -> None:
    get(client, f"/appointments/my-appointments?status=pending&{BEYOND}", clinic.patient)

    assert trail() == []


def test_admins_see_who_searched_for_what(client: FlaskClient, clinic: Clinic) -> None:
    get(client, f"/users?search=Asha&isActive=true&{BEYOND}", clinic.admin)
    trail()  # waits until the search is stored

    [event] = get(client, "/admin/audit", clinic.admin)["items"]

    assert (event["action"], event["kind"], event["by"]["_id"]) == ("search", "user", str(clinic.admin.user.id))
    assert event["search"] == {"filters": {"search": "Asha", "isActive": True}, "found": 1}


def test_events_that_were_stored_before_searches_were_recorded_are_listed(client: FlaskClient, clinic: Clinic) -> None:
    appointment, patient = clinic.appointment.id, clinic.patient.user.id
    stored = {"_id": ObjectId(), "at": clinic.appointment.created_at, "action": "read", "kind": "appointment"}
    AuditEvent.collection().insert_one({**stored, "records": [appointment], "subjects": [patient], "changes": []})

    [event] = get(client, "/admin/audit", clinic.admin)["items"]

    assert (event["action"], event["records"], event["search"]) == ("read", [str(appointment)], None)


class TestErasure:
    def test_searches_outlive_the_erasure_of_the_person_as_the_rest_of_the_trail_does(
        self, client: FlaskClient, clinic: Clinic
    ) -> None:
        get(client, f"/appointments?patientId={clinic.patient.user.id}", clinic.desk)
        get(client, "/users?search=Asha Verma", clinic.admin)
        factories.request_code(client, clinic.patient.user.mobile_number)
        body = {"otp": factories.code_for(clinic.patient.user.mobile_number)}

        erased = data_of(client.post("/api/users/profile/erasure", json=body, headers=clinic.patient.headers))

        assert [event.search.filters for event in searches()][1:] == [{"search": "Asha Verma"}]
        [trail_kept] = [kept for kept in erased["kept"] if "searched for" in kept["what"]]
        assert "rule 8(3)" in trail_kept["why"]

    def test_the_export_tells_of_searches_by_id_without_the_filters(self, client: FlaskClient, clinic: Clinic) -> None:
        get(client, f"/appointments?patientId={clinic.patient.user.id}&{BEYOND}", clinic.desk)
        get(client, f"/users?search=Asha Verma&{BEYOND}", clinic.admin)
        trail()  # waits until the searches are stored

        export = client.get("/api/users/profile/export", headers=clinic.patient.headers)

        told = [(one["action"], one["kind"]) for one in factories.envelope_of(export)["accessLog"]]
        assert ("search", "appointment") in told
        assert ("search", "user") not in told
