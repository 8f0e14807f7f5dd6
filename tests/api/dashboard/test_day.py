"""The day without a browser: what is shown, polled, recorded and refused."""

import re
from datetime import date, timedelta
from typing import Any

import pytest
from flask import Flask

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.audit import service as audit
from arthomed.audit.models import Action, AuditEvent, Kind
from arthomed.core import clock
from arthomed.core.permissions import Role
from arthomed.http import cache as http_cache
from arthomed.payments.rules import Method
from arthomed.payments.service import recording
from arthomed.scheduling import single_slots
from arthomed.scheduling.bookability import BlockReason
from arthomed.users import family
from tests import factories
from tests.api.auth.sign_in import Now
from tests.browser import clinic
from tests.browser.clinic import Doctor
from tests.factories import Browser

DAY, LIVE = "/dashboard/day", "/dashboard/day/live"
_VERSION = re.compile(r'data-version="(\w+)"')


def rows(text: str) -> list[tuple[str, str]]:
    """The name and the state of each row, in order."""
    return re.findall(r'data-state="([\w-]+)" role="row".*?id="name-\w+"[^>]*>([^<]+)<', text, re.DOTALL)


def buttons(text: str) -> list[str]:
    return re.findall(r">([\w-]+)<kbd", text)


def events(*actions: Action) -> list[AuditEvent]:
    audit.flush()
    return list(AuditEvent.objects(action__in=actions, kind=Kind.APPOINTMENT).order_by("at"))


class TestList:
    def test_all_doctors_share_one_queue_order(self, desk: Browser, meera: Doctor) -> None:
        arjun = clinic.make_doctor("Dr Arjun Rao")
        meera.add("Expected", "confirm", minutes=50)
        arjun.add("Waiting", "confirm", "arrive")
        meera.add("Called", "confirm", "arrive", "call")
        arjun.add("To confirm", minutes=40)

        assert rows(desk.get(DAY).text) == [
            ("called", "Called"),
            ("waiting", "Waiting"),
            ("pending", "To confirm"),
            ("expected", "Expected"),
        ]

    def test_doctors_see_their_own(self, app: Flask, meera: Doctor) -> None:
        clinic.make_doctor("Dr Arjun Rao").add("Ravi Kumar")
        meera.add("Asha Verma")
        page = Browser(app, meera.user).get(DAY).text

        assert [name for _, name in rows(page)] == ["Asha Verma"]
        assert "Dr Arjun Rao" not in page

    def test_another_doctor_is_not_found(self, app: Flask, meera: Doctor) -> None:
        other = factories.make_doctor()

        assert Browser(app, meera.user).get(f"{DAY}?doctor={other.id}").status_code == 404

    @pytest.mark.parametrize(
        "query",
        [
            *("date=never", "date=2026-02-31", "date=0001-01-01", "date=9999-12-31"),
            *("doctor=x", "state=gone", "view=none", "search=", "unknown=1"),
        ],
    )
    def test_filters_that_mean_nothing_are_left_out(self, desk: Browser, meera: Doctor, query: str) -> None:
        meera.add("Asha Verma")

        assert len(rows(desk.get(f"{DAY}?{query}").text)) == 1

    @pytest.mark.parametrize("day", ["1000-01-01", "2999-12-31"])
    def test_the_first_and_the_last_day_are_shown(self, desk: Browser, day: str) -> None:
        assert desk.get(f"{DAY}?date={day}").status_code == 200

    def test_counts_are_of_the_whole_day(self, desk: Browser, meera: Doctor) -> None:
        for name in ("Asha Verma", "Ravi Kumar"):
            meera.add(name, "confirm", "arrive")
        meera.add("Deepa Nair", "confirm")

        page = desk.get(f"{DAY}?state=expected&search=dee").text

        assert "Waiting <b>2</b>" in page
        assert len(rows(page)) == 1

    def test_an_empty_day_says_so(self, desk: Browser) -> None:
        assert "No appointments on this day." in desk.get(DAY).text

    def test_a_row_says_what_is_paid_and_who_comes_for_the_first_time(self, desk: Browser, meera: Doctor) -> None:
        appointment = meera.add("Asha Verma", "confirm")
        recording.pay(factories.actor_of(desk.user), appointment.id, 200, Method.CASH, reference=None, key=None)

        page = desk.get(DAY).text

        assert ("₹300 open of ₹500" in page, "new patient" in page) == (True, True)

    def test_a_family_member_is_shown_and_found_as_the_person_who_comes(self, desk: Browser, meera: Doctor) -> None:
        parent = factories.make_user(name="Asha Verma")
        born = {"date_of_birth": date(2020, 1, 1), "gender": "female"}
        member = family.add(factories.actor_of(parent), parent.id, {"name": "Tara", **born}).dependent
        meera.add("", "confirm", patient=parent, dependent_id=member.id)

        for typed in ("tara", "asha", parent.mobile_number[-4:]):
            page = desk.get(f"{DAY}?search={typed}").text
            assert [name for _, name in rows(page)] == ["Tara"]
            assert "family of Asha Verma" in page


