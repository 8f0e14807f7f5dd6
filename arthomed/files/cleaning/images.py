"""Decodes an image and encodes its pixels again; nothing else of the file is kept.

Removed are EXIF (place and device), colour profiles, comments, further frames, and any bytes before, between and
after the image. The EXIF orientation is applied first. Grey, palette, transparent and 16-bit grey PNGs keep their
mode; 16-bit colour becomes 8-bit, CMYK becomes RGB.

Only one decoded image is in memory at a time, of at most MAX_DECODED_BYTES: 13 megapixels in colour, the usual size
of phone photographs. libjpeg decodes a larger JPEG at a half, a quarter or an eighth of its size; the JPEG is
rejected if that leaves too few pixels to read a page. A progressive JPEG costs more, because libjpeg also holds its
coefficients. A larger PNG is rejected.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

from PIL import Image, ImageFile, JpegImagePlugin, PngImagePlugin
from PIL.Image import Transpose

from arthomed.files.cleaning import FileRejected, FileType, reject_if_damaged

MAX_DECODED_BYTES = 52_000_000
MAX_SIDE = 32_000
MAX_PIXELS = 200_000_000  # more than any phone's camera, even when decoded at an eighth of the size
MAX_SCANS = 100  # of a progressive JPEG; cameras write about ten, and each costs a pass over the image
MIN_REDUCED_PIXELS = 3_000_000  # A4 at 175 dpi
THUMBNAIL_SIDE = 320
_JPEG_QUALITY = 90
_PNG_COMPRESS_LEVEL = 1  # a quarter of the time of the default 6, for up to a fifth more bytes
_STRIP_ROWS = 64
_ORIENTATION_TAG = 0x0112
_BYTES_PER_PIXEL = {"1": 1, "L": 1, "P": 1, "I;16": 2}  # in Pillow's memory, where all colour modes take four
_TRANSPOSITIONS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
_SWAPS_SIDES = {Transpose.TRANSPOSE, Transpose.ROTATE_270, Transpose.TRANSVERSE, Transpose.ROTATE_90}
_REVERSES_ROWS = {Transpose.ROTATE_180, Transpose.FLIP_TOP_BOTTOM, Transpose.ROTATE_270, Transpose.TRANSVERSE}
_TOO_BIG = "The image has too many pixels"
_TOO_BIG_PROGRESSIVE = "The image is too large for a progressive JPEG; please save it as a plain (baseline) one"
PngImagePlugin.MAX_TEXT_MEMORY = 1 << 20  # instead of 64 MB: text chunks are dropped anyway

Position = tuple[int, int]


def clean(source: Path, file_type: FileType, target: Path) -> None:
    """Write `target`.jpg or .png, and `target`_thumbnail.jpg."""
    with reject_if_damaged("image"):  # saving included: Pillow notices a missing palette only then
        with source.open("rb") as stream:
            image = _open_jpeg(stream) if file_type is FileType.JPEG else _open_png(stream)
            image.load()
            orientation = _orientation(image)
        is_png = file_type is FileType.PNG
        image.info = {key: image.info[key] for key in ("transparency",) if is_png and key in image.info}
        upright = _upright(image, _TRANSPOSITIONS.get(orientation), target.parent)
        _thumbnail(upright).save(f"{target}_thumbnail.jpg", "JPEG", quality=_JPEG_QUALITY)
        if is_png:
            upright.save(f"{target}.png", "PNG", compress_level=_PNG_COMPRESS_LEVEL)
        else:
            upright.save(f"{target}.jpg", "JPEG", quality=_JPEG_QUALITY)


def _open_jpeg(stream: BinaryIO) -> ImageFile.ImageFile:
    """Use the plug-in directly: `Image.open` would open a file with several images (MPO) with another plug-in."""
    image = JpegImagePlugin.JpegImageFile(stream)
    _ensure_dimensions(image)
    scans = _count_scans(stream)
    if scans > MAX_SCANS:
        raise FileRejected("The image is built up in too many passes")
    reduction = _choose_reduction(image, coefficient_bytes=_coefficient_bytes(image) if scans > 1 else 0)
    if reduction > 1:
        image.draft(None, (image.width // reduction, image.height // reduction))
    return image


def _open_png(stream: BinaryIO) -> ImageFile.ImageFile:
    image = PngImagePlugin.PngImageFile(stream)
    _ensure_dimensions(image)
    if _decoded_bytes(image) > MAX_DECODED_BYTES:
        raise FileRejected(_TOO_BIG)
    return image


def _ensure_dimensions(image: Image.Image) -> None:
    if min(image.size) < 1 or max(image.size) > MAX_SIDE or image.width * image.height > MAX_PIXELS:
        raise FileRejected(_TOO_BIG)


def _count_scans(stream: BinaryIO) -> int:
    """Count the scans of a JPEG; Pillow has read the stream up to the first one.

    The data of a scan cannot contain a marker. Scans after a false end of image are not counted; the resource limits
    of the process apply to them.
    """
    rest = stream.read()
    end = rest.find(b"\xff\xd9")
    return 1 + rest.count(b"\xff\xda", 0, end if end >= 0 else len(rest))


def _choose_reduction(image: JpegImagePlugin.JpegImageFile, *, coefficient_bytes: int) -> int:
    """The smallest reduction that fits into memory.

    Raises:
        FileRejected: the reduced image would be too small to read.
    """
    for reduction in (1, 2, 4, 8):
        if coefficient_bytes + _decoded_bytes(image) // reduction**2 <= MAX_DECODED_BYTES:
            if reduction > 1 and image.width * image.height // reduction**2 < MIN_REDUCED_PIXELS:
                break
            return reduction
    raise FileRejected(_TOO_BIG_PROGRESSIVE if coefficient_bytes else _TOO_BIG)


def _coefficient_bytes(image: JpegImagePlugin.JpegImageFile) -> int:
    """The memory in which libjpeg holds the coefficients of a progressive JPEG: 16 bits each, at full size."""
    samples = [horizontal * vertical for _, horizontal, vertical, _ in image.layer]
    return 2 * image.width * image.height * sum(samples) // max(samples)


def _decoded_bytes(image: Image.Image) -> int:
    return image.width * image.height * _BYTES_PER_PIXEL.get(image.mode, 4)


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation; 1 (upright) if the EXIF data cannot be read."""
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # noqa: BLE001 - untrusted EXIF data; the pixels are decoded already
        return 1


