"""The error responses of the OpenAPI document: each code with its own status, message and example."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

import flask_smorest
from apispec.core import Components
from werkzeug.http import HTTP_STATUS_CODES

from arthomed.core.errors import ClinicError, Code, FieldError
from arthomed.http.envelope import ErrorOut, HttpCode, failure_body
from arthomed.http.errors import HTTP_ERRORS, STATUS_OF

AnyCode = Code | HttpCode

OF_EVERY_ROUTE: frozenset[AnyCode] = frozenset(
    {
        Code.VALIDATION_ERROR,
        HttpCode.NOT_ACCEPTABLE,
        Code.RATE_LIMIT_EXCEEDED,
        HttpCode.INTERNAL_ERROR,
        Code.SERVICE_UNAVAILABLE,
    }
)
OF_TOKENS: frozenset[AnyCode] = frozenset(
    {
        Code.NO_TOKEN,
        Code.INVALID_TOKEN,
        Code.TOKEN_EXPIRED,
        Code.USER_NOT_FOUND,
        Code.USER_INACTIVE,
        Code.SESSION_REVOKED,
        Code.PERMISSION_DENIED,
    }
)
OF_BODIES: frozenset[AnyCode] = frozenset({HttpCode.PAYLOAD_TOO_LARGE, HttpCode.UNSUPPORTED_MEDIA_TYPE})
OF_JSON: frozenset[AnyCode] = frozenset({Code.MALFORMED_JSON})
OF_UPLOADS: frozenset[AnyCode] = frozenset(
    {Code.MALFORMED_MULTIPART, Code.TOO_MANY_FILES, Code.FILE_TOO_LARGE, Code.INVALID_FILE_TYPE}
)
OF_DOWNLOADS: frozenset[AnyCode] = frozenset(
    {Code.FILE_NOT_READY, HttpCode.PRECONDITION_FAILED, HttpCode.REQUESTED_RANGE_NOT_SATISFIABLE}
)
OF_GUESSES: frozenset[AnyCode] = frozenset(
    {Code.OTP_INVALID, Code.OTP_EXPIRED, Code.OTP_MAX_ATTEMPTS, Code.ACCOUNT_LOCKED}
)

_AT = "2026-11-22T04:30:00.000Z"
_ORDER = list[AnyCode]([*Code, *HttpCode])
_STATUS_OF: Mapping[AnyCode, int] = {
    **dict[AnyCode, int](STATUS_OF.items()),
    **{code: status for status, (code, _) in HTTP_ERRORS.items() if isinstance(code, HttpCode)},
}
_WITH_RETRY_AFTER = {423, 429, 503}
_RATE_LIMIT_HEADERS = {
    "RateLimit-Limit": "How many requests the limit that is exhausted first allows in a window.",
    "RateLimit-Remaining": "How many of them are left.",
    "RateLimit-Reset": "Seconds until the window ends.",
}
_HEADERS = {
    **_RATE_LIMIT_HEADERS,
    "Retry-After": "Seconds to wait before the request is sent again.",
    "X-Request-ID": "The id of the request in the logs.",
}
_EXTRA: Mapping[AnyCode, Mapping[str, Any]] = {
    Code.VALIDATION_ERROR: {"fields": [FieldError("name", "Missing data for required field.", shows_value=False)]},
    Code.SLOT_UNAVAILABLE: {
        "alternatives": [
            {"doctorId": "672b1234a1b2c3d4e5f60718", "appointmentDate": "2026-12-01", "appointmentTime": "10:00"}
        ]
    },
    Code.FILE_TOO_LARGE: {"details": "File 1 of 2 has 12.4 MB"},
    Code.TOO_MANY_FILES: {"details": "6 files were sent"},
    Code.INVALID_FILE_TYPE: {"details": "The file is empty"},
    HttpCode.INTERNAL_ERROR: {"requestId": "5f0c7a529c0e4a6e8f0b1d2e3c4b5a69"},
}


def register(api: flask_smorest.Api) -> None:
    """Add the headers that the responses refer to."""
    for name, description in _HEADERS.items():
        kind = {"type": "string"} if name.startswith("X-") else {"type": "integer", "example": 60}
        api.spec.components.header(name, {"description": description, "schema": kind})


def headers(status: int) -> dict[str, str]:
    """The headers of a response with that status, by the names of their components."""
    named = [*_RATE_LIMIT_HEADERS, "X-Request-ID"]
    return {name: name for name in [*named, *(["Retry-After"] if status in _WITH_RETRY_AFTER else [])]}


def responses(codes: Iterable[AnyCode], components: Components) -> dict[str, str]:
    """One response for each status, with an example of each of its codes; operations share those that are equal."""
    known = sorted(set(codes), key=lambda code: (_STATUS_OF[code], _ORDER.index(code)))
    found = {}
    for status, of_status in groupby(known, key=_STATUS_OF.__getitem__):
        shared = list(of_status)
        name = f"{int(status)}.{'.'.join(shared)}"
        if name not in components.responses:
            components.response(name, _response(status, shared))
        found[str(status)] = name
    return found


def _response(status: int, codes: list[AnyCode]) -> dict[str, Any]:
    examples = {str(code): {"summary": _message(code), "value": _example(status, code)} for code in codes}
    return {
        "description": f"{HTTP_STATUS_CODES[status]}: {', '.join(f'`{code}`' for code in codes)}",
        "headers": headers(status),
        "content": {"application/json": {"schema": ErrorOut, "examples": examples}},
    }


def _example(status: int, code: AnyCode) -> dict[str, Any]:
    return {**failure_body(status, code, _message(code), **_EXTRA.get(code, {})), "timestamp": _AT}


def _message(code: AnyCode) -> str:
    """The message of the error with that code."""
    if isinstance(code, HttpCode):
        return next(message for known, message in HTTP_ERRORS.values() if known == code)
    return next(error.message for error in _errors(ClinicError) if getattr(error, "code", None) == code)


def _errors(base: type[ClinicError]) -> Iterator[type[ClinicError]]:
    for error in base.__subclasses__():
        yield error
        yield from _errors(error)