class TestActions:
    """What a row offers is what the rules allow the role at this time."""

    @pytest.mark.parametrize(
        ("role", "steps", "offered"),
        [
            (Role.RECEPTIONIST, (), {"Confirm", "Cancel", "Payment"}),
            (Role.RECEPTIONIST, ("confirm",), {"Arrived", "No-show", "Cancel", "Payment"}),
            (Role.RECEPTIONIST, ("confirm", "arrive"), {"Call", "Skip", "No-show", "Undo", "Cancel", "Payment"}),
            (Role.RECEPTIONIST, ("confirm", "arrive", "call"), {"Skip", "No-show", "Undo", "Cancel", "Payment"}),
            (Role.RECEPTIONIST, ("confirm", "arrive", "call", "start"), {"Payment"}),
            (Role.RECEPTIONIST, ("confirm", "no-show"), {"Undo"}),
            (Role.ADMIN, ("confirm", "arrive", "call"), {"Start", "Skip", "No-show", "Undo", "Cancel", "Payment"}),
            (Role.ADMIN, ("confirm", "arrive", "call", "start"), {"Done", "Undo", "Cancel", "Payment"}),
            (Role.ADMIN, ("confirm", "arrive", "call", "start", "done"), {"Payment"}),
            (Role.ADMIN, ("cancel",), set()),
        ],
    )
    def test_a_row_offers(
        self, app: Flask, meera: Doctor, role: Role, steps: tuple[str, ...], offered: set[str]
    ) -> None:
        meera.add("Asha Verma", *steps)

        assert set(buttons(Browser(app, factories.make_user(role)).get(DAY).text)) == offered

    def test_while_a_patient_is_called_no_other_of_the_doctor_is(self, desk: Browser, meera: Doctor) -> None:
        meera.add("Asha Verma", "confirm", "arrive", "call")
        meera.add("Ravi Kumar", "confirm", "arrive")

        assert "Call" not in buttons(desk.get(f"{DAY}?state=waiting").text)

    @pytest.mark.parametrize(
        ("role", "steps", "before", "after"),
        [
            (Role.RECEPTIONIST, ("arrive",), "waiting", "expected"),
            (Role.RECEPTIONIST, ("arrive", "call"), "called", "waiting"),
            (Role.RECEPTIONIST, ("arrive", "call", "skip"), "waiting", "called"),  # nobody else comes first
            (Role.RECEPTIONIST, ("no-show",), "no-show", "expected"),
            (Role.ADMIN, ("arrive", "call", "start"), "in-progress", "called"),
            (Role.DOCTOR, ("arrive", "call", "start"), "in-progress", "called"),
        ],
    )
    def test_a_step_is_undone(
        self, app: Flask, meera: Doctor, role: Role, steps: tuple[str, ...], before: str, after: str
    ) -> None:
        appointment = meera.add("Asha Verma", "confirm", *steps)
        browser = Browser(app, meera.user if role is Role.DOCTOR else factories.make_user(role))
        page = browser.get(DAY).text

        undone = browser.post(f"/dashboard/appointments/{appointment.id}/undo")

        assert (rows(page), "Undo" in buttons(page)) == ([(before, "Asha Verma")], True)
        assert rows(undone.text) == [(after, "Asha Verma")]

    def test_ten_minutes_after_a_step_it_is_not_undone(self, now: Now, desk: Browser, meera: Doctor) -> None:
        meera.add("Asha Verma", "confirm", "arrive")
        now.shift(timedelta(minutes=11))
        desk.post("/dashboard/unlock/code")
        desk.post("/dashboard/unlock", otp=factories.code_for(desk.user.mobile_number))

        assert "Undo" not in buttons(desk.get(DAY).text)

    def test_an_action_answers_with_the_list_of_the_filters(self, desk: Browser, meera: Doctor) -> None:
        appointment = meera.add("Asha Verma", "confirm")
        meera.add("Ravi Kumar", "confirm", "arrive")

        response = desk.post(f"/dashboard/appointments/{appointment.id}/arrive", state="expected")

        assert rows(response.text) == []
        assert Appointment.objects.get(id=appointment.id).has_arrived

    def test_a_cancellation_stores_its_reason(self, desk: Browser, meera: Doctor) -> None:
        appointment = meera.add("Asha Verma", "confirm")

        desk.post(f"/dashboard/appointments/{appointment.id}/cancel", reason="Is well again")

        found = Appointment.objects.get(id=appointment.id)
        assert (found.status, found.cancellation.reason) == (Status.CANCELLED, "Is well again")

    def test_the_refund_is_shown_before_and_nothing_is_stored(self, desk: Browser, meera: Doctor) -> None:
        appointment = meera.add("Asha Verma", "confirm")
        actor = factories.actor_of(desk.user)
        recording.pay(actor, appointment.id, 300, Method.CASH, reference=None, key=None)

        dialog = desk.get(f"/dashboard/appointments/{appointment.id}/cancel", is_partial=True).text

        assert "₹300 of the payment is to be refunded." in dialog
        assert Appointment.objects.get(id=appointment.id).status is Status.CONFIRMED

    def test_what_is_not_possible_any_more_is_refused(self, desk: Browser, meera: Doctor) -> None:
        appointment = meera.add("Asha Verma", "confirm", "arrive", "call", "start")

        response = desk.post(f"/dashboard/appointments/{appointment.id}/arrive")

        assert (response.status_code, response.text) == (400, "<p>The consultation has begun</p>")

    def test_a_refusal_is_in_the_language_of_the_reader(self, desk: Browser, meera: Doctor) -> None:
        appointment = meera.add("Asha Verma", "confirm", "arrive", "call", "start")
        desk.client.set_cookie("arthomed_language", "hi")

        assert "परामर्श शुरू हो चुका है" in desk.post(f"/dashboard/appointments/{appointment.id}/arrive").text


