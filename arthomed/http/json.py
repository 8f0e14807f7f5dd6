"""Response JSON with orjson; Python's json writes what orjson refuses, such as lone surrogates that a client sent."""

import json
from typing import Any

import orjson
from flask import Response, current_app
from flask.json.provider import DefaultJSONProvider


class Json(DefaultJSONProvider):
    sort_keys = False

    def response(self, *args: Any, **kwargs: Any) -> Response:
        content = self._prepare_response_obj(args, kwargs)
        return current_app.response_class(encode(content), mimetype=self.mimetype)


def encode(content: object) -> bytes:
    default = DefaultJSONProvider.default
    try:
        return orjson.dumps(content, default, orjson.OPT_PASSTHROUGH_DATETIME)
    except orjson.JSONEncodeError:
        return json.dumps(content, default=default).encode()
