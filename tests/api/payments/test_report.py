"""The cash report of a day, and the list of an appointment's payments."""

import time_machine

from arthomed.audit import service as audit
from arthomed.audit.models import AuditEvent
from arthomed.core.permissions import Role
from tests import factories
from tests.api.payments.desk import TUESDAY, Desk
from tests.factories import data_of, error_of, invalid_fields


def totals(count: int, payments: int = 0, refunds: int = 0, corrections: int = 0) -> dict[str, int]:
    found = {"count": count, "payments": payments, "refunds": refunds, "corrections": corrections}
    return {**found, "total": payments + refunds + corrections}


def test_report_adds_up_by_method_and_by_the_person_who_received_the_money(desk: Desk) -> None:
    lata = factories.sign_in(desk.app, factories.make_user(Role.RECEPTIONIST, name="Lata Joshi"))
    desk.paid(200)
    wrong = desk.paid(100, "upi", caller=lata)
    desk.correct(wrong["_id"])
    desk.paid(100, caller=lata)
    desk.refund(50)

    report = data_of(desk.get("payments?date=2026-11-30"))

    assert report["date"] == "2026-11-30"
    assert report["totals"] == totals(5, 400, -50, -100)
    assert report["byMethod"] == [
        {"method": "cash", "totals": totals(3, 300, -50)},
        {"method": "upi", "totals": totals(2, 100, 0, -100)},
    ]
    assert [(one["person"]["name"], one["totals"]) for one in report["byPerson"]] == [
        ("Joseph Mathew", totals(2, 200, -50)),
        ("Lata Joshi", totals(3, 200, 0, -100)),  # the correction is Joseph's, of what she had received
    ]
    assert [one["method"] for one in report["byPerson"][1]["byMethod"]] == ["cash", "upi"]
    assert [one["receiptNumber"][-1] for one in report["items"]] == list("12345")
    assert {one["patient"]["name"] for one in report["items"]} == {"Asha Verma"}


def test_report_is_of_the_clinics_calendar_day(desk: Desk) -> None:
    for hhmm in ("00:00", "23:59"):
        with time_machine.travel(factories.at_clinic(TUESDAY, hhmm), tick=True):
            desk.paid(100, caller=factories.sign_in(desk.app, desk.joseph.user))
    desk.paid(100)

    counts = [data_of(desk.get(f"payments{query}"))["totals"]["count"] for query in ("?date=2026-12-01", "")]

    assert counts == [2, 1]


def test_report_of_a_day_without_payments_is_empty(desk: Desk) -> None:
    report = data_of(desk.get("payments?date=2026-12-05"))

    assert (report["totals"], report["byMethod"], report["byPerson"], report["items"]) == (totals(0), [], [], [])


def test_report_refuses_what_is_no_date(desk: Desk) -> None:
    assert invalid_fields(desk.get("payments?date=yesterday")) == ["date"]


def test_report_and_lists_are_in_the_audit_trail(desk: Desk) -> None:
    payment = desk.paid()
    data_of(desk.get("payments?date=2026-11-30"))
    desk.payments()
    audit.flush()

    events = AuditEvent.objects(kind="payment", action__in=["read", "search"]).order_by("id")
    assert [(one.action, [str(record) for record in one.records]) for one in events] == [
        ("search", []),
        ("read", [payment["_id"]]),
        ("read", [payment["_id"]]),
    ]
    assert events[0].search.filters == {"date": "2026-11-30"}
    assert events[1].subjects == [desk.asha.user.id]


def test_patients_see_the_payments_of_their_own_appointments_only(desk: Desk) -> None:
    payment = desk.paid()

    assert desk.payments(desk.asha) == [payment]
    stranger = factories.sign_in(desk.app)
    assert error_of(desk.get(f"appointments/{desk.appointment.id}/payments", stranger)) == (404, "NOT_FOUND")


def test_doctors_see_the_payments_of_their_own_appointments_as_patients_only(desk: Desk) -> None:
    desk.paid()

    treating = factories.sign_in(desk.app, desk.doctor)
    assert error_of(desk.get(f"appointments/{desk.appointment.id}/payments", treating)) == (404, "NOT_FOUND")
