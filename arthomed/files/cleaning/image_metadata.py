"""Removes from encoded JPEG and JPEG 2000 images what no decoder needs for the pixels; the pixels are not decoded.

Removed are EXIF and XMP (place and device), thumbnails, comments, further images, and bytes before, between and after
the segments. Kept is what decides the colours: JFIF and Adobe segments, and the header boxes of JPEG 2000.
"""

import re
from collections.abc import Iterator

from arthomed.files.cleaning import DAMAGED_PDF, FileRejected

_START_OF_IMAGE, _END_OF_IMAGE, _START_OF_SCAN, _JFIF, _ADOBE = 0xD8, 0xD9, 0xDA, 0xE0, 0xEE
_KEPT_SEGMENTS = {*range(0xC0, 0xD0), *range(0xD9, 0xDE)} - {0xC8}  # frames, tables, scans, DNL, DRI, end
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xDA)}
_MARKER = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)
_AFTER_SCAN = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]", re.DOTALL)  # any marker but a restart marker

_BOXES_SIGNATURE, _CODESTREAM_SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"
_SUPERBOXES = {b"jp2h", b"jpch", b"jplh", b"cgrp", b"res "}
_CODESTREAM_BOX = b"jp2c"
_KEPT_BOXES = {
    b"jP  ", b"ftyp", b"rreq", b"ihdr", b"bpcc", b"colr", b"pclr", b"cmap", b"cdef", b"opct", b"creg", b"resc", b"resd"
}  # fmt: skip
_COMMENT, _START_OF_TILE_PART, _START_OF_DATA, _END_OF_CODESTREAM = 0xFF64, 0xFF90, 0xFF93, 0xFFD9
_HEADER_MARKERS = {*range(0xFF50, 0xFF65), *range(0xFF70, 0xFF7A), _START_OF_TILE_PART}


def strip_jpeg(jpeg: bytes) -> bytes:
    """Keep the first image of a JPEG (ITU-T T.81 annex B); bytes between segments are skipped, as libjpeg does.

    Raises:
        FileRejected: it is no JPEG.
    """
    start = jpeg.find(bytes((0xFF, _START_OF_IMAGE)))
    if start < 0:
        raise FileRejected(DAMAGED_PDF)
    kept: list[bytes | memoryview] = [jpeg[start : start + 2]]
    for marker, segment in _segments(jpeg, start + 2):
        if marker == _START_OF_IMAGE:
            break
        if part := _kept_part(marker, segment):
            kept.append(part)
        if marker == _END_OF_IMAGE:
            break
    return b"".join(kept)


def _segments(jpeg: bytes, at: int) -> Iterator[tuple[int, memoryview]]:
    """Each segment with its marker; a scan includes its coded data."""
    view = memoryview(jpeg)
    while found := _MARKER.search(jpeg, at):
        marker, end = found[1][0], found.end()
        if marker not in _WITHOUT_LENGTH:
            end += int.from_bytes(view[end : end + 2])
        if marker == _START_OF_SCAN:
            following = _AFTER_SCAN.search(jpeg, end)
            end = following.start() if following else len(jpeg)
        yield marker, view[found.start(1) - 1 : end]
        at = end


def _kept_part(marker: int, segment: memoryview) -> bytes | memoryview:
    """The part of a segment that decoders need; empty for metadata.

    JFIF (its first 12 bytes: version and density, without the thumbnail) and Adobe (12 bytes) decide the colour model.
    """
    head = bytes(segment[4:16])
    if marker == _JFIF and head.startswith(b"JFIF\0"):
        return b"\xff\xe0\0\x10" + head.ljust(14, b"\0")
    if marker == _ADOBE and head.startswith(b"Adobe"):
        return b"\xff\xee\0\x0e" + head.ljust(12, b"\0")
    return segment if marker in _KEPT_SEGMENTS else b""


def strip_jpeg_2000(image: bytes) -> bytes:
    """Keep the first codestream (ISO/IEC 15444-1 annex A) and, if it is in boxes (annex I), those of the image header.

    Raises:
        FileRejected: it is no JPEG 2000 image, or a damaged one.
    """
    if image.startswith(_CODESTREAM_SIGNATURE):
        return bytes(_strip_codestream(memoryview(image)))
    if not image.startswith(_BOXES_SIGNATURE):
        raise FileRejected(DAMAGED_PDF)
    return b"".join(_kept_boxes(memoryview(image)))


def _kept_boxes(image: memoryview) -> Iterator[bytes | bytearray | memoryview]:
    """The headers and contents of the boxes that decoders need."""
    codestreams = 0
    for kind, content in _boxes(image):
        kept: bytes | bytearray | memoryview = content
        if kind in _SUPERBOXES:
            kept = b"".join(_kept_boxes(content))
        elif kind == _CODESTREAM_BOX and not codestreams:
            codestreams, kept = 1, _strip_codestream(content)
        elif kind not in _KEPT_BOXES:
            continue
        yield (8 + len(kept)).to_bytes(4) + kind
        yield kept


def _boxes(image: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """The type and the content of each box; the length 0 means up to the end, and 1 a length of eight bytes."""
    at = 0
    while at < len(image):
        length, kind, header = int.from_bytes(image[at : at + 4]), bytes(image[at + 4 : at + 8]), 8
        if length == 1:
            length, header = int.from_bytes(image[at + 8 : at + 16]), 16
        end = at + length if length else len(image)
        if end < at + header:
            raise FileRejected(DAMAGED_PDF)
        yield kind, image[at + header : end]
        at = end


def _strip_codestream(source: memoryview) -> bytearray:
    """Overwrite comments with zeros, since the headers state lengths, and cut off what follows the end.

    Raises:
        FileRejected: a marker or a length is not valid.
    """
    codestream, at, end_of_tile_part = bytearray(source), 2, 0
    while at < len(codestream):
        marker, length = int.from_bytes(codestream[at : at + 2]), int.from_bytes(codestream[at + 2 : at + 4])
        if marker == _END_OF_CODESTREAM:
            del codestream[at + 2 :]
        elif marker == _START_OF_DATA and end_of_tile_part > at:
            at = end_of_tile_part
            continue
        elif marker not in _HEADER_MARKERS or length < 2:  # noqa: PLR2004 - the length includes its own two bytes
            raise FileRejected(DAMAGED_PDF)
        elif marker == _START_OF_TILE_PART:
            end_of_tile_part = _end_of_tile_part(codestream, at)
        elif marker == _COMMENT:
            codestream[at + 4 : at + 2 + length] = bytes(length - 2)
        at += 2 + length
    return codestream


def _end_of_tile_part(codestream: bytearray, at: int) -> int:
    """The end of the tile-part that starts at `at`; the length 0 means up to the end marker, which no data contains."""
    if length := int.from_bytes(codestream[at + 6 : at + 10]):
        return at + length
    end = codestream.find(_END_OF_CODESTREAM.to_bytes(2), at)
    return end if end >= 0 else len(codestream)
