"""Opens a PDF, and first repairs or decrypts it if necessary.

qpdf writes the repaired file, which is then opened without recovery. So the objects that are inspected are the ones
that are written, and no reader can understand the file in another way.
"""

from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import pikepdf
from pikepdf import AccessMode, Pdf, StreamDecodeLevel

from arthomed.files.cleaning import DAMAGED_PDF, FileRejected

_ENCRYPTED = "The PDF is encrypted; please save or print it as one without a password"
_OTHER_ENCRYPTION = "unsupported encryption"  # with a certificate, or of a version that qpdf does not know
_END, _TABLE, _END_OF_OBJECT = b"%%EOF", b"startxref", b"endobj"


def open_pdf(source: Path, scratch: BinaryIO) -> Pdf:
    """Open a PDF that needs no password and that qpdf understands without recovery.

    It is written again to `scratch` if it is damaged, has many bytes behind its end, or is encrypted with a permissions
    (owner) password only.

    Raises:
        FileRejected: the PDF needs a password, or parts of it are missing.
    """
    try:
        if pdf := _open_if_intact(source):
            return pdf
        _repair(source, scratch)
    except pikepdf.PasswordError as error:
        raise FileRejected(_ENCRYPTED) from error
    except pikepdf.PdfError as error:
        if _OTHER_ENCRYPTION in str(error):
            raise FileRejected(_ENCRYPTED) from error
        raise
    return Pdf.open(scratch, attempt_recovery=False, access_mode=AccessMode.stream)


def _open_if_intact(source: Path) -> Pdf | None:
    try:
        pdf = Pdf.open(source, attempt_recovery=False, access_mode=AccessMode.stream)
    except pikepdf.PasswordError:
        raise
    except pikepdf.PdfError:
        return None
    if pdf.is_encrypted or lacks_objects(pdf):
        pdf.close()
        return None
    return pdf


def lacks_objects(pdf: Pdf) -> bool:
    """Whether qpdf could not parse an object; without warnings, a null comes from the file and is harmless."""
    return any(obj is None for obj in pdf.objects) and bool(pdf.get_warnings())


def _repair(source: Path, scratch: BinaryIO) -> None:
    """Write a PDF with the same objects, without encryption, and with correct cross-references and stream lengths.

    Raises:
        FileRejected: the end of the file is missing, or an object to which others refer.
    """
    content = source.read_bytes()
    if content.rfind(_END_OF_OBJECT) > content.rfind(_TABLE) >= 0:
        raise FileRejected(DAMAGED_PDF)
    content = content[: content.rfind(_END) + len(_END)] if _END in content else content
    with _recover(content) as pdf:
        if lacks_objects(pdf):
            raise FileRejected(DAMAGED_PDF)
        pdf.save(scratch, encryption=False, fix_metadata_version=False, stream_decode_level=StreamDecodeLevel.none)


def _recover(content: bytes) -> Pdf:
    """Let qpdf repair wrong cross-references. If qpdf fails on them, blank `startxref`, so that it searches."""
    try:
        return Pdf.open(BytesIO(content))
    except pikepdf.PasswordError:
        raise
    except pikepdf.PdfError:
        return Pdf.open(BytesIO(content.replace(_TABLE, b" " * len(_TABLE))))
