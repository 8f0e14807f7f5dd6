"""A locked screen: it asks for a new code of the user's own number, and leads back to where it was."""

from typing import Any

from flask import Response, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from arthomed.auth.schemas import OneTimeCode
from arthomed.auth.service import otp, sessions, sign_in
from arthomed.core.errors import ClinicError, RateLimitExceeded
from arthomed.core.permissions import Permission
from arthomed.dashboard import forms, lock
from arthomed.dashboard.blueprint import Pages
from arthomed.http.auth import current_actor, own_id, requires_page
from arthomed.http.errors import STATUS_OF
from arthomed.http.limits import limit_polling, limit_sign_in, subscriber
from arthomed.http.schema import Schema
from arthomed.users import service as users
from arthomed.users.models import User

_PURPOSE = "login"

blueprint = Pages("lock", __name__)


class Unlock(Schema):
    otp = OneTimeCode(required=True)


@blueprint.get("/awake")
@limit_polling
@requires_page(Permission.SESSIONS)
def stay_awake() -> Response:
    """Asked by pages without anything that is polled, so that they are locked, too."""
    return Response(status=204)


@blueprint.get("/locked")
@requires_page(Permission.SESSIONS, while_locked=True)
def show() -> str | BaseResponse:
    """The page that asks for a code; on a session that another window has opened, the way back."""
    back = request.args.get("back", "")
    if not lock.is_locked():
        return redirect(lock.way_back(back))
    return render_template("dashboard/locked.html", **_state(users.get(own_id()), back=back))


@blueprint.post("/lock")
@requires_page(Permission.SESSIONS)
def lock_now() -> Response:
    """Lock the screen, as by who leaves the desk for a while."""
    sessions.lock_screen(current_actor())
    return Response(status=204, headers={"HX-Redirect": lock.address()})


@blueprint.post("/unlock/code")
@limit_sign_in
@requires_page(Permission.SESSIONS, while_locked=True)
def send_code() -> Response:
    """Send a code. It does not count for the quota of the address: all colleagues at the desk share that one."""
    user = users.get(own_id())
    try:
        otp.request_code(user.mobile_number, purpose=_PURPOSE, address=subscriber(), networks=())
    except RateLimitExceeded as error:
        return _refused(user, error, asks_for_code=True)
    except ClinicError as error:
        return _refused(user, error, asks_for_code=False)
    return _step(user, asks_for_code=True)


@blueprint.post("/unlock")
@limit_sign_in
@requires_page(Permission.SESSIONS, while_locked=True)
def submit_code() -> Response:
    user = users.get(own_id())
    try:
        sign_in.confirm_with_code(user, forms.read(Unlock)["otp"], address=subscriber())
    except ClinicError as error:
        return _refused(user, error, asks_for_code=True)
    sessions.unlock_screen(current_actor())
    return Response(status=204, headers={"HX-Redirect": lock.way_back(request.form.get("back", ""))})


def _state(user: User, **state: Any) -> dict[str, Any]:
    back = lock.way_back(state.pop("back", request.form.get("back", "")))
    return {"user": user, "asks_for_code": False, "errors": {}, "back": back, **state}


def _step(user: User, **state: Any) -> Response:
    return make_response(render_template("dashboard/_unlock_step.html", **_state(user, **state)))


def _refused(user: User, error: ClinicError, **state: Any) -> Response:
    response = _step(user, errors=forms.messages(error), **state)
    response.status_code = STATUS_OF[error.code]
    return response
