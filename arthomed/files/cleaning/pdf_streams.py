"""The filters of a PDF's streams, their size when decompressed, and whether they may contain an inline photograph."""

import zlib
from collections.abc import Iterator

from pikepdf import Array, Object, StreamDecodeLevel

from arthomed.files.cleaning import DAMAGED_PDF, FileRejected

JPEG, JPEG_2000, FLATE = "/DCTDecode", "/JPXDecode", "/FlateDecode"
_MAX_FILTERS = 2  # an ASCII encoding and a compression, or a compression and an image format
_CHUNK_BYTES = 1 << 16
_COMPRESSIONS = {FLATE, "/LZWDecode", "/RunLengthDecode"}
_DECODED = _COMPRESSIONS | {"/ASCII85Decode", "/ASCIIHexDecode"}
_IMAGE_FORMATS = {JPEG, JPEG_2000, "/CCITTFaxDecode", "/JBIG2Decode"}
_FULL_NAMES = {
    "/Fl": FLATE,
    "/LZW": "/LZWDecode",
    "/RL": "/RunLengthDecode",
    "/A85": "/ASCII85Decode",
    "/AHx": "/ASCIIHexDecode",
    "/CCF": "/CCITTFaxDecode",
    "/DCT": JPEG,
}
_PACKED_TWICE = "The PDF is compressed more than once over; please print it to a new PDF and send that"
_TOO_LARGE = (
    "The PDF unpacks to more than a report or a prescription does; please split it, or send photographs of its pages"
)
_PHOTOGRAPH_NAMES = (b"/DCT", b"/JPX", b"#4", b"#5")  # `#44CT` spells the same name


def filters(stream: Object) -> list[str]:
    """The full names of the filters.

    Raises:
        FileRejected: readers do not decode such a chain, or it inflates more than once.
    """
    found = stream.get("/Filter", Array())
    names = [_FULL_NAMES.get(str(name), str(name)) for name in (found if isinstance(found, Array) else [found])]
    if len(names) > _MAX_FILTERS or sum(name in _COMPRESSIONS for name in names) > 1:
        raise FileRejected(_PACKED_TWICE)
    if not _DECODED.issuperset(names[:-1]) or not (_DECODED | _IMAGE_FORMATS).issuperset(names):
        raise FileRejected(DAMAGED_PDF)
    return names


def inspect(stream: Object, limit: int) -> tuple[int, bool]:
    """The decompressed size of a stream, and whether it may contain inline photographs.

    The size does not include the decoding of image formats, which the pixel limit covers.

    Raises:
        FileRejected: the stream inflates to more than `limit` bytes.
    """
    size, tail, found = 0, b"", False
    names = filters(stream)
    is_content = _DECODED.issuperset(names) and stream.get("/Subtype") != "/Image"
    for chunk in _chunks(stream, names):
        size += len(chunk)
        if size > limit:
            raise FileRejected(_TOO_LARGE)
        found = found or (is_content and _names_photograph_filter(tail + chunk))
        tail = (tail + chunk)[-3:]
    return size, found


def _names_photograph_filter(content: bytes) -> bool:
    """Whether the filter of a photograph may be named; the first condition makes it fast for other data."""
    return (b"/" in content or b"#" in content) and any(name in content for name in _PHOTOGRAPH_NAMES)


def _chunks(stream: Object, names: list[str]) -> Iterator[bytes]:
    """The decompressed data, piece by piece for Flate; for other filters RLIMIT_DATA turns a bomb into MemoryError."""
    if names and names[0] == FLATE:
        yield from inflate(stream.read_raw_bytes())
    elif _DECODED.issuperset(names):
        yield stream.read_bytes(StreamDecodeLevel.specialized)


def inflate(compressed: bytes) -> Iterator[bytes]:
    """The decompressed data of Flate, piece by piece."""
    decompressor = zlib.decompressobj()
    for start in range(0, len(compressed), _CHUNK_BYTES):
        rest = compressed[start : start + _CHUNK_BYTES]
        while rest:
            yield decompressor.decompress(rest, _CHUNK_BYTES)
            rest = decompressor.unconsumed_tail
