"""The features' blueprint: flask-smorest with our envelope, our parser and documented refusals."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from http import HTTPStatus
from typing import Any, TypeVar

import flask_smorest
import marshmallow as ma
from apispec import APISpec
from flask import Response

from arthomed.core.errors import Code
from arthomed.http import refusals
from arthomed.http.accept import JSON
from arthomed.http.envelope import NothingOut, envelope_of, success
from arthomed.http.forms import MULTIPART, URLENCODED
from arthomed.http.parsing import PARSER, refuse_unknown_query
from arthomed.http.schema import Id, example_of, named

View = TypeVar("View", bound=Callable[..., Any])

_BINARY = {"type": "string", "format": "binary"}
_HTML, _PAGE = "text/html", {"type": "string"}
_OF_A_FILE = {302: "The file is at Location", 304: "The client has the present file"}


@dataclass(frozen=True, slots=True)
class WithMessage:
    """The content of a response, and a message and status instead of the route's."""

    message: str
    content: Any
    status: int | None = None


class Blueprint(flask_smorest.Blueprint):
    """`response(status, Schema, name=..., description=...)`: what a view returns becomes `data[name]`.

    Without a name it is the whole of `data`. The description is also the envelope's message, unless the view returns
    `WithMessage`.
    """

    ARGUMENTS_PARSER = PARSER
    DEFAULT_LOCATION_CONTENT_TYPE_MAPPING = {
        "json": JSON,
        "form": URLENCODED,
        "json_or_multipart": JSON,  # and the other one, see _document_files
        "multipart": MULTIPART,
    }

    def __init__(self, name: str, import_name: str, **kwargs: Any) -> None:
        super().__init__(name, import_name, **kwargs)
        self._prepare_doc_cbks += [_document_files, _document_operation, _document_refusals]

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
            wrapped.has_query = location == "query" or getattr(view, "has_query", False)
            if files:
                wrapped.files = files
                _apidoc(wrapped)["files"] = {"field": files, "form": schema, "required": location == "multipart"}
            if any(isinstance(field, Id) for field in shape.fields.values()):
                self.refuses(Code.NOT_FOUND)(wrapped)
            return wrapped  # type: ignore[no-any-return]

        return decorate

    def response(
        self,
        status_code: int,
        schema: type[ma.Schema] = NothingOut,
        *,
        description: str,
        name: str | None = None,
        example: Mapping[str, Any] | None = None,
    ) -> Any:
        """As flask-smorest's, in our envelope; the `example` is one of the schema's."""
        envelope = envelope_of(schema if name is None else named(name, schema))()
        whole = {**example_of(envelope), "message": description}
        if example is not None:
            whole["data"] = example if name is None else {name: example}
        document = super().response(status_code, envelope, description=description, example=whole)

        def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
            @wraps(view)
            def enveloped(*args: Any, **kwargs: Any) -> Any:
                content = view(*args, **kwargs)
                if isinstance(content, Response):  # a file
                    return content
                message, status = description, status_code
                if isinstance(content, WithMessage):
                    message, content, status = content.message, content.content, content.status or status_code
                return success(message, content if name is None else {name: content}), status

            return document(enveloped)  # type: ignore[no-any-return]

        return decorate

    def created_response(self, schema: type[ma.Schema], *, description: str, existing: str) -> Any:
        """As `response` with 201; what was there before (`is_new` is false) answers 200 with the message `existing`."""
        envelope = envelope_of(schema)
        example = {**example_of(envelope()), "message": existing}
        document = self.alt_response(200, schema=envelope, description=existing, example=example, success=True)
        created = self.response(201, schema, description=description)

        def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
            @wraps(view)
            def answered(*args: Any, **kwargs: Any) -> Any:
                found = view(*args, **kwargs)
                return found if found.is_new else WithMessage(existing, found, 200)

            return created(document(answered))  # type: ignore[no-any-return]

        return decorate

    def refuses(self, *codes: refusals.AnyCode) -> Callable[[View], View]:
        """Document the errors of the feature that a view may answer with, besides those of its kind."""

        def decorate(view: View) -> View:
            _apidoc(view).setdefault("refusals", []).extend(codes)
            return view

        return decorate

    def gives(self, *kinds: str, description: str, schema: Mapping[str, str] = _BINARY) -> Any:
        """A view that answers with a file of one of these media types."""

        def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
            for kind in kinds:
                view = self.alt_response(200, schema=schema, content_type=kind, description=description, success=True)(
                    view
                )
            view.media_types = kinds  # type: ignore[attr-defined]
            return view

        return decorate

    def file_response(self, *kinds: str, description: str) -> Any:
        """A view that answers with a file of one of these media types, a part of it, or where to fetch it."""

        def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
            view = self.gives(*kinds, description=description)(view)
            for kind in kinds:
                view = self.alt_response(
                    206, schema=_BINARY, content_type=kind, description="The requested part", success=True
                )(view)
            for status, text in _OF_A_FILE.items():
                view = self.alt_response(status, description=text)(view)
            return self.refuses(*refusals.OF_DOWNLOADS)(view)

        return decorate

    def page_response(self, *, description: str) -> Any:
        """A view that answers with an HTML page."""

        def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
            view = self.alt_response(200, schema=_PAGE, content_type=_HTML, description=description, success=True)(view)
            view.media_types = (_HTML,)  # type: ignore[attr-defined]
            return view

        return decorate

    def add_url_rule(self, rule: str, endpoint: str | None = None, view_func: Any = None, **options: Any) -> None:
        if not hasattr(view_func, "permission"):
            message = f"{rule} names no permission: use @requires, or @public"
            raise TypeError(message)
        if "<" in rule:
            self.refuses(Code.NOT_FOUND)(view_func)
        if view_func.permission is None:
            view_func = _without_unknown_query(view_func)
        super().add_url_rule(rule, endpoint, view_func, **options)
        name = endpoint or view_func.__name__
        for method in options.get("methods", ("GET",)):
            self._docs[name][method.lower()]["operation_id"] = _camel_case(f"{self.name}_{name}")


