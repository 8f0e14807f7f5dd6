"""What everybody may know of the clinic."""

from datetime import UTC, datetime

import time_machine
from flask.testing import FlaskClient

from arthomed.appointments import fees
from arthomed.notifications import catalogue
from tests import factories
from tests.factories import data_of


def test_anybody_reads_name_zone_time_languages_and_privacy_notice(client: FlaskClient) -> None:
    with time_machine.travel(datetime(2026, 12, 1, 4, 30, tzinfo=UTC), tick=False):
        clinic = data_of(client.get("/api/clinic"))

    del clinic["rules"]
    assert clinic == {
        "name": "Arthomed",
        "zone": "Asia/Kolkata",
        "now": "2026-12-01T04:30:00.000Z",
        "slotMinutes": 30,
        "languages": sorted(catalogue.languages()),
        "privacyNotice": "2026-11",
    }


def test_rules_have_the_numbers_of_the_contract(client: FlaskClient) -> None:
    with factories.environment(BOOKING_HORIZON_DAYS="90"):
        rules = data_of(client.get("/api/clinic"))["rules"]

    assert rules == {
        "bookingHorizonDays": 90,
        "maxOpenAppointments": 10,
        "cancelNoticeMinutes": 120,
        "refunds": [{"noticeMinutes": 1440, "percent": 100}, {"noticeMinutes": 120, "percent": 50}],
        "startFromMinutes": 60,
        "startUntilMinutes": 240,
        "onTimeMinutes": 10,
        "noShowAfterMinutes": 60,
        "undoMinutes": 10,
        "undoNoShowMinutes": 1440,
    }


def test_numbers_are_those_of_the_settings(client: FlaskClient) -> None:
    changed = {"CLINIC_NAME": "Sunrise Clinic", "SLOT_MINUTES": "20", "CANCEL_NOTICE_MINUTES": "45"}
    with factories.environment(**changed, MAX_OPEN_VISITS="3", PRIVACY_NOTICE="2027-01", CLINIC_TIMEZONE="UTC"):
        clinic = data_of(client.get("/api/clinic"))

    assert (clinic["name"], clinic["slotMinutes"], clinic["privacyNotice"]) == ("Sunrise Clinic", 20, "2027-01")
    assert (clinic["rules"]["cancelNoticeMinutes"], clinic["rules"]["maxOpenAppointments"]) == (45, 3)
    assert clinic["zone"] == "UTC"


def test_refund_bands_begin_with_the_longest_notice() -> None:
    notices = [band.notice for band in fees.REFUND_BANDS]

    assert notices == sorted(notices, reverse=True)
