"""Routes of signing in and out."""

from typing import Any

from bson import ObjectId
from flask import request

from arthomed.auth.rules import SessionRevoked, platform_named
from arthomed.auth.schemas import (
    CodeSentOut,
    Logout,
    PushTokenOfDevice,
    Refresh,
    Register,
    SendCode,
    SessionsOut,
    SignedInOut,
    TokensOut,
    VerifyCode,
)
from arthomed.auth.service import otp, sessions, sign_in
from arthomed.config import settings
from arthomed.core.errors import Code
from arthomed.core.permissions import Permission
from arthomed.http import tokens
from arthomed.http.auth import current_actor, own_id, public, requires
from arthomed.http.blueprint import Blueprint, WithMessage
from arthomed.http.limits import count_for_address, limit_refreshes, limit_sign_in, networks, subscriber
from arthomed.http.refusals import OF_GUESSES
from arthomed.http.schema import example_of
from arthomed.users import service as users
from arthomed.users.models import User
from arthomed.users.schemas import OwnUserOut

_REGISTERED = "Registration successful"

blueprint = Blueprint("auth", __name__, url_prefix="/api/auth", description="Signing in and out.")


@blueprint.post("/send-otp")
@limit_sign_in
@public
@blueprint.arguments(SendCode)
@blueprint.response(200, CodeSentOut, description="OTP sent successfully")
@blueprint.refuses(Code.ACCOUNT_LOCKED)
def send_code(body: dict[str, Any]) -> dict[str, Any]:
    """Request a one-time code by SMS."""
    otp.request_code(body["mobile_number"], purpose=body["purpose"], address=subscriber(), networks=networks())
    codes = settings().codes
    return {
        "expires_in": int(codes.lifetime.total_seconds()),
        "resend_after": int(codes.resend_after.total_seconds()),
    }


@blueprint.post("/verify-otp")
@limit_sign_in
@public
@blueprint.arguments(VerifyCode)
@blueprint.response(200, SignedInOut, description="Login successful")
@blueprint.refuses(*OF_GUESSES, Code.USER_INACTIVE)
def verify_code(body: dict[str, Any]) -> dict[str, Any] | WithMessage:
    """Sign in with a code; an unknown number is registered as a patient.

    After three wrong codes request a new one. A `purpose` must be the one that the code was requested for.
    """
    signed_in = sign_in.sign_in(_sign_in_attempt(body))
    content = _with_tokens(signed_in)
    return WithMessage(_REGISTERED, content) if signed_in.is_new_user else content


@blueprint.post("/register")
@limit_sign_in
@public
@blueprint.arguments(Register)
@blueprint.response(
    201,
    SignedInOut,
    description=_REGISTERED,
    example={**example_of(SignedInOut()), "isNewUser": True},
)
@blueprint.refuses(*OF_GUESSES, Code.DUPLICATE_VALUE)
def register(body: dict[str, Any]) -> dict[str, Any]:
    """Register a new patient with a code."""
    return _with_tokens(sign_in.sign_in(_sign_in_attempt(body, must_be_new=True)))


@blueprint.post("/refresh-token")
@limit_refreshes
@public
@blueprint.arguments(Refresh)
@blueprint.response(200, TokensOut, description="Token refreshed successfully")
@blueprint.refuses(Code.INVALID_TOKEN, Code.TOKEN_EXPIRED, Code.SESSION_REVOKED)
def refresh(body: dict[str, Any]) -> tokens.Pair:
    """Exchange a refresh token for a new pair."""
    claim = tokens.verified_refresh(body["refresh_token"])
    try:
        session = sessions.refresh(claim.session_id, claim.generation)
    except SessionRevoked:
        count_for_address()
        raise
    return tokens.pair(session.user, session.id, session.generation, session.role)


@blueprint.post("/logout")
@public
@blueprint.doc(security=[{"bearerAuth": []}, {}])
@blueprint.arguments(Logout, required=False)
@blueprint.response(200, description="Logged out successfully")
@blueprint.refuses(Code.NO_TOKEN, Code.INVALID_TOKEN)
def logout(body: dict[str, Any]) -> None:
    """Sign this device out, by its access token or by its refresh token; any number of times.

    Needs a well-signed token, which may have expired.
    """
    ended = [sessions.log_out(sent.user_id, sent.session_id) for sent in tokens.sent_tokens(body.get("refresh_token"))]
    if not any(ended):
        count_for_address()


@blueprint.post("/logout-all")
@requires(Permission.SESSIONS)
@blueprint.response(200, description="Logged out on all devices")
def logout_all() -> None:
    """Sign all of one's devices out."""
    sessions.end_all_sessions(current_actor(), own_id())


@blueprint.get("/sessions")
@requires(Permission.SESSIONS)
@blueprint.response(200, SessionsOut, description="Sessions retrieved successfully")
def list_sessions() -> dict[str, Any]:
    """List one's signed-in devices."""
    actor = current_actor()
    found = sessions.sessions_of(actor)
    for session in found:
        session.is_current = session.id == actor.session_id
    return {"items": found}


@blueprint.put("/sessions/current/push-token")
@requires(Permission.SESSIONS)
@blueprint.arguments(PushTokenOfDevice)
@blueprint.response(200, description="Push token stored")
def store_push_token(body: dict[str, Any]) -> None:
    """Send notifications about appointments to this device by push, until it is signed out."""
    session_id = current_actor().session_id
    assert session_id is not None  # noqa: S101  every signed-in actor has one
    sessions.store_push_token(session_id, body["push_token"])


@blueprint.delete("/sessions/<object_id:session_id>")
@requires(Permission.SESSIONS)
@blueprint.response(200, description="Session ended")
def end_session(session_id: ObjectId) -> None:
    """Sign out one of one's devices."""
    sessions.end_session(current_actor(), session_id)


@blueprint.get("/me")
@requires(Permission.PROFILE)
@blueprint.response(200, OwnUserOut, name="user", description="User retrieved successfully")
def me() -> User:
    """Read one's own user, and what one may do."""
    return users.get(own_id())


def _with_tokens(signed_in: sign_in.SignedIn) -> dict[str, Any]:
    session = signed_in.session
    pair = tokens.pair(session.user, session.id, session.generation, session.role)
    return {"user": signed_in.user, "tokens": pair, "is_new_user": signed_in.is_new_user}


def _sign_in_attempt(body: dict[str, Any], *, must_be_new: bool = False) -> sign_in.SignInAttempt:
    return sign_in.SignInAttempt(
        body["mobile_number"],
        body["otp"],
        _device(body.get("device")),
        subscriber(),
        purpose=body.get("purpose"),
        notice=body.get("privacy_notice"),
        name=body.get("name"),
        email=body.get("email"),
        must_be_new=must_be_new,
    )


def _device(described: dict[str, str] | None) -> sign_in.Device:
    client_address = request.remote_addr or ""
    by_agent = sign_in.Device.by_user_agent(request.user_agent.string or "", client_address)
    if described is None:
        return by_agent
    platform = platform_named(described["platform"]) if "platform" in described else by_agent.platform
    return sign_in.Device(described.get("name", by_agent.name), platform, client_address)