class TestPolling:
    def poll(self, browser: Browser, version: str, **more: Any) -> Any:
        return browser.get(LIVE, is_partial=True, headers={"X-Version": version}, **more)

    def test_the_present_version_is_answered_with_204(self, desk: Browser, meera: Doctor) -> None:
        meera.add("Asha Verma", "confirm", minutes=200)
        [version] = _VERSION.findall(desk.get(DAY).text)

        assert [self.poll(desk, version).status_code for _ in range(3)] == [204] * 3

    @pytest.mark.parametrize("step", ["confirm", "cancel"])
    def test_a_change_gives_the_new_list(self, desk: Browser, meera: Doctor, step: str) -> None:
        appointment = meera.add("Asha Verma", minutes=200)
        [version] = _VERSION.findall(desk.get(DAY).text)
        self.poll(desk, version)

        clinic.take(step, appointment)
        response = self.poll(desk, version)

        assert response.status_code == 200
        assert _VERSION.findall(response.text) == [response.headers["X-Version"]] != [version]

    def test_a_new_appointment_appears(self, desk: Browser, meera: Doctor) -> None:
        [version] = _VERSION.findall(desk.get(DAY).text)
        self.poll(desk, version)

        meera.add("Asha Verma")

        assert [name for _, name in rows(self.poll(desk, version).text)] == ["Asha Verma"]

    def test_a_doctor_who_blocks_the_whole_day_is_on_leave(self, desk: Browser, meera: Doctor) -> None:
        clinic.make_doctor("Dr Arjun Rao")
        day = factories.tomorrow()
        address = f"{LIVE}?date={day}"
        before = desk.get(address, is_partial=True).text

        for slot in factories.slots_of(meera.user, day):
            actor = factories.actor_of(meera.user)
            single_slots.set_blocked(actor, slot.id, is_blocked=True, reason=BlockReason.PERSONAL)

        assert [text.count("On leave") for text in (before, desk.get(address, is_partial=True).text)] == [0, 1]

    def test_each_language_is_kept_for_itself(self, desk: Browser, meera: Doctor) -> None:
        meera.add("Asha Verma", "confirm", minutes=200)
        english = self.poll(desk, "none").text
        desk.client.set_cookie("arthomed_language", "mr")

        assert "यायचे बाकी" in self.poll(desk, "none").text
        assert "Expected" in english

    def test_each_user_sees_the_buttons_of_the_own_role(self, app: Flask, desk: Browser, meera: Doctor) -> None:
        meera.add("Asha Verma", "confirm", "arrive", "call")
        admin = Browser(app, factories.make_user(Role.ADMIN))

        assert ["Start" in buttons(self.poll(one, "none").text) for one in (desk, admin, desk)] == [False, True, False]

    def test_a_list_is_drawn_again_with_each_minute(self, now: Now, desk: Browser, meera: Doctor) -> None:
        meera.add("Asha Verma", "confirm", "arrive")
        assert "waits 0 min" in self.poll(desk, "none").text

        now.shift(timedelta(minutes=1))

        assert "waits 1 min" in self.poll(desk, "none").text

    def test_within_a_minute_all_processes_draw_the_same(
        self, app: Flask, now: Now, desk: Browser, meera: Doctor
    ) -> None:
        minute = clock.now().replace(second=0, microsecond=0) + timedelta(minutes=1)
        now.move_to(minute + timedelta(seconds=30))
        meera.add("Asha Verma", "confirm", "arrive")

        versions = set()
        for seconds in (5, 40):
            now.move_to(minute + timedelta(minutes=5, seconds=seconds))
            http_cache.register(app)  # it is empty, as that of another process
            versions.add(self.poll(desk, "none").headers["X-Version"])

        assert len(versions) == 1


