"""Opens a JPEG so that decoding it fits into memory.

libjpeg decodes a JPEG of more than MAX_DECODED_BYTES at a half, a quarter or an eighth of its size; the JPEG is
rejected if that leaves too few pixels to read a page. Of a progressive JPEG, libjpeg also holds the coefficients, of
the full size. If both together do not fit, the pixels are decoded into a file that is mapped into memory; so the usual
photograph (4:2:0) may have 17 megapixels, and one with full colour resolution (4:4:4) 8.

A missing end marker is added if the coded data is complete.
"""

import hashlib
import mmap
import os
from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import BinaryIO

from PIL import Image, JpegImagePlugin

from arthomed.files.cleaning import DAMAGED_IMAGE, FileRejected
from arthomed.files.cleaning.image_memory import MAX_DECODED_BYTES, TOO_BIG, decoded_bytes, ensure_dimensions, strips

MAX_SCANS = 100  # of a progressive JPEG; cameras write about ten, and each costs a pass over the image
MIN_REDUCED_PIXELS = 3_000_000  # A4 at 175 dpi
_TOO_MANY_SCANS = "The image is built up in too many passes; please save it as a plain (baseline) JPEG"
_TOO_BIG_PROGRESSIVE = (
    "A progressive JPEG of this kind may have at most {} megapixels; please send a smaller one, or save it as a plain "
    "(baseline) JPEG"
)
_START_OF_SCAN, _END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"
_PADDING = b"".join(bytes(range(200)) + bytes((0xFF, 0xD0 + number)) for number in range(8))  # with restart markers
_MAPPED_MODES = {"RGB": "RGBX"}  # Pillow maps no other mode of three bytes; both take four in memory


class _Jpeg(JpegImagePlugin.JpegImageFile):
    """A JPEG whose data from the position `end` on is replaced by `ending`, if there is one."""

    end = 0
    ending: BytesIO | None = None

    def load_read(self, read_bytes: int) -> bytes:
        if self.ending is None or self.fp is None:
            return super().load_read(read_bytes)
        left = max(self.end - self.fp.tell(), 0)
        return super().load_read(min(read_bytes, left)) or self.ending.read(read_bytes)


def open_jpeg(stream: BinaryIO, scratch: BinaryIO) -> Image.Image:
    """Use the plug-in directly: `Image.open` would open a file with several images (MPO) with another plug-in."""
    image = _Jpeg(stream)
    ensure_dimensions(image)
    scans, end = _scans_and_end(stream)
    if scans > MAX_SCANS:
        raise FileRejected(_TOO_MANY_SCANS)
    coefficient_bytes = _coefficient_bytes(image) if scans > 1 else 0
    reduction = _choose_reduction(image, coefficient_bytes)
    fit = partial(_fit_into_memory, reduction=reduction, coefficient_bytes=coefficient_bytes, scratch=scratch)
    if end is not None:
        _ensure_complete(stream, end, fit)
        image.end, image.ending = end, BytesIO(_END_OF_IMAGE)
    fit(image)
    return image


def _scans_and_end(stream: BinaryIO) -> tuple[int, int | None]:
    """The number of scans of a JPEG, and the end of its data if it has no end marker.

    Pillow has read the stream up to the first scan. The data of a scan cannot contain a marker. Scans after a false end
    of image are not counted; the resource limits of the process apply to them.
    """
    start, rest = stream.tell(), stream.read()
    end = rest.find(_END_OF_IMAGE)
    if end >= 0:
        return 1 + rest.count(_START_OF_SCAN, 0, end), None
    data = rest.rstrip(b"\0")  # cards and downloads fill up with zeros, but the last byte may be one that counts
    return 1 + rest.count(_START_OF_SCAN), start + min(len(data) + 1, len(rest))


def _ensure_complete(stream: BinaryIO, end: int, fit: Callable[[_Jpeg], None]) -> None:
    """Raises FileRejected if pixels depend on what follows the data, because some of the data is missing."""
    endings = (_END_OF_IMAGE, _PADDING + _END_OF_IMAGE)
    if len({_digest(stream, end, ending, fit) for ending in endings}) > 1:
        raise FileRejected(DAMAGED_IMAGE)


def _digest(stream: BinaryIO, end: int, ending: bytes, fit: Callable[[_Jpeg], None]) -> bytes:
    stream.seek(0)
    image = _Jpeg(stream)
    image.end, image.ending = end, BytesIO(ending)
    fit(image)
    digest = hashlib.sha256()
    for _, rows in strips(image):
        digest.update(rows.tobytes())
    return digest.digest()


def _fit_into_memory(image: _Jpeg, *, reduction: int, coefficient_bytes: int, scratch: BinaryIO) -> None:
    if reduction > 1:
        image.draft(None, (image.width // reduction, image.height // reduction))
    if coefficient_bytes + decoded_bytes(image) > MAX_DECODED_BYTES:
        _map_pixels(image, scratch)


def _choose_reduction(image: _Jpeg, coefficient_bytes: int) -> int:
    """The smallest reduction that fits into memory.

    Raises:
        FileRejected: the reduced image would be too small to read, or the coefficients do not fit.
    """
    if coefficient_bytes > MAX_DECODED_BYTES:
        bytes_per_megapixel = 1_000_000 * coefficient_bytes // (image.width * image.height)
        raise FileRejected(_TOO_BIG_PROGRESSIVE.format(MAX_DECODED_BYTES // bytes_per_megapixel))
    reduction = 1
    while decoded_bytes(image) // reduction**2 > MAX_DECODED_BYTES:
        reduction *= 2
    if reduction > 1 and image.width * image.height // reduction**2 < MIN_REDUCED_PIXELS:
        raise FileRejected(TOO_BIG)
    return reduction


def _coefficient_bytes(image: _Jpeg) -> int:
    """The memory in which libjpeg holds the coefficients of a progressive JPEG: 16 bits each, at full size."""
    samples = [horizontal * vertical for _, horizontal, vertical, _ in image.layer]
    return 2 * image.width * image.height * sum(samples) // max(samples)


def _map_pixels(image: Image.Image, scratch: BinaryIO) -> None:
    """Let the decoder write into a file, whose shared mapping does not count for RLIMIT_DATA."""
    size = decoded_bytes(image)
    os.posix_fallocate(scratch.fileno(), 0, size)  # a full disk is an error here, and not SIGBUS later
    mode = _MAPPED_MODES.get(image.mode, image.mode)
    pixels = mmap.mmap(scratch.fileno(), size)
    image.im = Image.frombuffer(mode, image.size, pixels, "raw", mode, 0, 1).im  # type: ignore[arg-type]  # a buffer
