"""Odd and hostile PDFs, written by hand if no library writes them."""

import base64
import re
from io import BytesIO
from itertools import accumulate
from typing import Any, Literal

import pikepdf
from pikepdf import Pdf

from tests.unit.files.corpus_images import MARKER, zeros

TEXT = b"Haemoglobin 13.5"
_PAGE = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>%s>>"
_SCRIPT = b"<</S/JavaScript/JS(app.alert('" + MARKER + b"'))>>"


def pdf(
    *others: bytes,
    catalog: bytes = b"",
    page: bytes = b"",
    trailer: bytes = b"",
    contents: bytes | None = None,
    pages: bytes = b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
    header: bytes = b"",
) -> bytes:
    """A PDF with one page of text; `others` become the objects 6, 7 and so on."""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R%s>>" % catalog,
        pages,
        _PAGE % page,
        stream(b"BT /F1 12 Tf 20 100 Td (%s) Tj ET" % TEXT) if contents is None else contents,
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        *others,
    ]
    return header + _numbered(objects, trailer)


def _numbered(objects: list[bytes], trailer: bytes) -> bytes:
    parts = [b"%PDF-1.7\n", *(b"%d 0 obj\n%s\nendobj\n" % each for each in enumerate(objects, 1))]
    ends = list(accumulate(map(len, parts)))
    table = b"".join(b"%010d 00000 n \n" % offset for offset in ends[:-1])
    size = len(objects) + 1
    return b"".join(parts) + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF\n"
        % (size, table, size, trailer, ends[-1])
    )


def stream(content: bytes, entries: bytes = b"") -> bytes:
    return b"<</Length %d%s>>\nstream\n%s\nendstream" % (len(content), entries, content)


def with_action(action: bytes) -> bytes:
    """A PDF with a link that triggers the action."""
    return pdf(page=link(action))


def with_action_in_a_stream(entries: bytes) -> bytes:
    """A PDF with a link that triggers an action, which is the dictionary of a stream."""
    return pdf(stream(b"", entries), page=link(b"6 0 R"))


def link(action: bytes) -> bytes:
    """The entry of a page with a link that triggers the action."""
    return b"/Annots[<</Type/Annot/Subtype/Link/Rect[0 0 9 9]/A %s>>]" % action


def tagged(
    name: bytes,
    entries: bytes = b"",
    *,
    kind: bytes = b"/Type/StructElem",
    catalog: bytes = b"",
    page: bytes = b"",
    others: tuple[bytes, ...] = (),
) -> bytes:
    """A PDF with a tag (object 7) of a type that the producer has named; `others` become the objects 8 and so on."""
    return pdf(
        b"<</Type/StructTreeRoot/K 7 0 R/RoleMap<</%s/Sect/JS/Span>>>>" % name,
        b"<<%s/S/%s/P 6 0 R/K[]%s>>" % (kind, name, entries),
        *others,
        catalog=b"/StructTreeRoot 6 0 R/MarkInfo<</Marked true>>%s" % catalog,
        page=page,
    )


def with_shifted_table(source: bytes, distance: int) -> bytes:
    """Add a distance to the positions in the cross-reference table, as some scanners do."""
    return re.sub(rb"(\d{10}) 00000 n", lambda entry: b"%010d 00000 n" % (int(entry[1]) + distance), source)


def with_annotation(subtype: bytes, entries: bytes = b"") -> bytes:
    return pdf(page=b"/Annots[<</Type/Annot/Subtype/%s/Rect[0 0 9 9]%s>>]" % (subtype, entries))


def script() -> bytes:
    return _SCRIPT


def with_field(entries: bytes) -> bytes:
    return pdf(b"<<%s>>" % entries, catalog=b"/AcroForm<</SigFlags 3/Fields[6 0 R]>>")


def with_attachment() -> bytes:
    return pdf(stream(MARKER), catalog=b"/Names<</EmbeddedFiles<</Names[(a)<</EF<</F 6 0 R>>>>]>>>>")


def with_stream(content: bytes, entries: bytes = b"") -> bytes:
    return pdf(stream(content, entries), page=b"/XX 6 0 R")


def ascii_encoded(megabytes: int) -> bytes:
    return with_stream(base64.a85encode(zeros(megabytes)) + b"~>", b"/Filter[/ASCII85Decode/FlateDecode]")


def rewritten(source: bytes, **options: Any) -> bytes:
    with Pdf.open(BytesIO(source)) as document:
        result = BytesIO()
        document.save(result, **options)
        return result.getvalue()


def in_object_streams(source: bytes) -> bytes:
    return rewritten(source, object_stream_mode=pikepdf.ObjectStreamMode.generate)


def encrypted(source: bytes | None = None, *, user: str, version: Literal[2, 3, 4, 6] = 6) -> bytes:
    """Encrypt with both passwords; an empty `user` password protects only permissions such as printing."""
    is_aes = version >= 4
    encryption = pikepdf.Encryption(owner="owner", user=user, R=version, aes=is_aes, metadata=is_aes)
    return rewritten(source or pdf(), encryption=encryption)


def deep_page_tree(depth: int) -> bytes:
    nodes = [b"<</Type/Pages/Kids[%d 0 R]/Count 1>>" % number for number in range(7, 7 + depth)]
    return pdf(*nodes, _PAGE % b"", pages=b"<</Type/Pages/Kids[6 0 R]/Count 1>>")


def many_pages(count: int) -> bytes:
    kids = b" ".join(b"%d 0 R" % number for number in range(6, 6 + count))
    return pdf(*[_PAGE % b""] * count, pages=b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, count))


def updated(source: bytes, number: int, content: bytes) -> bytes:
    """Append an incremental update that replaces an object; its earlier version stays in the file."""
    previous = int(source.rsplit(b"startxref", 1)[1].split()[0])
    at = len(source)
    body = source + b"%d 0 obj\n%s\nendobj\n" % (number, content)
    return body + (
        b"xref\n%d 1\n%010d 00000 n \ntrailer\n<</Size 9/Root 1 0 R/Prev %d>>\nstartxref\n%d\n%%%%EOF\n"
        % (number, at, previous, len(body))
    )


def object_stream_bomb(megabytes: int) -> bytes:
    """An object stream that inflates to so many megabytes; it needs a cross-reference stream."""
    body, offsets = b"%PDF-1.7\n", {}
    compressed = zeros(megabytes)
    objects = {
        1: b"<</Type/Catalog/Pages 2 0 R/Lang 6 0 R>>",
        2: b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        3: b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>",
        4: stream(compressed, b"/Type/ObjStm/N 1/First 4/Filter/FlateDecode"),
    }
    for number, content in objects.items():
        offsets[number] = len(body)
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    offsets[5] = len(body)
    rows = bytes(6) + b"".join(b"\1%b\0" % offsets[number].to_bytes(4) for number in range(1, 6)) + b"\2\0\0\0\4\0"
    entries = b"/Type/XRef/W[1 4 1]/Size 7/Root 1 0 R"
    return body + b"5 0 obj\n%s\nendobj\nstartxref\n%d\n%%%%EOF\n" % (stream(rows, entries), offsets[5])
