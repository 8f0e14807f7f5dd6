"""What staff see of a patient on a page is in the patient's access log."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from arthomed.audit import service as audit
from arthomed.audit.models import AuditEvent
from tests.architecture.test_pages import TABLE, appointment_for, browser_of, open_page

_NAME = "Test Patient"  # of `factories.make_user`
_ROUTES = sorted(route for route in TABLE if "/unlock" not in route[1])


@pytest.mark.parametrize("route", _ROUTES, ids=" ".join)
def test_a_page_that_names_a_patient_is_in_the_access_log(
    app: Flask, client: FlaskClient, route: tuple[str, str]
) -> None:
    page = TABLE[route]
    browser = browser_of(app, min(page.roles - page.by_rule))
    appointment = appointment_for(page, browser)

    response = open_page(browser, route, page.record(appointment, browser.user))

    is_named = _NAME in response.get_data().decode(errors="replace") + response.headers.get("HX-Trigger", "")
    audit.flush()
    is_recorded = AuditEvent.objects(actor=browser.user.id, subjects=appointment.patient_id).count() > 0
    assert is_recorded or not is_named
    assert is_recorded or route[0] != "GET" or "<" not in route[1]
