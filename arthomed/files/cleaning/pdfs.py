"""Parses a PDF completely with qpdf and writes a new one from the objects that its pages and catalog reach.

**Rejected** are files with content that can run code, send data, open another file or carry another file. A report or
a prescription needs none of it. Removing it would keep the rest of a hostile file, and printing to a new PDF is an easy
alternative for everyone else. Every object of the file is searched, however it is reached, nested, compressed (object
streams) or spelled (`/J#61vaScript` is an ordinary name after parsing). Rejected, too, are encrypted files, because the
clinic cannot open them, and damaged files that a reader would have to repair: qpdf's recovery is off.

**Removed** is harmless content that the document does not need: open actions and triggers (the accepted ones only
navigate), metadata, also that of photographs (`pdf_images`), private data of the producer, signatures (readers would
report them as broken), earlier versions of changed objects, unreachable objects, and all bytes before the header and
after the end.

**Limited** are pages, objects and the inflated size of streams, which is counted without keeping the data. The
resource limits of the process end everything else (nesting, loops, object streams).
"""

import re
import zipfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import TypeGuard

import pikepdf
from pikepdf import AccessMode, Array, Dictionary, Object, ObjectStreamMode, Pdf, Stream, StreamDecodeLevel, String

from arthomed.files.cleaning import DAMAGED, FileRejected, pdf_streams, reject_if_damaged
from arthomed.files.cleaning.pdf_images import strip_photographs

MAX_PAGES = 1_000
MAX_OBJECTS = 50_000
MAX_INFLATED_BYTES = 300_000_000  # all streams together: ten A4 pages in colour at 300 dpi
MAX_IMAGE_PIXELS = 200_000_000
MAX_PIXELS = 2_000_000_000  # all images together: two hundred A4 pages at 300 dpi

_SCRIPTS, _ACTIONS, _ATTACHMENTS = "scripts", "actions that open or send something", "other files or media"
_FORBIDDEN_KEYS = {
    "/JS": _SCRIPTS,
    "/JavaScript": _SCRIPTS,
    "/XFA": _SCRIPTS,
    "/EF": _ATTACHMENTS,
    "/RF": _ATTACHMENTS,
    "/EmbeddedFiles": _ATTACHMENTS,
    "/RichMediaContent": _ATTACHMENTS,
    "/RichMediaSettings": _ATTACHMENTS,
    "/3DD": _ATTACHMENTS,
    "/OPI": _ATTACHMENTS,
    "/FS": _ATTACHMENTS,
}
_FORBIDDEN_TYPES = {  # the /S of an action, the /Subtype of an annotation or stream, or the /Type of a dictionary
    "/JavaScript": _SCRIPTS,
    "/PS": _SCRIPTS,
    "/Launch": _ACTIONS,
    "/SubmitForm": _ACTIONS,
    "/ImportData": _ACTIONS,
    "/GoToR": _ACTIONS,
    "/GoToE": _ACTIONS,
    "/GoTo3DView": _ACTIONS,
    "/Thread": _ACTIONS,
    "/Rendition": _ATTACHMENTS,
    "/RichMediaExecute": _ATTACHMENTS,
    "/RichMedia": _ATTACHMENTS,
    "/Movie": _ATTACHMENTS,
    "/Sound": _ATTACHMENTS,
    "/Screen": _ATTACHMENTS,
    "/3D": _ATTACHMENTS,
    "/FileAttachment": _ATTACHMENTS,
    "/EmbeddedFile": _ATTACHMENTS,
    "/Filespec": _ATTACHMENTS,
    "/F": _ATTACHMENTS,  # an old name of /Filespec
}
_TYPE_KEYS = ("/S", "/Subtype", "/Type")
_MAP_KEYS = {  # their values map names that the producer chose
    "/Font",
    "/XObject",
    "/ExtGState",
    "/ColorSpace",
    "/Pattern",
    "/Shading",
    "/Properties",
    "/CharProcs",
    "/Dests",
}
_CONTAINS = "The PDF contains {}; please print it to a new PDF and send that"
_TOO_MANY_PIXELS = "The PDF contains images with too many pixels"
_LINK_SCHEMES = ("http", "https", "mailto", "tel")
_KEPT_CATALOG_KEYS = {
    "/Type", "/Version", "/Extensions", "/Pages", "/PageLabels", "/PageLayout", "/PageMode", "/ViewerPreferences",
    "/Outlines", "/Dests", "/Names", "/AcroForm", "/OCProperties", "/StructTreeRoot", "/MarkInfo", "/Lang",
    "/OutputIntents",
}  # fmt: skip
_KEPT_TRAILER_KEYS = {"/Root", "/Size", "/ID"}
_REMOVED_KEYS = {"/AA", "/Metadata", "/PieceInfo", "/Thumb", "/AF", "/SigFlags", "/Ref"}


def clean(source: Path, target: Path) -> None:
    """Write `target`.pdf."""
    with reject_if_damaged("PDF"), _open(source) as pdf, Path(f"{target}.pdf").open("xb") as stream:
        contents_with_photographs = _inspect(pdf)
        _strip(pdf)
        strip_photographs(pdf, contents_with_photographs)
        pdf.save(
            stream,
            fix_metadata_version=False,
            object_stream_mode=ObjectStreamMode.generate,
            stream_decode_level=StreamDecodeLevel.none,
            deterministic_id=True,
        )
    if zipfile.is_zipfile(f"{target}.pdf"):  # an uncompressed stream can hold an archive
        raise FileRejected(_CONTAINS.format(_ATTACHMENTS))