class TestAudit:
    def test_what_is_shown_is_read_once_however_often_it_is_polled(self, desk: Browser, meera: Doctor) -> None:
        appointment = meera.add("Asha Verma", "confirm")
        desk.get(DAY)
        for _ in range(5):
            desk.get(LIVE, is_partial=True)

        [read] = events(Action.READ)
        assert (read.actor, read.session, read.records) == (desk.user.id, desk.session_id, [appointment.id])
        assert [one.search.filters.keys() for one in events(Action.SEARCH)] == [{"date"}]

    def test_only_those_who_are_shown_are_read(self, desk: Browser, meera: Doctor) -> None:
        asha = meera.add("Asha Verma", "confirm")
        meera.add("Ravi Kumar", "confirm")

        desk.get(f"{DAY}?search=asha", is_partial=True)

        [read] = events(Action.READ)
        [search] = events(Action.SEARCH)
        assert read.records == [asha.id]
        assert (search.search.filters["search"], search.search.found) == ("asha", 1)

    def test_a_dialog_is_a_read(self, desk: Browser, meera: Doctor) -> None:
        appointment = meera.add("Asha Verma", "confirm")

        desk.get(f"/dashboard/appointments/{appointment.id}/cancel", is_partial=True)

        assert [one.records for one in events(Action.READ)] == [[appointment.id]]


class TestWrites:
    """Actions are those of the API: the same events, and the same caches are invalidated."""

    def test_an_action_is_a_change_in_the_audit_trail(self, desk: Browser, meera: Doctor) -> None:
        appointment = meera.add("Asha Verma", "confirm")

        desk.post(f"/dashboard/appointments/{appointment.id}/arrive")

        [change] = [one for one in events(Action.CHANGE) if one.actor == desk.user.id]
        assert (change.records, change.session) == ([appointment.id], desk.session_id)

    def test_the_day_of_the_api_shows_it(self, app: Flask, desk: Browser, meera: Doctor) -> None:
        appointment = meera.add("Asha Verma", "confirm")
        admin = factories.sign_in(app, factories.make_user(Role.ADMIN))
        query = {"date": appointment.appointment_date.date().isoformat()}
        client = app.test_client()
        client.get("/api/appointments/day", query_string=query, headers=admin.headers)

        desk.post(f"/dashboard/appointments/{appointment.id}/arrive")

        response = client.get("/api/appointments/day", query_string=query, headers=admin.headers)
        [item] = factories.data_of(response)["items"]
        assert item["queue"]["stage"] == "waiting"
