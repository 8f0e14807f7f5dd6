"""SMS in the language of the recipient, with registered templates."""

from dataclasses import replace

import pytest

from arthomed.appointments import messages
from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import transitions
from arthomed.auth.models import Otp
from arthomed.auth.service import otp
from arthomed.config import settings
from arthomed.notifications.catalogue import language, languages
from arthomed.notifications.gateways import Sms
from arthomed.notifications.models import Channel, Notification
from arthomed.users.models import User
from tests import factories
from tests.api.notifications.outbox import change_status, make_appointment

ENTITY = "1101000000000000001"
pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def entity_id_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    found = replace(settings(), dlt_entity_id=ENTITY)
    for module in (otp, messages):
        monkeypatch.setattr(module, "settings", lambda: found)


def code_sms(mobile: str) -> Sms:
    otp.request_code(mobile, purpose="login", address="127.0.0.1", networks=["127.0.0.1"])
    issue = Otp.objects.get(mobile_number=mobile).issue
    otp.deliver(issue)
    sms = otp.render_message(Notification.objects.get(subject=issue))
    assert sms is not None
    return sms


def sms_about(appointment: Appointment, status: Status = Status.PENDING) -> Sms:
    sms = messages.render(
        Notification.objects.get(subject=appointment.id, channel=Channel.SMS, kind=f"appointment-{status}")
    )
    assert isinstance(sms, Sms)
    return sms


@pytest.mark.parametrize("code", languages())
def test_code_is_sent_in_the_language_of_the_owner_of_the_number(code: str) -> None:
    person = factories.make_user(profile={"language": code})
    text = language(code).message["code"].sms.format(code="", minutes=5)

    sms = code_sms(person.mobile_number)

    assert (sms.text[:6], sms.text[6:]) == (factories.code_for(person.mobile_number), text)
    assert (sms.template.entity_id, sms.template.id) == (ENTITY, language(code).message["code"].template_id)
    assert sms.segments == 1


def test_code_for_an_unknown_number_is_in_english() -> None:
    mobile = factories.new_mobile()

    assert code_sms(mobile).text == (
        f"{factories.code_for(mobile)} is your Arthomed code. It is valid for 5 minutes. Do not share it with anyone."
    )


@pytest.mark.parametrize("code", languages())
def test_appointment_message_is_in_the_language_of_the_patient(code: str) -> None:
    appointment = make_appointment(profile={"language": code})
    template = language(code).message["appointment-pending"]
    when = language(code).format_time(appointment.starts_at.astimezone(settings().policy.timezone))

    sms = sms_about(appointment)

    assert sms.text == template.sms.format(when=when, doctor="Dr Meera Iyer")
    assert (sms.template.entity_id, sms.template.header, sms.template.id) == (ENTITY, "ARTHMD", template.template_id)


def test_message_in_a_removed_language_is_in_english() -> None:
    appointment = make_appointment()
    User.objects(id=appointment.patient_id).update(set__profile__language="xx")

    assert sms_about(appointment).text.startswith("Arthomed: Your request for ")


@pytest.mark.parametrize(
    ("actor", "template"), [("admin", "appointment-rejected"), ("system", "appointment-unconfirmed")]
)
def test_reason_of_an_automatic_rejection_is_part_of_the_template(actor: str, template: str) -> None:
    appointment = make_appointment(profile={"language": "hi"})
    if actor == "system":
        Appointment.objects(id=appointment.id).update(set__starts_at=appointment.created_at)
        transitions.reject_unconfirmed()
    else:
        change_status(appointment, Status.REJECTED, reason="On leave")

    sms = sms_about(appointment, Status.REJECTED)

    assert sms.template.id == language("hi").message[template].template_id
    assert ("On leave" in sms.text) == (actor == "admin")
