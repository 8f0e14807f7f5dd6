"""Roles, permissions, and the table of permissions by role."""

from collections.abc import Mapping
from enum import StrEnum


class Role(StrEnum):
    ADMIN = "admin"
    DOCTOR = "doctor"
    RECEPTIONIST = "receptionist"
    PATIENT = "patient"


class Permission(StrEnum):
    """A right that a route requires. The query of the service decides which records the actor reaches."""

    PROFILE = "profile"
    FAMILY = "family"
    FILES = "files"
    ACCOUNT_ERASE = "account:erase"
    AUDIT_READ = "audit:read"
    SESSIONS = "sessions"
    MESSAGES_MANAGE = "messages:manage"
    NOTIFICATIONS = "notifications"
    USERS_MANAGE = "users:manage"
    USERS_READ = "users:read"
    PATIENTS_READ = "patients:read"
    PATIENTS_WRITE = "patients:write"
    DOCTORS_READ = "doctors:read"
    SCHEDULE_WRITE = "schedule:write"
    SLOTS_READ = "slots:read"
    SLOTS_MANAGE = "slots:manage"
    APPOINTMENT_BOOK = "appointment:book"
    APPOINTMENT_BOOK_FOR_PATIENT = "appointment:book-for-patient"
    APPOINTMENT_LIST_MINE = "appointment:list-mine"
    APPOINTMENT_LIST = "appointment:list"
    APPOINTMENT_LIST_PENDING = "appointment:list-pending"
    APPOINTMENT_READ = "appointment:read"
    APPOINTMENT_CALENDAR = "appointment:calendar"
    APPOINTMENT_EDIT = "appointment:edit"
    APPOINTMENT_CHANGE_STATUS = "appointment:change-status"
    APPOINTMENT_CANCEL = "appointment:cancel"
    APPOINTMENT_RESCHEDULE = "appointment:reschedule"
    APPOINTMENT_STATS = "appointment:stats"
    APPOINTMENT_MESSAGES = "appointment:messages"
    QUEUE = "queue"
    DISPLAY_KEYS = "display-keys"
    PAYMENT_READ = "payment:read"
    PAYMENT_RECORD = "payment:record"
    DASHBOARD = "dashboard"
    MY_DAY = "my-day"


_EVERY_ROLE = frozenset(
    {
        Permission.PROFILE,
        Permission.FAMILY,
        Permission.FILES,
        Permission.SESSIONS,
        Permission.NOTIFICATIONS,
        Permission.DOCTORS_READ,
        Permission.SLOTS_READ,
        Permission.APPOINTMENT_BOOK,
        Permission.APPOINTMENT_LIST_MINE,
        Permission.APPOINTMENT_CALENDAR,
        Permission.APPOINTMENT_READ,
        Permission.APPOINTMENT_EDIT,
        Permission.APPOINTMENT_CHANGE_STATUS,
        Permission.APPOINTMENT_CANCEL,
        Permission.APPOINTMENT_RESCHEDULE,
        Permission.APPOINTMENT_STATS,
        Permission.PAYMENT_READ,
    }
)

ROLE_PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.PATIENT: _EVERY_ROLE | {Permission.ACCOUNT_ERASE},
    Role.DOCTOR: _EVERY_ROLE
    | {
        Permission.APPOINTMENT_LIST,
        Permission.SCHEDULE_WRITE,
        Permission.SLOTS_MANAGE,
        Permission.USERS_READ,
        Permission.PATIENTS_READ,
        Permission.QUEUE,
        Permission.DASHBOARD,
        Permission.MY_DAY,
    },
    Role.RECEPTIONIST: _EVERY_ROLE
    | {
        Permission.APPOINTMENT_BOOK_FOR_PATIENT,
        Permission.APPOINTMENT_LIST,
        Permission.APPOINTMENT_LIST_PENDING,
        Permission.APPOINTMENT_MESSAGES,
        Permission.SLOTS_MANAGE,
        Permission.USERS_READ,
        Permission.PATIENTS_READ,
        Permission.PATIENTS_WRITE,
        Permission.QUEUE,
        Permission.PAYMENT_RECORD,
        Permission.DASHBOARD,
    },
    Role.ADMIN: _EVERY_ROLE
    | {
        Permission.APPOINTMENT_BOOK_FOR_PATIENT,
        Permission.APPOINTMENT_LIST,
        Permission.APPOINTMENT_LIST_PENDING,
        Permission.APPOINTMENT_MESSAGES,
        Permission.USERS_READ,
        Permission.USERS_MANAGE,
        Permission.PATIENTS_READ,
        Permission.PATIENTS_WRITE,
        Permission.SCHEDULE_WRITE,
        Permission.SLOTS_MANAGE,
        Permission.AUDIT_READ,
        Permission.MESSAGES_MANAGE,
        Permission.QUEUE,
        Permission.DISPLAY_KEYS,
        Permission.PAYMENT_RECORD,
        Permission.DASHBOARD,
    },
}