def _upright(image: Image.Image, transposition: Transpose | None, folder: Path) -> Image.Image:
    """Apply the orientation, and convert CMYK to RGB.

    The strips go through a temporary file, because two decoded images do not fit into memory.
    """
    mode = "RGB" if image.mode == "CMYK" else image.mode
    if transposition is None and mode == image.mode:
        return image
    with TemporaryFile(dir=folder) as scratch:
        strips = [
            (strip.size, position, scratch.write(strip.tobytes()))
            for strip, position in _upright_strips(image, mode, transposition)
        ]
        width, height = image.size
        upright_size = (height, width) if transposition in _SWAPS_SIDES else (width, height)
        image.close()
        scratch.seek(0)
        upright = Image.new(mode, upright_size)
        for size, position, length in strips:
            upright.paste(Image.frombytes(mode, size, scratch.read(length)), position)
    upright.info = image.info
    if image.palette:
        upright.putpalette(image.palette)
    return upright


def _upright_strips(
    image: Image.Image, mode: str, transposition: Transpose | None
) -> Iterator[tuple[Image.Image, Position]]:
    """Each strip of rows, transposed, with the position of its upper left corner in the upright image."""
    for top, rows in _strips(image):
        offset = image.height - top - rows.height if transposition in _REVERSES_ROWS else top
        strip = rows.convert(mode)
        yield (
            strip if transposition is None else strip.transpose(transposition),
            (offset, 0) if transposition in _SWAPS_SIDES else (0, offset),
        )


def _strips(image: Image.Image, rows: int = _STRIP_ROWS) -> Iterator[tuple[int, Image.Image]]:
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _thumbnail(image: Image.Image) -> Image.Image:
    """Reduce strip by strip: reducing the whole image would make Pillow copy it first."""
    factor = max(1, max(image.size) // (2 * THUMBNAIL_SIDE))
    thumbnail = Image.new("RGB", (-(-image.width // factor), -(-image.height // factor)))
    for top, strip in _strips(image, rows=_STRIP_ROWS // factor * factor or factor):
        thumbnail.paste(_opaque(strip).reduce(factor), (0, top // factor))
    thumbnail.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    return thumbnail


def _opaque(strip: Image.Image) -> Image.Image:
    """Convert to 8-bit RGB, on a white background."""
    if strip.mode == "I;16":
        return strip.point(lambda value: value / 256).convert("L").convert("RGB")
    if not strip.has_transparency_data:
        return strip.convert("RGB")
    strip = strip.convert("RGBA")
    background = Image.new("RGB", strip.size, "white")
    background.paste(strip, mask=strip)
    return background