def _without_unknown_query(view: Callable[..., Any]) -> Callable[..., Any]:
    """A public view that refuses unknown query parameters, as `requires` does for the others."""

    @wraps(view)
    def strict(*args: Any, **kwargs: Any) -> Any:
        refuse_unknown_query()
        return view(*args, **kwargs)

    return strict


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
        content.pop(MULTIPART, None)
        example = {**example_of(form()), found["field"]: ["the bytes of a file"]}
        content[MULTIPART] = {"schema": with_files, "example": example}
    return doc


def _document_operation(doc: dict[str, Any], described: dict[str, Any], **_: Any) -> dict[str, Any]:
    """The id of an operation, and in its description who may call it: Swagger UI shows no extensions."""
    doc["operationId"] = described["operation_id"]
    manual, texts = described.get("manual_doc", {}), described["docstring"]
    access = "" if "security" in manual else "Needs no token."
    if "x-permission" in manual:
        access = f"Roles: {', '.join(manual['x-roles'])}. Permission: `{manual['x-permission']}`."
    texts["description"] = "\n\n".join(filter(None, [texts.get("description"), access]))
    return doc


def _document_refusals(doc: dict[str, Any], described: dict[str, Any], *, spec: APISpec, **_: Any) -> dict[str, Any]:
    """Describe each code that the operation can give, and the headers of all responses."""
    codes = {*refusals.OF_EVERY_ROUTE, *described.get("refusals", ())}
    if "x-permission" in described.get("manual_doc", {}):
        codes |= refusals.OF_TOKENS
    if "requestBody" in doc:
        codes |= refusals.OF_BODIES | (refusals.OF_JSON if JSON in doc["requestBody"]["content"] else frozenset())
    if "files" in described:
        codes |= refusals.OF_UPLOADS
    successes = {str(status): one for status, one in doc["responses"].items() if int(status) < HTTPStatus.BAD_REQUEST}
    for status, response in successes.items():
        response.setdefault("headers", {}).update(refusals.headers(int(status)))
    doc["responses"] = successes | refusals.responses(codes, spec.components)
    return doc


def _camel_case(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)
