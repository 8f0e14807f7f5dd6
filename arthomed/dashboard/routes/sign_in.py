"""Signing in with a code, and signing out."""

from typing import Any

from flask import Response, make_response, redirect, render_template, request, url_for
from flask_jwt_extended import set_access_cookies, unset_jwt_cookies
from werkzeug.wrappers import Response as BaseResponse

from arthomed.auth.schemas import SendCode, VerifyCode
from arthomed.auth.service import otp, sessions, sign_in
from arthomed.auth.service.sign_in import Device, SignedIn, SignInAttempt
from arthomed.config import settings
from arthomed.core.errors import AddressLimitExceeded, ClinicError, RateLimitExceeded
from arthomed.core.permissions import Permission, Role
from arthomed.dashboard import form_tokens, forms
from arthomed.dashboard.blueprint import Pages
from arthomed.http import signed_tokens, tokens
from arthomed.http.auth import current_actor, public, requires_page
from arthomed.http.errors import STATUS_OF
from arthomed.http.limits import limit_sign_in, networks, subscriber

_PURPOSE = "login"
_START, _MY_DAY = "dashboard_sign_in.start", "dashboard_my_day.show"
_CLEARED = '"cache", "storage"'

blueprint = Pages("sign_in", __name__)


@blueprint.get("")
@limit_sign_in
@public
def start() -> BaseResponse:
    """The way to the first screen, or to the sign-in."""
    is_signed_in = signed_tokens.signed_session() is not None
    return redirect(url_for("dashboard_day.show" if is_signed_in else "dashboard_sign_in.show"))


@blueprint.get("/sign-in")
@limit_sign_in
@public
def show() -> str:
    return render_template("dashboard/sign_in.html", **_state())


@blueprint.post("/sign-in/code")
@limit_sign_in
@public
def send_code() -> Response:
    """Send a code to a number, and ask for it. The answer is the same for every number."""
    form_tokens.check()
    try:
        mobile = forms.read(SendCode)["mobile_number"]
    except ClinicError as error:
        return _refused(error, mobile=request.form.get("mobileNumber", ""))
    try:
        otp.request_code(mobile, purpose=_PURPOSE, address=subscriber(), networks=networks())
    except RateLimitExceeded as error:
        is_just_sent = not isinstance(error, AddressLimitExceeded)
        return _refused(error, mobile=mobile, asks_for_code=is_just_sent)
    except ClinicError as error:
        return _refused(error, mobile=mobile)
    return _step(mobile=mobile, asks_for_code=True)


@blueprint.post("/sign-in")
@limit_sign_in
@public
def submit_code() -> Response:
    form_tokens.check()
    try:
        body = forms.read(VerifyCode)
        signed_in = sign_in.sign_in(_attempt(body["mobile_number"], body["otp"]))
    except ClinicError as error:
        return _refused(error, mobile=request.form.get("mobileNumber", ""), asks_for_code=True)
    return _opened(signed_in)


@blueprint.post("/sign-out")
@requires_page(Permission.SESSIONS, while_locked=True)
def sign_out() -> Response:
    actor = current_actor()
    assert actor.session_id is not None  # noqa: S101  every signed-in actor has one
    sessions.end_session(actor, actor.session_id)
    response = Response(status=204, headers={"HX-Redirect": url_for("dashboard_sign_in.show")})
    response.headers["Clear-Site-Data"] = _CLEARED
    unset_jwt_cookies(response)
    return response


def _attempt(mobile: str, code: str) -> SignInAttempt:
    device = Device.by_user_agent(request.user_agent.string or "", request.remote_addr or "")
    return SignInAttempt(mobile, code, device, subscriber(), purpose=_PURPOSE, is_staff_only=True)


def _opened(signed_in: SignedIn) -> Response:
    is_on_phone = signed_in.user.role is Role.DOCTOR and request.headers.get("X-Screen") == "narrow"
    response = Response(status=204, headers={"HX-Redirect": url_for(_MY_DAY if is_on_phone else _START)})
    token = tokens.page_token(signed_in.user.id, signed_in.session.id, signed_in.session.role)
    set_access_cookies(response, token, max_age=int(settings().staff_session_lifetime.total_seconds()))
    return response


def _state(**state: Any) -> dict[str, Any]:
    return {"mobile": "", "asks_for_code": False, "errors": {}, "form_token": form_tokens.new(), **state}


def _step(**state: Any) -> Response:
    return make_response(render_template("dashboard/_sign_in_step.html", **_state(**state)))


def _refused(error: ClinicError, **state: Any) -> Response:
    """The same step with what is wrong beside the field."""
    response = _step(errors=forms.messages(error), **state)
    response.status_code = STATUS_OF[error.code]
    return response
