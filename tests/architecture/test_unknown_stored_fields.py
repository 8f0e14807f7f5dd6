"""Every document loads records with fields that this version does not know.

During a rolling deploy, and after a rollback, the database holds fields that only a newer version has.
"""

from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

import pytest
from mongoengine import EmbeddedDocument, EmbeddedDocumentField, ListField
from mongoengine.base import BaseDocument

import arthomed

UNKNOWN = {"addedByANewerVersion": {"nested": 1}}
MODELS = [module.name for module in walk_packages(arthomed.__path__, "arthomed.") if module.name.endswith("models")] + [
    "arthomed.infra.failed_jobs"
]


def subclasses(document: type[BaseDocument]) -> Iterator[type[BaseDocument]]:
    for one in document.__subclasses__():
        yield one
        yield from subclasses(one)


def application_documents() -> list[type[BaseDocument]]:
    """The concrete documents and embedded documents of the application."""
    for name in MODELS:
        import_module(name)
    found = {one for one in subclasses(BaseDocument) if one.__module__.startswith("arthomed.")}
    return sorted((one for one in found if not one._meta.get("abstract")), key=lambda one: one.__name__)


def embedded_type(field: Any) -> type[EmbeddedDocument] | None:
    """The embedded document that a field, or each item of a list field, holds."""
    inner = field.field if isinstance(field, ListField) else field
    return inner.document_type if isinstance(inner, EmbeddedDocumentField) else None


def record_of_a_newer_version(document: type[BaseDocument]) -> dict[str, Any]:
    """A record with an unknown field on the top level and in each embedded document."""
    record: dict[str, Any] = {**UNKNOWN}
    for field in document._fields.values():
        embedded = embedded_type(field)
        if embedded is not None:
            inner = record_of_a_newer_version(embedded)
            record[field.db_field] = [inner] if isinstance(field, ListField) else inner
    return record


def test_the_application_has_documents_and_embedded_documents() -> None:
    names = {one.__name__ for one in application_documents()}

    assert names >= {"User", "Profile", "Slot", "Appointment", "Notification", "File", "AuditEvent", "FailedJob"}


@pytest.mark.parametrize("document", application_documents(), ids=lambda one: one.__name__)
def test_document_loads_a_record_with_unknown_fields(document: type[BaseDocument]) -> None:
    loaded = document._from_son(record_of_a_newer_version(document))

    for field in document._fields.values():
        if embedded_type(field) is not None:
            assert getattr(loaded, field.name)
