"""Files of visits and people: who may add, read and delete them."""

from collections.abc import Collection, Sequence
from datetime import datetime

from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.appointments import rules
from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.core.actor import Actor
from arthomed.core.documents import transaction
from arthomed.core.errors import NotFound, PermissionDenied
from arthomed.core.permissions import Role
from arthomed.files.models import File
from arthomed.files.rules import Category, Kind, Place
from arthomed.files.service import receiving
from arthomed.files.service.receiving import Upload
from arthomed.users import service as users


def upload(actor: Actor, appointment_id: ObjectId, category: Category, uploads: Sequence[Upload]) -> list[File]:
    """Add files to a visit that the actor may know of; what they have sent to it before is not stored twice.

    Raises:
        NotFound: there is no such visit.
        TooLate: it was called off.
        TooManyFiles, FileTooLarge, InvalidFile: one of them is refused, and so all.
    """
    visit: Appointment = Appointment.visible_to(actor).require(appointment_id)
    rules.ensure_takes_files(visit)
    place = Place(Kind.APPOINTMENTS, category, visit.id, visit.patient_id)
    with receiving.taken_in(actor, uploads, place) as files:

        def work(session: ClientSession) -> list[File]:
            # Writing to the visit makes this and its being called off, or another upload, wait for each other.
            rules.ensure_takes_files(Appointment.touch(appointment_id, session))
            return receiving.attach(actor, files, session)

        return transaction(work)


class VisitFiles:
    """The files of a visit go with the visit."""

    def ensure_may_read(self, actor: Actor, file: File) -> None:
        Appointment.visible_to(actor).require(file.record)

    def ensure_may_delete(self, actor: Actor, file: File, session: ClientSession) -> None:
        self.ensure_may_read(actor, file)
        visit = Appointment.touch(file.record, session)  # its being completed comes before or after
        is_open_to = actor.user_id == file.uploader and visit.status is not Status.COMPLETED
        if actor.role is not Role.ADMIN and not is_open_to:
            raise PermissionDenied("Only who sent it may delete it, before the visit is completed")

    def forget(self, file: File) -> None:
        """A visit's files name it, not the other way round."""

    def given_up(self, records: Collection[ObjectId], before: datetime) -> set[ObjectId]:
        over = {"status__in": [Status.CANCELLED, Status.REJECTED], "updated_at__lt": before}
        return set(Appointment.objects(id__in=list(records), **over).scalar("id"))


class Portraits:
    """Doctors show themselves to everybody, patients to themselves, the desk and the doctors whom they visit."""

    def ensure_may_read(self, actor: Actor, file: File) -> None:
        if actor.user_id == file.record or actor.role in (Role.RECEPTIONIST, Role.ADMIN):
            return
        if users.get(file.record).role is Role.DOCTOR:
            return
        visits = Appointment.objects(doctor_id=actor.user_id, patient_id=file.record)
        if actor.role is not Role.DOCTOR or visits.first() is None:
            raise NotFound

    def ensure_may_delete(self, actor: Actor, file: File, session: ClientSession) -> None:  # noqa: ARG002
        self.ensure_may_read(actor, file)
        if actor.user_id != file.record and actor.role is not Role.ADMIN:
            raise PermissionDenied

    def forget(self, file: File) -> None:
        users.remove_avatar(file.record, file.filename)

    def given_up(self, records: Collection[ObjectId], before: datetime) -> set[ObjectId]:  # noqa: ARG002
        return set()
