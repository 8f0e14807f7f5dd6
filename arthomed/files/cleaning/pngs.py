"""Opens a PNG without the chunks that its pixels do not need.

Pillow reads texts completely, and rejects a PNG with more than a megabyte of them, such as the XMP of an image editor.
"""

import os
from typing import BinaryIO

from PIL import PngImagePlugin

from arthomed.files.cleaning import FileRejected
from arthomed.files.cleaning.image_memory import MAX_DECODED_BYTES, TOO_BIG, decoded_bytes, ensure_dimensions

_SIGNATURE_BYTES = 8
_HEADER_BYTES = 8  # the length and the kind
_CHECKSUM_BYTES = 4
_END = b"IEND"
_NEEDED = {b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"eXIf", b"IDAT", _END}
_TEXT_KINDS, _EXIF_TEXT = {b"tEXt", b"zTXt"}, b"Raw profile type exif\0"  # from older programs, instead of eXIf
PngImagePlugin.MAX_TEXT_MEMORY = 1 << 20  # instead of 64 MB


def open_png(stream: BinaryIO, scratch: BinaryIO) -> PngImagePlugin.PngImageFile:
    _copy_needed_chunks(stream, scratch)
    scratch.seek(0)
    image = PngImagePlugin.PngImageFile(scratch)
    ensure_dimensions(image)
    if decoded_bytes(image) > MAX_DECODED_BYTES:
        raise FileRejected(TOO_BIG)
    return image


def _copy_needed_chunks(source: BinaryIO, target: BinaryIO) -> None:
    size, kind = os.fstat(source.fileno()).st_size, b""
    target.write(source.read(_SIGNATURE_BYTES))
    while kind != _END and len(header := source.read(_HEADER_BYTES)) == _HEADER_BYTES:
        kind = header[4:]
        content = source.read(min(int.from_bytes(header[:4]), size) + _CHECKSUM_BYTES)
        if kind in _NEEDED or (kind in _TEXT_KINDS and content.startswith(_EXIF_TEXT)):
            target.write(header)
            target.write(content)
