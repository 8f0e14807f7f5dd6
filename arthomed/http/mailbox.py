"""/dev/mailbox shows the messages of the console gateways; it is never registered in production."""

from flask import Blueprint, Flask, Response, jsonify, render_template, request

from arthomed.http.auth import public
from arthomed.http.limits import limiter
from arthomed.infra.mailbox import Mailbox


def register(app: Flask, mailbox: Mailbox) -> None:
    blueprint = Blueprint("mailbox", __name__, url_prefix="/dev", template_folder="templates")

    @blueprint.get("/mailbox")
    @public
    def page() -> str:
        return render_template("mailbox.html", messages=mailbox.newest_first())

    @blueprint.get("/mailbox.json")
    @public
    def messages() -> Response:
        items = [
            {"to": one.to, "channel": one.channel, "kind": one.kind, "text": one.text, "createdAt": one.created_at}
            for one in mailbox.newest_first(request.args.get("to"))
        ]
        return jsonify(items=items)

    limiter.exempt(blueprint)
    app.register_blueprint(blueprint)
