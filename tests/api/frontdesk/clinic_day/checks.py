"""What must be true after the day."""

from collections import defaultdict
from datetime import date, datetime, timedelta
from typing import Any

from arthomed.appointments.service import consistency
from arthomed.payments.service import consistency as payments_consistency
from tests.api.frontdesk.clinic_day.plan import MONDAY, SLOT, TUESDAY, Fate, Patient
from tests.api.frontdesk.clinic_day.play import Call, Play
from tests.api.frontdesk.clinic_day.till import Line

_ON_TIME = timedelta(minutes=10)
_CALLED_FROM = timedelta(hours=1)
_STAGES = {
    Fate.NO_SHOW: "no-show",
    **dict.fromkeys((Fate.CANCELS_EARLY, Fate.CANCELS_LATE, Fate.CALLS_OFF, Fate.INTERRUPTED), "cancelled"),
    **dict.fromkeys((Fate.UNCONFIRMED, Fate.REJECTED), "cancelled"),
}


def database_is_consistent() -> None:
    """As `flask audit` checks it."""
    assert [*consistency.violations(), *payments_consistency.violations()] == []


def everyone_was_seen(play: Play) -> None:
    """Nobody waits or is expected any more: each appointment has the end that its patient's fate says."""
    items = play.clinic.day()
    assert len(items) == len(play.people)
    stages = {item["_id"]: item["queue"]["stage"] for item in items}
    expected = {one.appointment_id: _final_stage(one) for one in play.people}
    assert stages == expected
    arrived = {stages[one.appointment_id] for one in play.people if one.arrived_at}
    assert arrived == {"done", "cancelled"}


def everyone_is_named(play: Play) -> None:
    """Each row names the person who comes, and the number of the account."""
    rows = {
        item["_id"]: (item.get("dependent", item["patient"])["name"], item["patient"]["mobileNumber"])
        for item in play.clinic.day()
    }
    assert rows == {one.appointment_id: (one.name, (one.head or one).mobile) for one in play.people}


def _final_stage(patient: Patient) -> str:
    if patient.fate is Fate.LEAVES and patient.has_left:
        return "cancelled"
    return _STAGES.get(patient.fate, "done")


def tokens_have_no_gaps(play: Play) -> None:
    """The tokens of each doctor are 1 to their number, and those that the patients were told."""
    tokens: dict[str, list[int]] = defaultdict(list)
    for item in play.clinic.day():
        if item["queue"]["token"]:
            tokens[item["doctor"]["_id"]].append(item["queue"]["token"])
    for given in tokens.values():
        assert sorted(given) == list(range(1, len(given) + 1))
    told = sorted((str(play.doctor(one).id), one.token) for one in play.people if one.token)
    assert told == sorted((doctor, token) for doctor, given in tokens.items() for token in given)


def nobody_was_overtaken_without_a_rule(play: Play) -> None:
    assert play.calls
    assert [(call, other) for call in play.calls for other in call.others if _is_overtaken(other, call)] == []


def _is_overtaken(other: Patient, call: Call) -> bool:
    """Whether another was to be called before: not if skipped before, or if it was too early to call them."""
    if other.skips or (call.at < other.starts_at - _CALLED_FROM and not other.is_overflow):
        return False
    return _claim(other) < _claim(call.patient)


def _claim(patient: Patient) -> tuple[int, datetime, int]:
    """Priority, then the time of the slot or one slot after a late arrival, then the token."""
    priority = {"emergency": 0, "elderly": 1, None: 2}[patient.priority]
    assert patient.arrived_at
    is_late = patient.arrived_at > patient.starts_at + _ON_TIME and not patient.is_overflow
    return priority, patient.arrived_at + SLOT if is_late else patient.starts_at, patient.token


def cash_reports_agree(play: Play) -> None:
    """The cash reports of both days have what the script paid: in all, by method, by person, entry by entry."""
    for day in (MONDAY, TUESDAY):
        account = [line for line in play.till.account if line.day == day]
        report = play.clinic.get(play.clinic.desks[0], "payments", date=f"{day}")
        assert report["totals"] == _totals(account)
        assert {one["method"]: one["totals"] for one in report["byMethod"]} == _grouped(account, "method")
        assert {one["person"]["name"]: one["totals"] for one in report["byPerson"]} == _grouped(account, "desk")
        assert [_as_line(day, item) for item in report["items"]] == account


def receipts_have_no_gaps(play: Play) -> None:
    reports = [play.clinic.get(play.clinic.desks[0], "payments", date=f"{day}") for day in (MONDAY, TUESDAY)]
    numbers = [item["receiptNumber"] for report in reports for item in report["items"]]
    assert numbers == [f"2026-27/{number:06}" for number in range(1, len(play.till.account) + 1)]


def fees_show_what_was_paid(play: Play) -> None:
    shown = {item["_id"]: item["paymentInfo"]["paidAmount"] for item in play.clinic.day()}
    assert shown == {one.appointment_id: one.paid for one in play.people}


def _as_line(day: date, item: Any) -> Line:
    return Line(day, item["kind"], item["method"], item["amount"], item["receivedBy"]["name"])


def _grouped(account: list[Line], by: str) -> dict[str, Any]:
    groups: dict[str, list[Line]] = defaultdict(list)
    for line in account:
        groups[getattr(line, by)].append(line)
    return {name: _totals(lines) for name, lines in groups.items()}


def _totals(account: list[Line]) -> dict[str, int]:
    sums = {f"{kind}s": sum(line.amount for line in account if line.kind == kind) for kind in _KINDS}
    return {"count": len(account), **sums, "total": sum(line.amount for line in account)}


_KINDS = ("payment", "refund", "correction")
