"""What a response tells the scripts of the page, in htmx's header."""

import json
from typing import Any

from flask import Response


def say(response: Response, text: str, **others: Any) -> Response:
    """Let the page say what was done; `others` are more events of the page, by name."""
    response.headers["HX-Trigger"] = json.dumps({"said": {"text": text}, **others})
    return response
