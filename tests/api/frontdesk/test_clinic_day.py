"""A whole day of a clinic over HTTP; see `clinic_day/`."""

import random

import pytest
import time_machine
from flask import Flask

from tests.api.frontdesk.clinic_day import checks, plan, play, waiting
from tests.api.frontdesk.clinic_day.plan import FULL, MONDAY, SHORT, Size
from tests.api.frontdesk.clinic_day.play import Play
from tests.api.frontdesk.clinic_day.reception import open_clinic
from tests.api.frontdesk.clinic_day.till import Till
from tests.factories import Records, at_clinic

HAPPENS = {
    "booked for a family member",
    *("booked by app", "booked by desk", "confirmed by the desk", "rejected by the desk", "rejected by the system"),
    *("cancelled by app, 100 %", "cancelled by app, 50 %", "called off", "moved", "left", "interrupted"),
    *("overflow", "walk-in with a slot", "in time", "late", "no-show", "undone no-show", "undone arrival"),
    *("arrived at both desks", "call", "called by both desks", "skip", "recall", "undone call", "undone start"),
    *("emergency", "treated", "paid in part", "completed by the system", "payment", "refund", "correction"),
}


@pytest.mark.parametrize(
    ("size", "seed"),
    [(SHORT, 2), pytest.param(FULL, 1, marks=pytest.mark.long)],
    ids=["short", "full"],
)
def test_day_of_a_clinic(app: Flask, database: Records, size: Size, seed: int) -> None:
    del database  # it is empty
    rng = random.Random(seed)
    with time_machine.travel(at_clinic(MONDAY, "06:30"), tick=False) as traveller:
        clinic = open_clinic(app, traveller, size.doctors)
        script = Play(clinic, size, plan.people(size, rng), rng, Till(clinic, rng))
        play.schedule_jobs(script)
        play.schedule_bookings(script)
        waiting.schedule(script)
        script.run()

        checks.everyone_was_seen(script)
        checks.everyone_is_named(script)
        checks.nobody_was_overtaken_without_a_rule(script)
        checks.tokens_have_no_gaps(script)
        checks.cash_reports_agree(script)
        checks.receipts_have_no_gaps(script)
        checks.fees_show_what_was_paid(script)
        checks.database_is_consistent()
        script.story.update(line.kind for line in script.till.account)
        assert HAPPENS - {what for what, times in script.story.items() if times} == set()
