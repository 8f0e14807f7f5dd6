"""Shapes of uploads."""

from marshmallow import fields

from arthomed.http.schema import Schema

_URL = {"type": "string", "example": "/api/files/appointment_672b1234_1764234567890_report_9f.pdf"}


class NoForm(Schema):
    """Files and nothing else."""


class FileQuery(Schema):
    thumbnail = fields.Boolean(load_default=False, metadata={"example": False, "description": "The small picture."})


class FileOut(Schema):
    filename = fields.String(required=True, metadata={"example": "appointment_672b1234_1764234567890_report_9f.pdf"})
    original_name = fields.String(required=True, metadata={"example": "blood-test.pdf"})
    size = fields.Integer(required=True, metadata={"example": 52_311, "description": "Bytes."})
    mime_type = fields.String(required=True, metadata={"example": "application/pdf"})
    category = fields.String(required=True, metadata={"example": "reports"})
    from_patient = fields.Boolean(
        required=True, metadata={"example": True, "description": "Whether the person it is about has sent it."}
    )
    url = fields.String(required=True, metadata=_URL)
    status = fields.String(
        attribute="state",
        required=True,
        metadata={"example": "ready", "description": "waiting, until it is checked; ready; infected; missing"},
    )


class UploadedOut(Schema):
    uploaded_files = fields.List(fields.Nested(FileOut), required=True)
