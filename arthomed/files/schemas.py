"""Request and response schemas of files."""

from marshmallow import fields

from arthomed.http.schema import Id, Instant, PageQuery, Schema

_URL = {"type": "string", "example": "/api/files/appointment_672b1234_1764234567890_report_9f.pdf"}


class UploadProfilePicture(Schema):
    """A form without fields besides the file."""


class FileQuery(Schema):
    thumbnail = fields.Boolean(
        load_default=False, metadata={"example": False, "description": "Whether to fetch the thumbnail."}
    )


class FileOut(Schema):
    filename = fields.String(required=True, metadata={"example": "appointment_672b1234_1764234567890_report_9f.pdf"})
    original_name = fields.String(required=True, metadata={"example": "blood-test.pdf"})
    size = fields.Integer(required=True, metadata={"example": 52_311, "description": "Bytes."})
    mime_type = fields.String(required=True, metadata={"example": "application/pdf"})
    category = fields.String(required=True, metadata={"example": "reports"})
    from_patient = fields.Boolean(
        required=True,
        metadata={"example": True, "description": "Whether the person whom the file is about has uploaded it."},
    )
    url = fields.String(required=True, metadata=_URL)
    status = fields.String(
        attribute="state",
        required=True,
        metadata={"example": "ready", "description": "waiting (for its virus scan), ready, infected or missing"},
    )


class OwnFilesQuery(PageQuery):
    dependent_id = Id(metadata={"description": "Instead of one's own files, those of this family member."})


class ListedFileOut(FileOut):
    appointment_id = Id(attribute="record", required=True)
    created_at = Instant(required=True)


class UploadedOut(Schema):
    uploaded_files = fields.List(fields.Nested(FileOut), required=True)
