"""Receipts: HTML pages to be printed."""

from html.parser import HTMLParser

import pytest
from werkzeug.test import TestResponse

from arthomed.audit import service as audit
from arthomed.audit.models import AuditEvent
from arthomed.core.permissions import Role
from arthomed.users.models import User
from tests import factories
from tests.api.payments.desk import Desk
from tests.factories import SignedIn, data_of, error_of

VOID = {"meta", "link", "br", "img"}


class Page(HTMLParser):
    """The visible words and the tags of a page; refuses tags that are not closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert {"src", "href", "onload"}.isdisjoint(name for name, _ in attrs)
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open and "title" not in self._open:
            self.words += data.split()

    @property
    def text(self) -> str:
        return " ".join(self.words)


def fetch(desk: Desk, payment_id: str, caller: SignedIn | None = None, accept: str = "text/html") -> TestResponse:
    headers = {**(caller or desk.joseph).headers, "Accept": accept}
    return desk.app.test_client().get(f"/api/payments/{payment_id}/receipt", headers=headers)


def text_of(response: TestResponse) -> str:
    assert response.status_code == 200, response.text
    return Page(response.text).text


def test_receipt_has_the_name_of_the_clinic(desk: Desk) -> None:
    payment = desk.paid()

    with factories.environment(CLINIC_NAME="Sunrise & Sons"):
        page = fetch(desk, payment["_id"]).text

    assert Page(page).text.startswith("Sunrise & Sons")
    assert "· Sunrise &amp; Sons</title>" in page


def test_receipt_has_the_address_of_the_clinic(desk: Desk) -> None:
    payment = desk.paid()

    with factories.environment(CLINIC_ADDRESS="12 MG Road, Pune 411001"):
        page = fetch(desk, payment["_id"]).text

    assert Page(page).text.startswith("Arthomed 12 MG Road, Pune 411001 Receipt")


def test_receipt_shows_who_paid_what_for_which_appointment(desk: Desk) -> None:
    payment = desk.paid(method="upi", reference="UPI 4339")

    text = text_of(fetch(desk, payment["_id"]))

    for shown in (
        "Arthomed Receipt No. 2026-27/000001 Date 30 Nov 2026, 19:30",
        "Received from Asha Verma",
        "Rupees five hundred only",
        "Doctor Dr Meera Iyer, Cardiology Appointment 01 Dec 2026 at 09:00",
        "Method UPI Reference UPI 4339",
        "₹ 500 Joseph Mathew Received by",
    ):
        assert shown in text


def test_receipt_of_a_refund_is_a_voucher_with_its_reason(desk: Desk) -> None:
    desk.paid()
    refund = data_of(desk.refund(200), 201)["payment"]

    text = text_of(fetch(desk, refund["_id"]))

    assert "Refund voucher" in text
    assert "Paid back to Asha Verma" in text
    assert "Reason The doctor was called away \u2212 ₹ 200 Joseph Mathew Paid out by" in text


def test_corrected_receipt_is_marked_as_not_valid_and_the_correction_names_it(desk: Desk) -> None:
    wrong = desk.paid()
    corrected = data_of(desk.correct(wrong["_id"]), 201)["payment"]

    assert "Not valid: corrected by no. 2026-27/000002 on 30 Nov 2026." in text_of(fetch(desk, wrong["_id"]))
    text = text_of(fetch(desk, corrected["_id"]))
    assert "Cancels no. 2026-27/000001 of 30 Nov 2026" in text
    assert "Not valid" not in text


@pytest.mark.parametrize("accept", ["text/html", "text/html,application/xhtml+xml,*/*;q=0.8", "*/*", ""])
def test_receipt_is_a_self_contained_page_with_security_headers(desk: Desk, accept: str) -> None:
    response = fetch(desk, desk.paid()["_id"], accept=accept)

    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-store"
    assert "script-src 'self'" in response.headers["Content-Security-Policy"]
    assert (response.headers["X-Content-Type-Options"], response.headers["X-Frame-Options"]) == ("nosniff", "DENY")
    assert {"script", "img", "link", "iframe"}.isdisjoint(Page(response.text).tags)
    assert "url(" not in response.text
    assert "@media print" in response.text


def test_what_people_typed_is_escaped(desk: Desk) -> None:
    payment = desk.paid(reference='<script>alert(1)</script> & "co"')
    User.objects(id=desk.asha.user.id).update(set__name="<b>Asha</b>")

    response = fetch(desk, payment["_id"])

    assert "<script" not in response.text
    assert "<b>" not in response.text
    assert 'Reference <script>alert(1)</script> & "co" ₹' in text_of(response)


def test_patients_fetch_their_own_receipts_only(desk: Desk) -> None:
    payment = desk.paid()

    assert "Asha Verma" in text_of(fetch(desk, payment["_id"], desk.asha))
    for stranger in (factories.sign_in(desk.app), factories.sign_in(desk.app, desk.doctor)):
        assert error_of(fetch(desk, payment["_id"], stranger)) == (404, "NOT_FOUND")


def test_refusal_is_json_although_the_client_wants_a_page(desk: Desk) -> None:
    response = fetch(desk, str(factories.UNKNOWN_ID))

    assert error_of(response) == (404, "NOT_FOUND")


def test_reading_a_receipt_is_in_the_access_log_of_its_patient(desk: Desk) -> None:
    payment = desk.paid()
    fetch(desk, payment["_id"], factories.sign_in(desk.app, factories.make_user(Role.ADMIN)))
    fetch(desk, payment["_id"], desk.asha)
    audit.flush()

    [read] = AuditEvent.objects(kind="payment", action="read")
    assert (read.role, read.subjects) == (Role.ADMIN, [desk.asha.user.id])
