"""When a response comes from the cache, and when its entry is no longer current."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from threading import Event
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from mongoengine.connection import get_db
from pymongo.client_session import ClientSession

from arthomed.appointments.models import Appointment
from arthomed.appointments.service import transitions
from arthomed.core.documents import ClinicQuerySet, transaction
from arthomed.core.permissions import Permission
from arthomed.http.auth import requires
from arthomed.http.cache import cached, cached_part
from arthomed.scheduling.models import Slot
from tests import factories
from tests.api.caching.clinic import OWN_LIST, Clinic, slots_path
from tests.api.caching.second_process import Request, SecondProcess, get
from tests.factories import data_of
from tests.migrations.plans import profiled

DOCTORS = "/api/users/doctors"


def slots_request(clinic: Clinic) -> Request:
    return slots_path(clinic.doctor, factories.tomorrow()), clinic.ravi.headers


def free_times(responses: Sequence[Any]) -> list[str]:
    [[status, body]] = responses
    assert status == 200
    return [slot["startTime"] for slot in body["data"]["availableSlots"]]


@contextmanager
def only_from_the_cache() -> Iterator[None]:
    """Within the block no request reads a slot, a user, an appointment or a file."""
    with profiled(get_db()) as operations:
        yield
    collections = {one["ns"].partition(".")[2] for one in operations}
    assert not collections & {"slots", "users", "appointments", "files"}


def test_second_response_comes_from_the_cache(app: Flask, clinic: Clinic) -> None:
    paths = [slots_request(clinic)[0], DOCTORS, OWN_LIST, f"{OWN_LIST}?when=upcoming"]
    requests = [(path, clinic.asha.headers) for path in paths]
    first = get(app, requests)
    with only_from_the_cache():
        assert get(app, requests) == first


@pytest.mark.parametrize("decorator", [cached(shared=False), cached_part(str)])
def test_a_cache_above_the_permission_is_refused(decorator: Callable[[Any], Any]) -> None:
    @requires(Permission.PROFILE)
    def view() -> str:
        return ""

    with pytest.raises(TypeError, match="a cache goes below @requires"):
        decorator(view)


def test_users_share_the_cached_slots_and_doctors(app: Flask, clinic: Clinic) -> None:
    paths = [slots_request(clinic)[0], DOCTORS]
    first = get(app, [(path, clinic.asha.headers) for path in paths])
    with only_from_the_cache():
        assert get(app, [(path, clinic.admin.headers) for path in paths]) == first


def test_cached_response_is_refused_without_a_live_session(app: Flask, client: FlaskClient, clinic: Clinic) -> None:
    path, headers = slots_request(clinic)
    data_of(client.get(path, headers=headers))
    data_of(client.post("/api/auth/logout", headers=headers))

    assert factories.error_of(client.get(path)) == (401, "NO_TOKEN")
    assert factories.error_of(client.get(path, headers=headers)) == (401, "SESSION_REVOKED")


def test_users_never_get_the_own_list_of_another_user(app: Flask, clinic: Clinic) -> None:
    stranger = factories.sign_in(app)
    requests = [(OWN_LIST, user.headers) for user in (clinic.asha, clinic.ravi, stranger)] * 2

    patients = [{one["patient"]["_id"] for one in body["data"]["items"]} for _, body in get(app, requests)]

    assert patients == [{str(clinic.asha.user.id)}, {str(clinic.ravi.user.id)}, set()] * 2


def test_own_list_with_files_is_read_each_time_because_workers_change_files(app: Flask, clinic: Clinic) -> None:
    for _ in range(2):
        with profiled(get_db()) as operations:
            get(app, [(OWN_LIST, clinic.ravi.headers)])
        assert [one for one in operations if one["ns"].endswith(".files")]


def test_response_that_is_not_cached_leaves_no_entry_behind(app: Flask, clinic: Clinic) -> None:
    yesterday = factories.tomorrow() - timedelta(days=2)
    requests = [(OWN_LIST, clinic.ravi.headers), (slots_path(clinic.doctor, yesterday), clinic.ravi.headers)]
    get(app, requests)
    with profiled(get_db()) as operations:
        get(app, requests)

    of_sessions = [one["command"] for one in operations if one["ns"].endswith(".sessions")]
    assert len(of_sessions) == 2
    assert [one["pipeline"] for one in of_sessions if "pipeline" in one] == []  # which reads the tags of an entry


def test_response_of_a_past_day_has_an_etag(client: FlaskClient, clinic: Clinic) -> None:
    path = slots_path(clinic.doctor, factories.tomorrow() - timedelta(days=2))
    first = client.get(path, headers=clinic.ravi.headers)
    again = client.get(path, headers={**clinic.ravi.headers, "If-None-Match": first.headers["ETag"]})

    assert (first.status_code, first.headers["Cache-Control"]) == (200, "private, no-cache")
    assert (again.status_code, again.data) == (304, b"")


def test_list_of_doctors_free_on_a_day_is_read_each_time(app: Flask, clinic: Clinic) -> None:
    for _ in range(2):
        with profiled(get_db()) as operations:
            get(app, [(f"{DOCTORS}?date={factories.tomorrow()}", clinic.ravi.headers)])
        assert [one for one in operations if one["ns"].endswith(".slots")]


def test_aborted_transaction_invalidates_nothing_and_changes_no_response(app: Flask, clinic: Clinic) -> None:
    requests = [slots_request(clinic), (OWN_LIST, clinic.asha.headers)]
    before = get(app, requests)

    def work(session: ClientSession) -> None:
        Slot.free(clinic.pending.slot, clinic.pending.seat, session=session)
        Appointment.touch(clinic.pending.id, clinic.asha.user.id, session)
        assert get(app, requests) == before
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        transaction(work)

    with only_from_the_cache():
        assert get(app, requests) == before


def test_response_whose_tags_were_removed_is_not_current(app: Flask, clinic: Clinic) -> None:
    assert free_times(get(app, [slots_request(clinic)])) == ["10:00", "10:30"]
    clinic.database.cache_tags.delete_many({})  # as the TTL index does after 100 days without a change
    Slot.objects(doctor=clinic.doctor.id, start_time="10:00").update(set__is_available=False)

    assert free_times(get(app, [slots_request(clinic)])) == ["10:30"]


def test_slot_that_starts_is_no_longer_free_in_a_cached_response(app: Flask, clinic: Clinic) -> None:
    path, starts_at = slots_request(clinic)[0], factories.at_clinic(factories.tomorrow(), "10:00")
    with time_machine.travel(starts_at - timedelta(seconds=1), tick=False) as traveller:
        request = path, factories.sign_in(app).headers
        assert [free_times(get(app, [request])) for _ in range(2)] == [["10:00", "10:30"]] * 2
        traveller.shift(1)
        assert free_times(get(app, [request])) == ["10:30"]


def test_slots_of_a_day_disappear_after_midnight(app: Flask, clinic: Clinic) -> None:
    midnight = factories.at_clinic(factories.tomorrow() + timedelta(days=1), "00:00")
    path, _ = slots_request(clinic)
    with time_machine.travel(midnight - timedelta(seconds=1), tick=False) as traveller:
        headers = factories.sign_in(app).headers
        [before] = get(app, [(path, headers)])
        traveller.shift(1)
        [after] = get(app, [(path, headers)])

    assert [len(body["data"]["bookedSlots"]) for _, body in (before, after)] == [2, 0]


def test_appointment_that_starts_is_no_longer_upcoming_in_a_cached_response(app: Flask, clinic: Clinic) -> None:
    with time_machine.travel(clinic.pending.starts_at - timedelta(seconds=1), tick=False) as traveller:
        request = (f"{OWN_LIST}?when=upcoming", factories.sign_in(app, clinic.asha.user).headers)
        before = [len(body["data"]["items"]) for _, body in get(app, [request, request])]
        traveller.shift(2)
        after = [len(body["data"]["items"]) for _, body in get(app, [request])]

    assert (before, after) == ([2, 2], [1])


@pytest.mark.parametrize("is_data_read", [True, False], ids=["data read", "data not read"])
@pytest.mark.parametrize(
    ("path", "query", "change"),
    [
        (None, (Slot, "of_day"), lambda c: factories.make_appointment(doctor=c.doctor, time="10:00")),
        (OWN_LIST, (ClinicQuerySet, "page"), lambda c: c.change_status(c.pending, "confirmed")),
        (DOCTORS, (ClinicQuerySet, "page"), lambda c: c.call(c.admin, "DELETE", f"/users/{c.doctor.id}")),
    ],
    ids=["slots", "own list", "doctors"],
)
def test_response_during_which_a_change_was_committed_is_not_used_after_it(
    app: Flask,
    clinic: Clinic,
    second_process: SecondProcess,
    monkeypatch: pytest.MonkeyPatch,
    path: str | None,
    query: tuple[type, str],
    change: Callable[[Clinic], object],
    *,
    is_data_read: bool,
) -> None:
    request = (path or slots_request(clinic)[0], clinic.asha.headers)
    is_reading, may_go_on, read = Event(), Event(), getattr(*query)

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        found = read(*args, **kwargs) if is_data_read else None
        is_reading.set()
        may_go_on.wait(10)
        return found if is_data_read else read(*args, **kwargs)

    with ThreadPoolExecutor(1) as thread, monkeypatch.context() as patched:
        patched.setattr(*query, interrupted)
        reader = thread.submit(get, app, [request])
        assert is_reading.wait(10)
        patched.undo()
        change(clinic)
        may_go_on.set()
        reader.result()

    assert get(app, [request]) == second_process.get([request], with_cache=False)


@pytest.mark.long
def test_no_response_after_an_acknowledged_booking_or_cancellation_is_older_than_it(
    app: Flask, clinic: Clinic, second_process: SecondProcess
) -> None:
    request, stop = slots_request(clinic), Event()
    patient, admin = factories.make_user(), factories.actor_of(clinic.admin.user)

    def read_until_stopped() -> None:
        while not stop.is_set():
            get(app, [(request[0], clinic.asha.headers)])

    with ThreadPoolExecutor(1) as thread:
        reading = thread.submit(read_until_stopped)
        try:
            for _ in range(100):
                appointment = factories.make_appointment(patient, clinic.doctor, time="10:00")
                assert free_times(get(app, [request])) == free_times(second_process.get([request])) == ["10:30"]
                transitions.cancel(admin, appointment.id, reason=None)
                assert free_times(get(app, [request])) == ["10:00", "10:30"]
        finally:
            stop.set()
        reading.result()
