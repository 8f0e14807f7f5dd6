"""Parses a PDF completely with qpdf and writes a new one from the objects that its pages and catalog reach.

**Rejected** are files with content that can run code, send data, open another file or carry another file. A report or
a prescription needs none of it. Removing it would keep the rest of a hostile file, and printing to a new PDF is an easy
alternative for everyone else. Every object of the file is searched, however it is reached, nested, compressed (object
streams) or spelled (`/J#61vaScript` is an ordinary name after parsing). Rejected, too, are files that need a password,
because the clinic cannot open them, and damaged files that lack an object. Others are repaired first (`pdf_repair`).

**Removed** is harmless content that the document does not need: open actions and triggers (the accepted ones only
navigate), links to applications (such as `upi:`), metadata, also that of photographs (`pdf_images`), private data of
the producer, signatures (readers would report them as broken), earlier versions of changed objects, unreachable
objects, and all bytes before the header and after the end.

**Limited** are pages, objects and the inflated size of streams, which is counted without keeping the data. The
resource limits of the process end everything else (nesting, loops, object streams).
"""

import re
import zipfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryFile
from typing import TypeGuard

from pikepdf import Array, Dictionary, Name, Object, ObjectStreamMode, Pdf, Stream, StreamDecodeLevel, String

from arthomed.files.cleaning import DAMAGED_PDF, FileRejected, pdf_streams, reject_if_damaged
from arthomed.files.cleaning.pdf_images import strip_photographs
from arthomed.files.cleaning.pdf_repair import lacks_objects, open_pdf

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
_FORBIDDEN_TYPES = {  # the /Subtype of an annotation or stream, or the /Type of a dictionary
    "/JavaScript": _SCRIPTS,
    "/PS": _SCRIPTS,
    "/Launch": _ACTIONS,
    "/SubmitForm": _ACTIONS,
    "/ImportData": _ACTIONS,
    "/GoToR": _ACTIONS,
    "/GoToE": _ACTIONS,
    "/GoTo3DView": _ACTIONS,
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
_FORBIDDEN_ACTIONS = {**_FORBIDDEN_TYPES, "/Thread": _ACTIONS}  # the /S of an action
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
    "/RoleMap",
    "/RoleMapNS",
    "/ClassMap",
}
_CONTAINS = "The PDF contains {}; please print it to a new PDF and send that"
_TOO_MANY_PIXELS = "The PDF contains images with too many pixels; please scan it again at 300 dpi, or split it"
_KEPT_SCHEMES = {"", "http", "https", "mailto", "tel"}
_HOSTILE_SCHEMES = {"//", "javascript", "vbscript", "data"}
_ACTION_KEYS = {"/A", "/PA", "/AA", "/Next", "/OpenAction"}
_TAG_KEYS = {  # of ISO 32000-2, table 355; none says what a forbidden action opens or runs
    *("/Type", "/S", "/P", "/ID", "/Ref", "/Pg", "/K", "/A", "/C", "/R", "/T", "/Lang"),
    *("/Alt", "/E", "/ActualText", "/AF", "/NS", "/PhoneticAlphabet", "/Phoneme"),
}
_KEPT_CATALOG_KEYS = {
    "/Type", "/Version", "/Extensions", "/Pages", "/PageLabels", "/PageLayout", "/PageMode", "/ViewerPreferences",
    "/Outlines", "/Dests", "/Names", "/AcroForm", "/OCProperties", "/StructTreeRoot", "/MarkInfo", "/Lang",
    "/OutputIntents",
}  # fmt: skip
_KEPT_TRAILER_KEYS = {"/Root", "/Size", "/ID"}
_REMOVED_KEYS = {"/AA", "/Metadata", "/PieceInfo", "/Thumb", "/AF", "/SigFlags", "/Ref"}


def clean(source: Path, target: Path) -> None:
    """Write `target`.pdf."""
    with (
        reject_if_damaged(DAMAGED_PDF),
        TemporaryFile(dir=target.parent) as scratch,
        open_pdf(source, scratch) as pdf,
        Path(f"{target}.pdf").open("xb") as stream,
    ):
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


