"""The blueprint of pages."""

from pathlib import Path
from typing import Any

import flask

from arthomed.http import pages


class Pages(flask.Blueprint):
    """Routes under /dashboard, each with `@requires_page(permission)` or `@public`."""

    def __init__(self, name: str, import_name: str) -> None:
        templates = Path(__file__).parent / "templates"
        super().__init__(f"dashboard_{name}", import_name, url_prefix=pages.PREFIX, template_folder=str(templates))

    def add_url_rule(
        self, rule: str, endpoint: str | None = None, view_func: Any = None, *args: Any, **options: Any
    ) -> None:
        if not hasattr(view_func, "permission"):
            message = f"{rule} names no permission: use @requires_page, or @public"
            raise TypeError(message)
        super().add_url_rule(rule, endpoint, view_func, *args, **options)
