"""The `users` collection."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId
from mongoengine import (
    BooleanField,
    DateTimeField,
    EmbeddedDocumentField,
    EmbeddedDocumentListField,
    EnumField,
    IntField,
    ListField,
    StringField,
)
from pymongo import ReturnDocument, UpdateOne
from pymongo.client_session import ClientSession

from arthomed.core import clock
from arthomed.core.documents import ClinicDocument, ClinicEmbeddedDocument, Raw
from arthomed.core.errors import NotFound
from arthomed.core.permissions import ROLE_PERMISSIONS, Role
from arthomed.users import search_index
from arthomed.users.search import Prefixes
from arthomed.users.search_index import SearchKeys


class Address(ClinicEmbeddedDocument):
    street = StringField()
    city = StringField()
    state = StringField()
    pincode = StringField()
    country = StringField(default="India")


class EmergencyContact(ClinicEmbeddedDocument):
    name = StringField()
    relationship = StringField()
    mobile_number = StringField(db_field="mobileNumber")


class Profile(ClinicEmbeddedDocument):
    """`language` is the language of messages, one of `notifications/templates`."""

    language = StringField(default="en")
    date_of_birth = DateTimeField(db_field="dateOfBirth")
    gender = StringField()
    address = EmbeddedDocumentField(Address)
    emergency_contact = EmbeddedDocumentField(EmergencyContact, db_field="emergencyContact")


class Hours(ClinicEmbeddedDocument):
    """One range of a doctor's weekly hours: weekday, start and end as "HH:MM" in the clinic's time zone."""

    day = StringField(required=True)
    start_time = StringField(db_field="startTime", required=True)
    end_time = StringField(db_field="endTime", required=True)
    is_available = BooleanField(db_field="isAvailable", default=True)
    max_patients = IntField(db_field="maxPatients", default=1)


class DoctorInfo(ClinicEmbeddedDocument):
    """The part of a user that only doctors have; `consultation_fee` is in whole rupees."""

    specialization = StringField()
    qualification = StringField()
    experience = IntField()
    consultation_fee = IntField(db_field="consultationFee", default=0)
    registration_number = StringField(db_field="registrationNumber")
    schedule = EmbeddedDocumentListField(Hours)


class Condition(ClinicEmbeddedDocument):
    condition = StringField()
    diagnosed_date = DateTimeField(db_field="diagnosedDate")
    treatment = StringField()
    doctor = StringField()


class PatientInfo(ClinicEmbeddedDocument):
    blood_group = StringField(db_field="bloodGroup")
    allergies = ListField(StringField())
    medical_history = EmbeddedDocumentListField(Condition, db_field="medicalHistory")
    emergency_contact = EmbeddedDocumentField(EmergencyContact, db_field="emergencyContact")


class Consent(ClinicEmbeddedDocument):
    """Consent to a version of the privacy notice (DPDP Act 2023 sections 5 to 7)."""

    notice = StringField(required=True)
    at = DateTimeField(required=True)


_SUMMARY_FIELDS = (
    "name",
    "mobileNumber",
    "email",
    "role",
    "isActive",
    "isVerified",
    "erasedAt",
    "visitsBooked",
    "profile.language",
    "profile.dateOfBirth",
    "profile.gender",
    "doctorInfo.specialization",
    "doctorInfo.consultationFee",
)
"""What bookings, appointments and messages need of their users; a doctor's weekly hours are most of a record."""
DOCTORS_TAG = "doctors"
"""The cache tag (core/cache.py) of the public part of all doctors."""
DICTIONARY_ORDER = {"locale": "en"}
"""The collation of lists by name and of their indexes (migration 0018): case and accents decide last."""
BOOKABLE = {"role": str(Role.DOCTOR), "isActive": True, "isVerified": True}
ERASED_NAME = "Erased patient"
_CONTACT = ("email", "statusReason", "avatar", "knownAddresses", "search", "familyNames")
_ERASED_AT_ONCE = (*_CONTACT, "profile.address", "profile.emergencyContact", "patientInfo.emergencyContact")
_ERASED_AFTER_RETENTION = (*_CONTACT, "profile", "patientInfo", "keptUntil")


