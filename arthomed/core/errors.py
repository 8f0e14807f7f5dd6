"""The errors that a client may see; `http/errors.py` maps them to HTTP statuses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import ClassVar


class Code(StrEnum):
    """The stable error codes of the API."""

    VALIDATION_ERROR = "VALIDATION_ERROR"
    MALFORMED_JSON = "MALFORMED_JSON"
    MALFORMED_MULTIPART = "MALFORMED_MULTIPART"
    OTP_INVALID = "OTP_INVALID"
    OTP_EXPIRED = "OTP_EXPIRED"
    OTP_MAX_ATTEMPTS = "OTP_MAX_ATTEMPTS"
    SLOT_UNAVAILABLE = "SLOT_UNAVAILABLE"
    BOOKING_LIMIT_REACHED = "BOOKING_LIMIT_REACHED"
    DUPLICATE_VALUE = "DUPLICATE_VALUE"
    INVALID_STATUS_TRANSITION = "INVALID_STATUS_TRANSITION"
    TOO_LATE = "TOO_LATE"
    FILE_TOO_LARGE = "FILE_TOO_LARGE"
    TOO_MANY_FILES = "TOO_MANY_FILES"
    FILE_NOT_READY = "FILE_NOT_READY"
    INVALID_FILE_TYPE = "INVALID_FILE_TYPE"
    NO_TOKEN = "NO_TOKEN"
    INVALID_TOKEN = "INVALID_TOKEN"
    TOKEN_EXPIRED = "TOKEN_EXPIRED"
    USER_NOT_FOUND = "USER_NOT_FOUND"
    USER_INACTIVE = "USER_INACTIVE"
    SESSION_REVOKED = "SESSION_REVOKED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    NOT_FOUND = "NOT_FOUND"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    ACCOUNT_LOCKED = "ACCOUNT_LOCKED"
    RATE_LIMIT_EXCEEDED = "RATE_LIMIT_EXCEEDED"
    SERVICE_UNAVAILABLE = "SERVICE_UNAVAILABLE"


@dataclass(frozen=True, slots=True)
class FieldError:
    """A refused field; `value` is repeated in the response if `shows_value`."""

    field: str
    message: str
    value: object = None
    shows_value: bool = True


class ClinicError(Exception):
    """An error that the response describes; `message` is for a person to read, `details` say what exactly is wrong."""

    code: ClassVar[Code]
    message = "The request was refused"
    fields: Sequence[FieldError] = ()

    def __init__(
        self, message: str | None = None, *, details: str | None = None, retry_after: timedelta | None = None
    ) -> None:
        super().__init__(message or self.message)
        self.details = details or str(self)
        self.retry_after = retry_after

    @property
    def extra(self) -> Mapping[str, object]:
        """Further keys of `error` in the response."""
        return {}


class ValidationFailed(ClinicError):
    code = Code.VALIDATION_ERROR
    message = "Validation failed"

    def __init__(self, fields: Sequence[FieldError]) -> None:
        super().__init__()
        self.fields = fields

    @classmethod
    def of(cls, field: str, message: str, value: object = None) -> "ValidationFailed":
        return cls([FieldError(field, message, value, shows_value=value is not None)])


class MalformedJson(ClinicError):
    code = Code.MALFORMED_JSON
    message = "The request body is not valid JSON"


class MalformedMultipart(ClinicError):
    code = Code.MALFORMED_MULTIPART
    message = "The form could not be read, or did not arrive completely; please send it again"


class NotFound(ClinicError):
    code = Code.NOT_FOUND
    message = "Resource not found"


class DuplicateValue(ClinicError):
    code = Code.DUPLICATE_VALUE
    message = "Duplicate field value entered"


class PermissionDenied(ClinicError):
    code = Code.PERMISSION_DENIED
    message = "You may not do this"


class IdempotencyKeyReused(ClinicError):
    code = Code.IDEMPOTENCY_KEY_REUSED
    message = "This Idempotency-Key was used for another request"


class RateLimitExceeded(ClinicError):
    code = Code.RATE_LIMIT_EXCEEDED
    message = "Too many requests, please try again later"


class AddressLimitExceeded(RateLimitExceeded):
    message = "Too many requests from this IP, please try again later."


class ServiceUnavailable(ClinicError):
    code = Code.SERVICE_UNAVAILABLE
    message = "The service is not available right now, please try again"
