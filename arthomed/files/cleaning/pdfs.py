"""PDFs read whole by qpdf and written anew from the objects that its pages and catalog reach.

**Refused** is what can act, send, open something else or carry another file: nobody needs that of a report or a
prescription, taking it out would leave the rest of a hostile file, and printing to a new PDF is an easy way out
for everybody else. It is looked for in every object of the file, however it is reached, nested, compressed
(object streams) or spelled (`/J#61vaScript` is a name like any other once it is read). Refused, too, are
encrypted files, because nobody but the sender could look into them, and files with damage that a reader would
have to guess around: qpdf's own repair is off.

**Removed** is what does no harm but nobody asked for: opening actions and triggers (those left only move about),
metadata, the producer's private data, signatures (they would be reported as broken), earlier versions of
changed objects, everything that nothing reaches, and all bytes before the header and behind the end.

**Bounded** are pages, objects and what the streams inflate to, which is counted without being kept; what no
count here can bound (nesting, loops, object streams) ends at the limits of the process.
"""

import re
import zipfile
import zlib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import TypeGuard

import pikepdf
from pikepdf import AccessMode, Array, Dictionary, Object, ObjectStreamMode, Pdf, Stream, StreamDecodeLevel, String

from arthomed.files.cleaning.verdict import DAMAGED, Refused, reading

MAX_PAGES = 1_000
MAX_OBJECTS = 50_000
MAX_INFLATED_BYTES = 300_000_000  # of all streams: ten pages of A4 in colour at 300 dpi
MAX_IMAGE_PIXELS = 200_000_000
MAX_PIXELS = 2_000_000_000  # of all images: two hundred pages of A4 at 300 dpi
_MAX_FILTERS = 2  # text armour and a compression, or a compression and an image format
_CHUNK = 1 << 16

_SCRIPTS, _ACTIONS, _ATTACHMENTS = "scripts", "actions that open or send something", "other files or media"
_KEYS = {
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
_NAMED = {  # as the /S of an action, the /Subtype of an annotation or stream, or the /Type of a dictionary
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
    "/F": _ATTACHMENTS,  # what /Filespec was called once
}
_NAMING = ("/S", "/Subtype", "/Type")
_MAPS = {
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
_PACKED = {"/FlateDecode", "/Fl", "/LZWDecode", "/LZW", "/RunLengthDecode", "/RL"}
_ARMOURED = {"/ASCII85Decode", "/A85", "/ASCIIHexDecode", "/AHx"}
_CATALOG = {
    "/Type", "/Version", "/Extensions", "/Pages", "/PageLabels", "/PageLayout", "/PageMode", "/ViewerPreferences",
    "/Outlines", "/Dests", "/Names", "/AcroForm", "/OCProperties", "/StructTreeRoot", "/MarkInfo", "/Lang",
    "/OutputIntents",
}  # fmt: skip
_TRAILER = {"/Root", "/Size", "/ID"}
_REMOVED = {"/AA", "/Metadata", "/PieceInfo", "/Thumb", "/AF", "/SigFlags", "/Ref"}
_SCAN, _END, _TOLD = 0xDA, 0xD9, {*range(0xE0, 0xF0), 0xFE}
_SEGMENT = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)
_NO_DATA = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]", re.DOTALL)  # a marker, but none that a scan is divided by
_KEPT_SEGMENTS = {0xE0, 0xEE}  # of the JPEG's application segments: its density, and what Adobe says of its colours


def clean(source: Path, target: Path) -> None:
    with reading("PDF"), _opened(source) as pdf, Path(f"{target}.pdf").open("xb") as stream:
        _ensure_harmless(pdf)
        _strip(pdf)
        pdf.save(
            stream,
            fix_metadata_version=False,
            object_stream_mode=ObjectStreamMode.generate,
            stream_decode_level=StreamDecodeLevel.none,
            deterministic_id=True,
        )
    if zipfile.is_zipfile(f"{target}.pdf"):  # within a stream, as it was
        raise Refused(_CONTAINS.format(_ATTACHMENTS))


def _opened(source: Path) -> Pdf:
    try:
        pdf = Pdf.open(source, attempt_recovery=False, access_mode=AccessMode.stream)
    except pikepdf.PasswordError:
        encrypted = True
    else:
        encrypted = pdf.is_encrypted
    if encrypted:
        raise Refused("The PDF is encrypted; please save or print it as one without a password")
    return pdf


def _ensure_harmless(pdf: Pdf) -> None:
    if not 1 <= len(pdf.pages) <= MAX_PAGES:
        raise Refused(f"A PDF needs at least one page and may have at most {MAX_PAGES}")
    things = pdf.objects
    if len(things) > MAX_OBJECTS:
        raise Refused("The PDF is made up of too many objects")
    inflated = pixels = 0
    for thing in things:
        for dictionary in _dictionaries(thing):
            _inspect(dictionary)
            pixels += _pixels(dictionary)
        if isinstance(thing, Stream):
            inflated += _inflated_bytes(thing, MAX_INFLATED_BYTES - inflated)
    if pixels > MAX_PIXELS:
        raise Refused(_TOO_MANY_PIXELS)
    if any(thing is None for thing in things) and pdf.get_warnings():
        raise Refused(DAMAGED.format("PDF"))  # qpdf gave an object up; a null that was written as one is no harm


def _dictionaries(thing: Object) -> Iterator[Object]:
    """Those inside one object, itself included; others it refers to have their own turn, so loops are none.

    Left out are those whose keys are names that the producer made up.
    """
    pending = [("", thing)]
    while pending:
        name, part = pending.pop()
        if isinstance(part, Array):
            inner = [("", each) for each in part]
        elif isinstance(part, Dictionary | Stream):
            if name not in _MAPS:
                yield part
            inner = list(part.items()) if name not in _MAPS else [("", each) for _, each in part.items()]
        else:
            continue
        pending += [one for one in inner if isinstance(one[1], Dictionary | Array) and not one[1].is_indirect]