def _inspect(pdf: Pdf) -> list[Object]:
    """Inspect all objects; returns the content streams that may contain inline photographs.

    Raises:
        FileRejected
    """
    if not 1 <= len(pdf.pages) <= MAX_PAGES:
        raise FileRejected(
            f"A PDF needs at least one page and may have at most {MAX_PAGES}; please split it, or print it to a new PDF"
        )
    objects = pdf.objects
    if len(objects) > MAX_OBJECTS:
        raise FileRejected("The PDF is made up of too many objects; please split it, or print it to a new PDF")
    contents_with_photographs: list[Object] = []
    inflated = pixels = 0
    for obj in objects:
        for dictionary in _dictionaries(obj):
            _ensure_allowed(dictionary)
            pixels += _pixels(dictionary)
        if isinstance(obj, Stream):
            size, may_have_photographs = pdf_streams.inspect(obj, MAX_INFLATED_BYTES - inflated)
            inflated += size
            if may_have_photographs:
                contents_with_photographs.append(obj)
    if pixels > MAX_PIXELS:
        raise FileRejected(_TOO_MANY_PIXELS)
    _ensure_tags_are_no_actions(pdf)
    if lacks_objects(pdf):
        raise FileRejected(DAMAGED_PDF)
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
    types = {str(dictionary.get("/Type")), str(dictionary.get("/Subtype"))}
    found |= {_FORBIDDEN_TYPES[name] for name in types & _FORBIDDEN_TYPES.keys()}
    if (action := str(dictionary.get("/S"))) in _FORBIDDEN_ACTIONS and not _is_tag(dictionary):
        found.add(_FORBIDDEN_ACTIONS[action])
    if _scheme(dictionary.get("/URI")) in _HOSTILE_SCHEMES:
        found.add(_ACTIONS)
    if isinstance(dictionary, Stream) and "/F" in dictionary:
        found.add(_ATTACHMENTS)
    if found:
        raise FileRejected(_CONTAINS.format(min(found)))
    if _pixels(dictionary) > MAX_IMAGE_PIXELS:
        raise FileRejected(_TOO_MANY_PIXELS)
    matrix = dictionary.get("/FontMatrix")  # some readers put it into a program (CVE-2024-4367)
    if matrix is not None and not (isinstance(matrix, Array) and all(map(_is_number, matrix))):
        raise FileRejected(DAMAGED_PDF)


def _is_tag(obj: Object) -> bool:
    """Whether this is an element of a tagged PDF. Its type (/S) is a name that the producer chose."""
    return (
        isinstance(obj, Dictionary)  # not a stream, which some readers run as an action
        and obj.is_indirect
        and "/P" in obj
        and obj.get("/Type") in (None, Name.StructElem)
        and obj.keys() <= _TAG_KEYS
    )


def _ensure_tags_are_no_actions(pdf: Pdf) -> None:
    """Reject tags with the type of a forbidden action that readers may run, because an action key refers to them."""
    tags = {obj.objgen for obj in pdf.objects if _is_tag(obj) and str(obj.get("/S")) in _FORBIDDEN_ACTIONS}
    for obj in pdf.objects if tags else ():
        for dictionary in _dictionaries(obj):
            for key in dictionary.keys() & _ACTION_KEYS:
                if not tags.isdisjoint(each.objgen for each in _actions(dictionary, key)):
                    raise FileRejected(_CONTAINS.format(_ACTIONS))


def _actions(dictionary: Object, key: str) -> Iterator[Object]:
    """The actions under an action key, also those in nested arrays; /AA has one for each trigger."""
    value = dictionary[key]
    pending = list(value.values()) if key == "/AA" and isinstance(value, Dictionary | Stream) else [value]
    ids_of_arrays = set()  # indirect arrays can contain one another
    while pending:
        part = pending.pop()
        if isinstance(part, Array) and part.objgen not in ids_of_arrays:
            if part.is_indirect:
                ids_of_arrays.add(part.objgen)
            pending += list(part)
        elif isinstance(part, Dictionary | Stream):
            yield part


def _scheme(uri: object) -> str:
    """The scheme of a link; empty for a relative one, and `//` for one to a share or another host.

    Readers ignore spaces and control characters.
    """
    if isinstance(uri, Name):
        return "name"  # some readers take it for a string
    if not isinstance(uri, String):
        return ""
    scheme, colon, _ = re.sub(r"[\x00-\x20\x7f-\xa0]", "", str(uri)).partition(":")
    if scheme.startswith(("\\", "//")):
        return "//"
    return scheme.lower() if colon and "/" not in scheme else ""


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
    if isinstance(names := pdf.Root.get("/Names"), Dictionary | Stream):
        _keep_only(names, {"/Dests"})
    links: list[Object] = []
    for obj in pdf.objects:
        for dictionary in _dictionaries(obj):
            for key in dictionary.keys() & _ACTION_KEYS:
                if _opens_application(dictionary[key]):
                    del dictionary[key]
            for key in dictionary.keys() & _REMOVED_KEYS if dictionary.objgen not in map_ids else ():
                del dictionary[key]
            if _is_signature(dictionary.get("/V")):
                del dictionary["/V"]
            if _opens_application(dictionary):
                links.append(dictionary)
    for link in links:  # something else may refer to them; without their text they do nothing
        _keep_only(link, link.keys() - {"/S", "/URI"})


def _opens_application(value: object) -> bool:
    return isinstance(value, Dictionary | Stream) and _scheme(value.get("/URI")) not in _KEPT_SCHEMES


def _map_ids(pdf: Pdf) -> set[tuple[int, int]]:
    """The ids of the indirect dictionaries whose keys are arbitrary names (see `_MAP_KEYS`)."""
    values = (part[key] for obj in pdf.objects for part in _dictionaries(obj) for key in part.keys() & _MAP_KEYS)
    return {value.objgen for value in values if isinstance(value, Dictionary) and value.is_indirect}


def _keep_only(dictionary: Object, keys: set[str]) -> None:
    for key in dictionary.keys() - keys:
        del dictionary[key]


def _is_signature(value: object) -> bool:
    return isinstance(value, Dictionary | Stream) and "/ByteRange" in value
