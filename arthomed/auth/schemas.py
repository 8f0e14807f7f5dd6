"""Request and response schemas of sign-in and sessions."""

from typing import Any

import marshmallow as ma
from marshmallow import fields
from marshmallow.validate import Length, OneOf

from arthomed.auth.rules import CODE_DIGITS, Platform
from arthomed.http.schema import Id, Instant, Pattern, PlainText, Schema, Text
from arthomed.users.fields import EmailAddress, Mobile, Name
from arthomed.users.schemas import UserOut


class OneTimeCode(PlainText):
    """A code of six digits, as a person copies it from an SMS."""

    documented = {"example": "123456"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        code: str = super()._deserialize(value, attr, data, **kwargs).replace(" ", "").replace("-", "")
        if len(code) != CODE_DIGITS:
            raise ma.ValidationError(f"OTP must be exactly {CODE_DIGITS} digits")
        if not (code.isascii() and code.isdigit()):
            raise ma.ValidationError("OTP must contain only numbers")
        return code


class SendCode(Schema):
    mobile_number = Mobile(required=True)
    purpose = fields.String(
        load_default="login", validate=OneOf(["login", "registration"]), metadata={"example": "login"}
    )


class ThisDevice(Schema):
    name = Text(max_length=100, metadata={"example": "Asha's Pixel 9", "description": "By default the `User-Agent`."})
    platform = Text(
        max_length=100,
        metadata={"example": "android", "description": f"Any other than {', '.join(Platform)} is stored as `other`."},
    )


class VerifyCode(Schema):
    mobile_number = Mobile(required=True)
    otp = OneTimeCode(required=True)
    purpose = fields.String(
        validate=OneOf(["login", "registration"]),
        metadata={
            "example": "login",
            "description": "What the code was requested for; a code for another purpose is a wrong one.",
        },
    )
    name = Name()
    email = EmailAddress()
    device = fields.Nested(
        ThisDevice, metadata={"description": "The name and platform that the list of devices shows."}
    )
    privacy_notice = Text(
        max_length=50,
        metadata={"example": "2026-11", "description": "The version of the privacy notice that the app showed."},
    )


class Register(VerifyCode):
    name = Name(required=True)


class Refresh(Schema):
    refresh_token = fields.String(required=True, validate=Length(1, 2000), metadata={"example": "eyJhbGciOi..."})


class Logout(Schema):
    refresh_token = fields.String(
        validate=Length(max=2000),
        metadata={"example": "eyJhbGciOi...", "description": "Instead of the access token, or beside it."},
    )


class CodeSentOut(Schema):
    expires_in = fields.Integer(required=True, metadata={"example": 300, "description": "Seconds."})
    resend_after = fields.Integer(required=True, metadata={"example": 60, "description": "Seconds."})


class TokensOut(Schema):
    access_token = fields.String(required=True, metadata={"example": "eyJhbGciOi..."})
    refresh_token = fields.String(required=True, metadata={"example": "eyJhbGciOi..."})
    token_type = fields.String(required=True, metadata={"example": "Bearer"})
    expires_in = fields.Integer(required=True, metadata={"example": 3600, "description": "Seconds."})


class SignedInOut(Schema):
    user = fields.Nested(UserOut, required=True)
    tokens = fields.Nested(TokensOut, required=True)
    is_new_user = fields.Boolean(required=True, metadata={"example": False})


class PushTokenOfDevice(Schema):
    push_token = fields.String(
        required=True,
        validate=Pattern(r"^[A-Za-z0-9_:.-]{20,4096}$", error="Must be an FCM registration token."),
        metadata={
            "example": "dQw4w9WgXcQ:APA91bEXAMPLE",
            "description": "The registration token that FCM gave to the app.",
        },
    )


class SessionOut(Schema):
    _id = Id(attribute="id", data_key="_id", required=True)
    name = fields.String(required=True, allow_none=True, metadata={"example": "Asha's Pixel 9"})
    platform = fields.String(required=True, metadata={"example": "android"})
    address = fields.String(required=True, allow_none=True, metadata={"example": "203.0.113.7"})
    created_at = Instant(required=True)
    last_used_at = Instant(required=True)
    is_current = fields.Boolean(required=True, metadata={"example": True})


class SessionsOut(Schema):
    items = fields.List(fields.Nested(SessionOut), required=True)
