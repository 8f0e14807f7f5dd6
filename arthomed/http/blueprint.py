"""The features' blueprint: flask-smorest with our envelope, our parser and documented refusals."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import flask_smorest
import marshmallow as ma
from flask import Response

from arthomed.http.envelope import NothingOut, envelope_of, success
from arthomed.http.parsing import PARSER
from arthomed.http.schema import Id, example_of, named

_JSON, _MULTIPART, _FORM = "application/json", "multipart/form-data", "application/x-www-form-urlencoded"
_BINARY = {"type": "string", "format": "binary"}
_OF_A_FILE = {302: "FOUND", 304: "NOT_MODIFIED", 409: "CONFLICT", 412: "PRECONDITION_FAILED"}
_EVERY_ROUTE = {"406": "NOT_ACCEPTABLE", "429": "TOO_MANY_REQUESTS", "503": "SERVICE_UNAVAILABLE"}
_SIGNED_IN = {"401": "UNAUTHORIZED", "403": "FORBIDDEN"}
_WITH_BODY = {"413": "REQUEST_ENTITY_TOO_LARGE", "415": "UNSUPPORTED_MEDIA_TYPE"}


class Blueprint(flask_smorest.Blueprint):
    """`response(status, Schema, name=..., description=...)`: what a view returns becomes `data[name]`.

    Without a name it is the whole of `data`. The description is also the envelope's message.
    """

    ARGUMENTS_PARSER = PARSER
    DEFAULT_LOCATION_CONTENT_TYPE_MAPPING = {
        "json": _JSON,
        "form": _FORM,
        "json_or_multipart": _JSON,  # and the other one, see _document_files
        "multipart": _MULTIPART,
    }

    def __init__(self, name: str, import_name: str, **kwargs: Any) -> None:
        super().__init__(name, import_name, **kwargs)
        self._prepare_doc_cbks += [_document_files, _document_refusals]

    def arguments(
        self, schema: type[ma.Schema], *, location: str = "json", files: str | None = None, **kwargs: Any
    ) -> Any:
        """As flask-smorest's; with `files`, the field of a form in which files may come."""
        shape = schema()
        if location in ("json", "form"):
            kwargs.setdefault("example", example_of(shape))
            location = "json_or_multipart" if files else location
        smorests = super().arguments(shape, location=location, **kwargs)

        def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
            wrapped: Any = smorests(view)
            if files:
                wrapped.files = files
                _apidoc(wrapped)["files"] = {"field": files, "form": schema, "required": location == "multipart"}
            if any(isinstance(field, Id) for field in shape.fields.values()):
                _apidoc(wrapped)["refusals"] = {"404": "NOT_FOUND"}
            return wrapped  # type: ignore[no-any-return]

        return decorate

    def response(
        self,
        status_code: int,
        schema: type[ma.Schema] = NothingOut,
        *,
        description: str,
        name: str | None = None,
    ) -> Any:
        """As flask-smorest's, in our envelope."""
        envelope = envelope_of(schema if name is None else named(name, schema))()
        example = {**example_of(envelope), "message": description}
        document = super().response(status_code, envelope, description=description, example=example)

        def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
            @wraps(view)
            def enveloped(*args: Any, **kwargs: Any) -> Any:
                content = view(*args, **kwargs)
                if isinstance(content, Response):  # a file
                    return content
                return success(description, content if name is None else {name: content})

            return document(enveloped)  # type: ignore[no-any-return]

        return decorate

    def file_response(self, *kinds: str, description: str) -> Any:
        """A view that answers with a file of one of these media types, a part of it, or where to fetch it."""

        def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
            for status, text in ((200, description), (206, "The requested part")):
                for kind in kinds:
                    view = self.alt_response(status, schema=_BINARY, content_type=kind, description=text, success=True)(
                        view
                    )
            for status, name in _OF_A_FILE.items():
                view = self.alt_response(status, name)(view)
            return view

        return decorate

    def add_url_rule(self, rule: str, endpoint: str | None = None, view_func: Any = None, **options: Any) -> None:
        if not hasattr(view_func, "permission"):
            message = f"{rule} names no permission: use @requires, or @public"
            raise TypeError(message)
        if "<" in rule:
            _apidoc(view_func)["refusals"] = {"404": "NOT_FOUND"}
        super().add_url_rule(rule, endpoint, view_func, **options)


def _apidoc(view: Any) -> dict[str, Any]:
    """Where flask-smorest's decorators store the documentation of a view."""
    found: dict[str, Any] = view.__dict__.setdefault("_apidoc", {})
    return found


def _document_files(doc: dict[str, Any], described: dict[str, Any], **_: Any) -> dict[str, Any]:
    """The form with files, beside the JSON without them where that is taken, too."""
    if found := described.get("files"):
        form: type[ma.Schema] = found["form"]
        one = ma.fields.Raw(metadata={"type": "string", "format": "binary"})
        several = ma.fields.List(one, required=found["required"], validate=ma.validate.Length(1))
        with_files = type(f"{form.__name__}WithFiles", (form,), {found["field"]: several})
        content = doc["requestBody"]["content"]
        content.pop(_MULTIPART, None)
        example = {**example_of(form()), found["field"]: ["the bytes of a file"]}
        content[_MULTIPART] = {"schema": with_files, "example": example}
    return doc


def _document_refusals(doc: dict[str, Any], described: dict[str, Any], **_: Any) -> dict[str, Any]:
    refusals = {**_EVERY_ROUTE, **described.get("refusals", {})}
    if "security" in described.get("manual_doc", {}):
        refusals |= _SIGNED_IN
    if "requestBody" in doc:
        refusals |= _WITH_BODY
    responses = doc.setdefault("responses", {})
    for status, name in refusals.items():
        responses.setdefault(status, name)
    return doc
