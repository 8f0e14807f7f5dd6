"""Pages and parts of pages about errors."""

from http import HTTPStatus

from flask import Response, make_response, redirect, render_template, request, url_for
from flask_jwt_extended import unset_jwt_cookies

from arthomed.dashboard.texts import translated

SIGN_IN = "dashboard_sign_in.show"


def is_partial() -> bool:
    """Whether htmx asks for a part of a page."""
    return "HX-Request" in request.headers


def render(status: int, code: str, message: str) -> Response:
    """Say what went wrong: in the page that htmx updates, or as a page; without a session go to the sign-in."""
    if status == HTTPStatus.UNAUTHORIZED:
        return _to_sign_in()
    text = translated(message, code)
    if not is_partial():
        return make_response(render_template("dashboard/problem.html", status=status, text=text), status)
    response = make_response(render_template("dashboard/_problem.html", text=text), status)
    response.headers.update({"HX-Retarget": "#problem", "HX-Reswap": "innerHTML"})
    return response


def _to_sign_in() -> Response:
    address = url_for(SIGN_IN)
    response = make_response("", HTTPStatus.UNAUTHORIZED) if is_partial() else make_response(redirect(address))
    if is_partial():
        response.headers["HX-Redirect"] = address
    unset_jwt_cookies(response)
    return response