def _open(source: Path) -> Pdf:
    try:
        pdf = Pdf.open(source, attempt_recovery=False, access_mode=AccessMode.stream)
    except pikepdf.PasswordError:
        encrypted = True
    else:
        encrypted = pdf.is_encrypted
    if encrypted:
        raise FileRejected("The PDF is encrypted; please save or print it as one without a password")
    return pdf


def _inspect(pdf: Pdf) -> list[Object]:
    """Inspect all objects; returns the content streams that may contain inline photographs.

    Raises:
        FileRejected
    """
    if not 1 <= len(pdf.pages) <= MAX_PAGES:
        raise FileRejected(f"A PDF needs at least one page and may have at most {MAX_PAGES}")
    objects = pdf.objects
    if len(objects) > MAX_OBJECTS:
        raise FileRejected("The PDF is made up of too many objects")
    contents_with_photographs: list[Object] = []
    inflated = pixels = 0
    for obj in objects:
        for dictionary in _dictionaries(obj):
            _ensure_allowed(dictionary)
            pixels += _pixels(dictionary)
        if isinstance(obj, Stream):
            size, may_have_photographs = pdf_streams.inspect(obj, MAX_INFLATED_BYTES - inflated)
            inflated += size
            contents_with_photographs += [obj] if may_have_photographs else []
    if pixels > MAX_PIXELS:
        raise FileRejected(_TOO_MANY_PIXELS)
    if any(obj is None for obj in objects) and pdf.get_warnings():
        raise FileRejected(DAMAGED.format("PDF"))  # qpdf could not parse an object; a null in the file is harmless
    return contents_with_photographs


def _dictionaries(root: Object) -> Iterator[Object]:
    """The dictionaries nested in one object, including the object itself.

    Indirect objects are not followed, so there are no loops. Dictionaries under `_MAP_KEYS` are not yielded, because
    their keys are arbitrary names.
    """
    pending = [("", root)]
    while pending:
        name, part = pending.pop()
        if isinstance(part, Array):
            inner = [("", each) for each in part]
        elif isinstance(part, Dictionary | Stream):
            if name not in _MAP_KEYS:
                yield part
            inner = list(part.items()) if name not in _MAP_KEYS else [("", each) for _, each in part.items()]
        else:
            continue
        pending += [one for one in inner if isinstance(one[1], Dictionary | Array) and not one[1].is_indirect]


def _ensure_allowed(dictionary: Object) -> None:
    found = {_FORBIDDEN_KEYS[key] for key in dictionary.keys() & _FORBIDDEN_KEYS.keys()}
    found |= {_FORBIDDEN_TYPES[name] for name in map(str, map(dictionary.get, _TYPE_KEYS)) if name in _FORBIDDEN_TYPES}
    if not _is_plain_link(dictionary.get("/URI")):
        found.add(_ACTIONS)
    if isinstance(dictionary, Stream) and "/F" in dictionary:
        found.add(_ATTACHMENTS)
    if found:
        raise FileRejected(_CONTAINS.format(min(found)))
    if _pixels(dictionary) > MAX_IMAGE_PIXELS:
        raise FileRejected(_TOO_MANY_PIXELS)
    matrix = dictionary.get("/FontMatrix")  # some readers put it into a program (CVE-2024-4367)
    if matrix is not None and not (isinstance(matrix, Array) and all(map(_is_number, matrix))):
        raise FileRejected(DAMAGED.format("PDF"))


def _is_plain_link(uri: object) -> bool:
    """Whether a URI leads to the web, a mailbox or a phone; readers ignore spaces and control characters."""
    if not isinstance(uri, String):
        return True
    scheme, colon, _ = re.sub(r"[\x00-\x20\x7f-\xa0]", "", str(uri)).partition(":")
    return not scheme.startswith(("\\", "//")) and (not colon or "/" in scheme or scheme.lower() in _LINK_SCHEMES)


def _pixels(dictionary: Object) -> int:
    """The size of an image; readers also accept real numbers."""
    width, height = dictionary.get("/Width"), dictionary.get("/Height")
    return int(width) * int(height) if _is_number(width) and _is_number(height) else 0


def _is_number(value: object) -> TypeGuard[int | Decimal]:
    return isinstance(value, int | Decimal)


def _strip(pdf: Pdf) -> None:
    """Remove everything that the document does not need; qpdf does not write unreachable objects."""
    map_ids = _map_ids(pdf)
    _keep_only(pdf.trailer, _KEPT_TRAILER_KEYS)
    _keep_only(pdf.Root, _KEPT_CATALOG_KEYS)
    if isinstance(names := pdf.Root.get("/Names"), Dictionary):
        _keep_only(names, {"/Dests"})
    for obj in pdf.objects:
        for dictionary in _dictionaries(obj):
            for key in dictionary.keys() & _REMOVED_KEYS if dictionary.objgen not in map_ids else ():
                del dictionary[key]
            if _is_signature(dictionary.get("/V")):
                del dictionary["/V"]


def _map_ids(pdf: Pdf) -> set[tuple[int, int]]:
    """The ids of the indirect dictionaries whose keys are arbitrary names (see `_MAP_KEYS`)."""
    values = (part[key] for obj in pdf.objects for part in _dictionaries(obj) for key in part.keys() & _MAP_KEYS)
    return {value.objgen for value in values if isinstance(value, Dictionary) and value.is_indirect}


def _keep_only(dictionary: Object, keys: set[str]) -> None:
    for key in dictionary.keys() - keys:
        del dictionary[key]


def _is_signature(value: object) -> bool:
    return isinstance(value, Dictionary) and "/ByteRange" in value
