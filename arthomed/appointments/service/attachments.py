"""Upload files to appointments; who may read and delete the files of appointments and profiles."""

from collections.abc import Collection, Sequence
from datetime import datetime

from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.appointments import access
from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.core.actor import Actor
from arthomed.core.documents import transaction
from arthomed.core.errors import NotFound, PermissionDenied
from arthomed.core.permissions import Role
from arthomed.files.models import File
from arthomed.files.rules import Category, Kind, UploadTarget
from arthomed.files.service import uploading
from arthomed.files.service.uploading import Upload
from arthomed.users import service as users


def upload(actor: Actor, appointment_id: ObjectId, category: Category, uploads: Sequence[Upload]) -> list[File]:
    """Add files to an appointment; a file that the actor has uploaded to it before is not stored again.

    Raises:
        NotFound: no such appointment that the actor may read, or it got another patient meanwhile.
        TooLate: the appointment is cancelled or rejected.
        TooManyFiles, FileTooLarge, InvalidFile: one file is rejected, and therefore all of them.
    """
    appointment: Appointment = Appointment.visible_to(actor).require(appointment_id)
    access.ensure_takes_files(appointment)
    people = (appointment.patient_id, appointment.dependent_id)
    target = UploadTarget(Kind.APPOINTMENTS, category, appointment.id, *people)
    with uploading.stored_files(actor, uploads, target) as files:

        def work(session: ClientSession) -> list[File]:
            # Writing to the appointment serializes this transaction with cancellations and other uploads.
            access.ensure_takes_files(Appointment.touch(appointment_id, appointment.patient_id, session))
            return uploading.attach(actor, files, session)

        return transaction(work)


class AppointmentFiles:
    """The file policy of appointments: users who may see the appointment and read its medical record."""

    def ensure_may_read(self, actor: Actor, file: File) -> None:
        Appointment.visible_to(actor).require(file.record)
        if not access.reads_file(file.owner, file.uploader, actor):
            raise NotFound

    def ensure_may_delete(self, actor: Actor, file: File, session: ClientSession) -> None:
        self.ensure_may_read(actor, file)
        # Writing to the appointment serializes this transaction with the one that completes it.
        appointment = Appointment.touch(file.record, file.owner, session)
        is_own_and_open = actor.user_id == file.uploader and appointment.status is not Status.COMPLETED
        if actor.role is not Role.ADMIN and not is_own_and_open:
            raise PermissionDenied("Only the sender can delete this file, and only before the appointment is completed")

    def remove_reference(self, file: File) -> None:
        """No-op: an appointment does not store the names of its files."""

    def cancelled_before(self, records: Collection[ObjectId], before: datetime) -> set[ObjectId]:
        cancelled = {"status__in": [Status.CANCELLED, Status.REJECTED], "updated_at__lt": before}
        return set(Appointment.objects(id__in=list(records), **cancelled).scalar("id"))


class ProfilePictures:
    """The file policy of profile pictures.

    Everyone may see a doctor's picture. A patient's is visible to the patient, reception, admins and the doctors with
    whom the patient has an appointment.
    """

    def ensure_may_read(self, actor: Actor, file: File) -> None:
        if actor.user_id == file.record or actor.role in (Role.RECEPTIONIST, Role.ADMIN):
            return
        if users.get(file.record).role is Role.DOCTOR:
            return
        appointments = Appointment.objects(doctor_id=actor.user_id, patient_id=file.record, dependent_id=None)
        if actor.role is not Role.DOCTOR or appointments.first() is None:
            raise NotFound

    def ensure_may_delete(self, actor: Actor, file: File, session: ClientSession) -> None:  # noqa: ARG002
        self.ensure_may_read(actor, file)
        if actor.user_id != file.record and actor.role is not Role.ADMIN:
            raise PermissionDenied

    def remove_reference(self, file: File) -> None:
        users.remove_avatar(file.record, file.filename)

    def cancelled_before(self, records: Collection[ObjectId], before: datetime) -> set[ObjectId]:  # noqa: ARG002
        return set()
