"""JSON of answers by orjson; what only Python writes, such as half characters that a client sent, goes the slow way."""

from typing import Any

import orjson
from flask import Response, current_app
from flask.json.provider import DefaultJSONProvider


class Json(DefaultJSONProvider):
    sort_keys = False

    def response(self, *args: Any, **kwargs: Any) -> Response:
        content = self._prepare_response_obj(args, kwargs)
        try:
            body: bytes | str = orjson.dumps(content, self.default, orjson.OPT_PASSTHROUGH_DATETIME)
        except orjson.JSONEncodeError:
            body = self.dumps(content)
        return current_app.response_class(body, mimetype=self.mimetype)