def _inspect(dictionary: Object) -> None:
    found = {_KEYS[key] for key in dictionary.keys() & _KEYS.keys()}
    found |= {_NAMED[name] for name in map(str, map(dictionary.get, _NAMING)) if name in _NAMED}
    if not _is_plain_link(dictionary.get("/URI")):
        found.add(_ACTIONS)
    if isinstance(dictionary, Stream) and "/F" in dictionary:
        found.add(_ATTACHMENTS)
    if found:
        raise Refused(_CONTAINS.format(min(found)))
    if _pixels(dictionary) > MAX_IMAGE_PIXELS:
        raise Refused(_TOO_MANY_PIXELS)
    matrix = dictionary.get("/FontMatrix")  # some readers put it into a program (CVE-2024-4367)
    if matrix is not None and not (isinstance(matrix, Array) and all(map(_is_number, matrix))):
        raise Refused(DAMAGED.format("PDF"))


def _is_plain_link(uri: object) -> bool:
    """To the web, a mailbox or a phone; to no file, program or share, nor to a script however it is spaced."""
    if not isinstance(uri, String):
        return True
    scheme, colon, _ = re.sub(r"[\x00-\x20\x7f-\xa0]", "", str(uri)).partition(":")
    return not scheme.startswith(("\\", "//")) and (not colon or "/" in scheme or scheme.lower() in _LINK_SCHEMES)


def _pixels(dictionary: Object) -> int:
    """Of what may be an image; readers take real numbers, too."""
    width, height = dictionary.get("/Width"), dictionary.get("/Height")
    return int(width) * int(height) if _is_number(width) and _is_number(height) else 0


def _is_number(value: object) -> TypeGuard[int | Decimal]:
    return isinstance(value, int | Decimal)


def _inflated_bytes(stream: Object, limit: int) -> int:
    """What a reader would have to unpack; images in formats of their own are left to their pixel count."""
    names = _filters(stream)
    if len(names) > _MAX_FILTERS or sum(name in _PACKED for name in names) > 1:
        raise Refused("The PDF is compressed more than once over")
    if names and names[0] in ("/FlateDecode", "/Fl"):
        size = _flate_bytes(stream.read_raw_bytes(), limit)
    elif names and (_PACKED | _ARMOURED).issuperset(names):
        size = len(stream.read_bytes(StreamDecodeLevel.generalized))  # small in practice; else MemoryError
    else:
        size = 0
    if size > limit:
        raise Refused("The PDF unpacks to more than a report or a prescription does")
    return size


def _filters(stream: Object) -> list[str]:
    filters = stream.get("/Filter", Array())
    return [str(name) for name in (filters if isinstance(filters, Array) else [filters])]


def _flate_bytes(packed: bytes, limit: int) -> int:
    """Counted without being kept, and no further than just above the limit."""
    unpacker, size = zlib.decompressobj(), 0
    for start in range(0, len(packed), _CHUNK):
        rest = packed[start : start + _CHUNK]
        while rest and size <= limit:
            size += len(unpacker.decompress(rest, _CHUNK))
            rest = unpacker.unconsumed_tail
    return size


def _strip(pdf: Pdf) -> None:
    """Leave nothing but the document; what then is out of reach, qpdf doesn't write."""
    maps = _maps(pdf)
    _keep_only(pdf.trailer, _TRAILER)
    _keep_only(pdf.Root, _CATALOG)
    if isinstance(names := pdf.Root.get("/Names"), Dictionary):
        _keep_only(names, {"/Dests"})
    for thing in pdf.objects:
        for dictionary in _dictionaries(thing):
            for key in dictionary.keys() & _REMOVED if dictionary.objgen not in maps else ():
                del dictionary[key]
            if _is_signature(dictionary.get("/V")):
                del dictionary["/V"]
        if isinstance(thing, Stream) and _filters(thing) in (["/DCTDecode"], ["/DCT"]):
            told = {"filter": thing.get("/Filter"), "decode_parms": thing.get("/DecodeParms")}
            thing.write(_bare(thing.read_raw_bytes()), **told)  # type: ignore[arg-type]  # what was read


def _maps(pdf: Pdf) -> set[tuple[int, int]]:
    """The objects whose keys are names that the producer made up, but for those that lie within others."""
    values = (part[key] for thing in pdf.objects for part in _dictionaries(thing) for key in part.keys() & _MAPS)
    return {value.objgen for value in values if isinstance(value, Dictionary) and value.is_indirect}


def _bare(jpeg: bytes) -> bytes:
    """A JPEG without comments, EXIF (place and device) and what lies behind its end; ITU-T T.81 annex B."""
    kept, at = [jpeg[:2]], 2
    while found := _SEGMENT.match(jpeg, at):
        marker, start = found[1][0], found.start(1) - 1
        end = (
            found.end() if marker == _END else found.end() + int.from_bytes(jpeg[found.end() : found.end() + 2], "big")
        )
        if marker == _SCAN:
            following = _NO_DATA.search(jpeg, end)
            end = following.start() if following else len(jpeg)
        if marker not in _TOLD or marker in _KEPT_SEGMENTS:
            kept.append(jpeg[start:end])
        if marker == _END:
            break
        at = end
    return b"".join(kept)


def _keep_only(dictionary: Object, keys: set[str]) -> None:
    for key in dictionary.keys() - keys:
        del dictionary[key]


def _is_signature(value: object) -> bool:
    return isinstance(value, Dictionary) and "/ByteRange" in value
