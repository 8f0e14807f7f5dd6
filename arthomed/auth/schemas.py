"""Shapes of signing in, in and out."""

from marshmallow import fields
from marshmallow.validate import Length, OneOf

from arthomed.http.schema import Id, Instant, Pattern, Schema
from arthomed.users.schemas import EmailAddress, Mobile, Name, UserOut


class SendCode(Schema):
    mobile_number = Mobile(required=True)
    purpose = fields.String(
        load_default="login", validate=OneOf(["login", "registration"]), metadata={"example": "login"}
    )


class VerifyCode(Schema):
    mobile_number = Mobile(required=True)
    otp = fields.String(
        required=True,
        validate=Pattern(r"^[0-9]{6}$", error="OTP must be exactly 6 digits"),
        metadata={"example": "123456"},
    )
    purpose = fields.String(validate=OneOf(["login", "registration"]), metadata={"example": "login"})
    name = Name()
    email = EmailAddress()


class Register(VerifyCode):
    name = Name(required=True)


class Refresh(Schema):
    refresh_token = fields.String(required=True, validate=Length(1, 2000), metadata={"example": "eyJhbGciOi..."})


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


class SessionOut(Schema):
    _id = Id(attribute="id", data_key="_id", required=True)
    device = fields.String(required=True, allow_none=True, metadata={"example": "okhttp/4.12"})
    address = fields.String(required=True, allow_none=True, metadata={"example": "203.0.113.7"})
    created_at = Instant(required=True)
    last_used_at = Instant(attribute="updated_at", required=True)
    is_current = fields.Boolean(required=True, metadata={"example": True})


class SessionsOut(Schema):
    items = fields.List(fields.Nested(SessionOut), required=True)