def user_tag(user_id: ObjectId) -> str:
    """The cache tag (core/cache.py) of a user who is no doctor."""
    return f"user:{user_id}"


class User(ClinicDocument):
    """A user of any role.

    `bookings_count` counts all appointments that a patient ever booked. Each booking increments it, so two concurrent
    bookings of one patient conflict. `slots_version` does the same for changes of a doctor's slots.
    `known_addresses` are those of the last sign-ins, the newest last. By the `family_names` of the active dependents
    the user is found, too.
    """

    meta = {"collection": "users"}

    mobile_number = StringField(db_field="mobileNumber", required=True)
    name = StringField(required=True)
    email = StringField()
    avatar = StringField()  # the file name of an uploaded picture
    role = EnumField(Role, required=True, default=Role.PATIENT)
    is_active = BooleanField(db_field="isActive", default=True)
    is_verified = BooleanField(db_field="isVerified", default=False)
    status_reason = StringField(db_field="statusReason")
    profile = EmbeddedDocumentField(Profile, default=Profile)
    doctor_info = EmbeddedDocumentField(DoctorInfo, db_field="doctorInfo")
    patient_info = EmbeddedDocumentField(PatientInfo, db_field="patientInfo")
    consents = EmbeddedDocumentListField(Consent)
    known_addresses = ListField(StringField(), db_field="knownAddresses")
    last_login_at = DateTimeField(db_field="lastLoginAt")
    erased_at = DateTimeField(db_field="erasedAt")
    kept_until = DateTimeField(db_field="keptUntil")
    bookings_count = IntField(db_field="visitsBooked", default=0)
    slots_version = IntField(db_field="slotsVersion", default=0)
    family_names = ListField(StringField(), db_field="familyNames")
    search = EmbeddedDocumentField(SearchKeys)

    def clean(self) -> None:
        """Keep the search keys true; MongoEngine calls this before a user is stored."""
        keys = SearchKeys.of(self.name, self.mobile_number, self.email, self.family_names)
        if self.search != keys:
            self.search = keys

    @property
    def permissions(self) -> list[str]:
        return sorted(ROLE_PERMISSIONS[self.role])

    @property
    def is_bookable(self) -> bool:
        """Whether patients can book appointments with this user; `bookable_doctors` is the same rule as a query."""
        return self.role is Role.DOCTOR and self.is_active and self.is_verified

    @classmethod
    def addresses_of(cls, mobile: str, session: ClientSession | None) -> list[str] | None:
        """The known addresses of a number's active user; None if there is no such user."""
        active = {"mobileNumber": mobile, "isActive": True}
        raw = cls.collection().find_one(active, {"knownAddresses": 1}, session=session)
        return None if raw is None else raw.get("knownAddresses", [])

    @classmethod
    def by_mobile(cls, mobiles: Sequence[str], session: ClientSession) -> "dict[str, User]":
        """The users of these mobile numbers, by number."""
        found = cls.collection().find({"mobileNumber": {"$in": mobiles}}, session=session)
        return {raw["mobileNumber"]: cls.from_raw(raw) for raw in found}

    @classmethod
    def note_sign_ins(cls, sign_ins: "Sequence[SignIn]", *, now: datetime, session: ClientSession) -> None:
        """Note the sign-ins of users, in the transaction that read them."""
        cls.collection().bulk_write([one.update(now) for one in sign_ins], session=session)

    @classmethod
    def by_id(cls, ids: Iterable[ObjectId], session: ClientSession | None = None) -> "dict[ObjectId, User]":
        """Load the summary fields of users by their ids, in one query."""
        found = cls.collection().find({"_id": {"$in": list(set(ids))}}, _SUMMARY_FIELDS, session=session)
        return {raw["_id"]: cls.from_raw(raw) for raw in found}

    @classmethod
    def matching(cls, query: Raw, searched: Sequence[Prefixes], *, limit: int) -> list[ObjectId]:
        """The ids of users who match a search in one of several ways, in the order of the keys.

        `query` names the roles, with which the index begins.
        """
        if not searched:
            return []
        found = cls.collection().find({**query, **search_index.condition(searched)}, {"_id": 1})
        return [raw["_id"] for raw in found.hint(search_index.NAME).limit(limit).batch_size(limit)]

    @classmethod
    def anonymise(
        cls, user_id: ObjectId, *, now: datetime, keep_until: datetime | None, session: ClientSession
    ) -> None:
        """Deactivate a user and remove personal data; with `keep_until`, keep the part of the medical record."""
        removed = dict.fromkeys(_ERASED_AT_ONCE if keep_until else _ERASED_AFTER_RETENTION, "")
        retention = {"keptUntil": keep_until} if keep_until else {"name": ERASED_NAME}
        erased = {"isActive": False, "erasedAt": now, "updatedAt": now, "mobileNumber": f"erased:{user_id}"}
        update = {"$set": {**erased, **retention}, "$unset": removed}
        cls.collection().update_one({"_id": user_id}, update, session=session)

    @classmethod
    def bookable_doctors(cls) -> Any:
        return cls.objects(__raw__=BOOKABLE)

    @classmethod
    def bookable_records(cls, ids: Sequence[ObjectId]) -> Iterable[Raw]:
        """The stored hours of bookable doctors, not yet loaded: one broken record must not stop the others."""
        return cls.collection().find({"_id": {"$in": ids}, **BOOKABLE}, {"doctorInfo": 1})

    @classmethod
    def lock_doctor(cls, doctor_id: ObjectId, session: ClientSession, schedule: Sequence[Raw] | None = None) -> "User":
        """Write to a doctor, so that other transactions that change the doctor's slots conflict with this one.

        Raises:
            NotFound: the user does not exist, or is no doctor.
        """
        update: Raw = {"$inc": {"slotsVersion": 1}}
        if schedule is not None:
            update["$set"] = {"doctorInfo.schedule": schedule, "updatedAt": clock.now()}
        raw = cls.collection().find_one_and_update(
            {"_id": doctor_id, "role": Role.DOCTOR}, update, return_document=ReturnDocument.AFTER, session=session
        )
        if raw is None:
            raise NotFound
        doctor: User = cls.from_raw(raw)
        return doctor

    @classmethod
    def touch_active(cls, user_id: ObjectId | None, *, now: datetime, session: ClientSession) -> bool:
        """Write to an active user, so that a concurrent change of the user conflicts; False if there is none."""
        active = {"_id": user_id, "isActive": True}
        return cls.collection().update_one(active, {"$set": {"updatedAt": now}}, session=session).matched_count == 1

    @classmethod
    def active_by_id(cls, ids: Iterable[ObjectId], session: ClientSession) -> "dict[ObjectId, User]":
        """The active users among these ids, with their summary fields."""
        active = {"_id": {"$in": list(set(ids))}, "isActive": True}
        found = cls.collection().find(active, _SUMMARY_FIELDS, session=session)
        return {raw["_id"]: cls.from_raw(raw) for raw in found}

    @classmethod
    def count_bookings(cls, patients: Sequence[ObjectId], session: ClientSession, count: int = 1) -> None:
        """Count more bookings of each patient, and so make the bookings of one patient conflict."""
        more = {"$inc": {"visitsBooked": count}}
        cls.collection().update_many({"_id": {"$in": patients}}, more, session=session)


_MAX_KNOWN_ADDRESSES = 5


@dataclass(frozen=True, slots=True)
class SignIn:
    """A sign-in of a user from an address, with the consent that the user newly gives by it."""

    user: User
    address: str
    consent: Consent | None

    @property
    def known_addresses(self) -> list[str]:
        others = [one for one in self.user.known_addresses if one != self.address]
        return [*others, self.address][-_MAX_KNOWN_ADDRESSES:]

    def update(self, now: datetime) -> UpdateOne:
        noted: Raw = {"lastLoginAt": now, "knownAddresses": self.known_addresses}
        if self.user.role is Role.PATIENT:  # of others it says that an admin has verified them
            noted["isVerified"] = True
        changes: Raw = {"$set": noted}
        if self.consent is not None:
            changes["$push"] = {"consents": self.consent.to_mongo()}
        return UpdateOne({"_id": self.user.id}, changes)
