"""SMS in the language of who has the number, as templates that carriers know."""

from dataclasses import replace
from typing import Any

import pytest

from arthomed.appointments import messages
from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import transitions
from arthomed.auth import codes
from arthomed.auth.models import Otp
from arthomed.config import settings
from arthomed.core.permissions import Role
from arthomed.notifications.catalogue import languages, words
from arthomed.notifications.gateways import Sms
from arthomed.notifications.models import Channel, Notification
from arthomed.users.models import User
from tests import factories

ENTITY = "1101000000000000001"
pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clinic has its entity id."""
    found = replace(settings(), dlt_entity_id=ENTITY)
    for module in (codes, messages):
        monkeypatch.setattr(module, "settings", lambda: found)


def code_sms(mobile: str) -> Sms:
    codes.issue(mobile, "login", [])
    issue = Otp.objects.get(mobile_number=mobile).issue
    codes.tell(issue)
    sms = codes.word(Notification.objects.get(subject=issue))
    assert sms is not None
    return sms


def sms_about(visit: Appointment, status: Status = Status.PENDING) -> Sms:
    sms = messages.word(Notification.objects.get(subject=visit.id, channel=Channel.SMS, kind=f"appointment-{status}"))
    assert isinstance(sms, Sms)
    return sms


def visit_of(**patient: Any) -> Appointment:
    doctor = factories.make_doctor(factories.every_day("09:00", "09:30"), name="Dr Meera Iyer")
    return factories.make_visit(factories.make_user(**patient), doctor)


@pytest.mark.parametrize("language", languages())
def test_a_code_is_told_in_the_language_of_who_has_the_number(language: str) -> None:
    person = factories.make_user(profile={"language": language})
    digits = words(language).message["code"].sms.format(code="", minutes=5)

    sms = code_sms(person.mobile_number)

    assert (sms.text[:6], sms.text[6:]) == (factories.code_for(person.mobile_number), digits)
    assert (sms.template.entity_id, sms.template.id) == (ENTITY, words(language).message["code"].template_id)
    assert sms.segments == 1


def test_a_code_for_a_stranger_is_told_in_english() -> None:
    mobile = factories.new_mobile()

    assert code_sms(mobile).text == (
        f"{factories.code_for(mobile)} is your Arthomed code. It is valid for 5 minutes. Do not share it with anyone."
    )


@pytest.mark.parametrize("language", languages())
def test_a_visit_is_told_in_the_patient_s_language(language: str) -> None:
    visit = visit_of(profile={"language": language})
    wording = words(language).message["appointment-pending"]
    when = words(language).time(visit.starts_at.astimezone(settings().policy.timezone))

    sms = sms_about(visit)

    assert sms.text == wording.sms.format(when=when, doctor="Dr Meera Iyer")
    assert (sms.template.entity_id, sms.template.header, sms.template.id) == (ENTITY, "ARTHMD", wording.template_id)


def test_a_language_that_was_taken_away_is_told_in_english() -> None:
    visit = visit_of()
    User.objects(id=visit.patient_id).update(set__profile__language="xx")

    assert sms_about(visit).text.startswith("Arthomed: Your request for ")


@pytest.mark.parametrize(
    ("acts", "template"), [("the reception", "appointment-rejected"), ("the system", "appointment-unconfirmed")]
)
def test_the_system_s_reason_is_part_of_the_template(acts: str, template: str) -> None:
    visit = visit_of(profile={"language": "hi"})
    if acts == "the system":
        Appointment.objects(id=visit.id).update(set__starts_at=visit.created_at)
        transitions.reject_unconfirmed()
    else:
        admin = factories.acting(factories.make_user(Role.ADMIN))
        transitions.change_status(admin, visit.id, Status.REJECTED, reason="On leave")

    sms = sms_about(visit, Status.REJECTED)

    assert sms.template.id == words("hi").message[template].template_id
    assert ("On leave" in sms.text) == (acts == "the reception")
