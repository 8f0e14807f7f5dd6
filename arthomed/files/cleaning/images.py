"""Images decoded whole and written anew from their pixels: nothing else of the file gets through.

Gone are EXIF (place and device), colour profiles, comments, further frames and whatever lies before, between and
after the picture. The orientation is applied first. Grey, palette, transparent and 16-bit grey PNGs stay what
they are; 16-bit colour becomes 8-bit, CMYK becomes RGB.

One picture is in memory at a time, within PIXEL_BYTES: 13 megapixels in colour, which is what phones take. A
bigger JPEG is decoded at a half, a quarter or an eighth of its size by libjpeg, and refused where that leaves too
little to read a page (a progressive one costs more, for libjpeg holds all of it besides); a bigger PNG is refused.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, BinaryIO

from PIL import Image, ImageFile, JpegImagePlugin, PngImagePlugin
from PIL.Image import Transpose

from arthomed.files.cleaning.verdict import Kind, Refused, reading

PIXEL_BYTES = 52_000_000
MAX_SIDE = 32_000
MAX_PIXELS = 200_000_000  # more than any phone's camera, even when read at an eighth of the size
MAX_SCANS = 100  # of a progressive JPEG; cameras and phones write about ten, and each costs a pass over the picture
MIN_SHRUNK_PIXELS = 3_000_000  # A4 at 175 dpi
THUMBNAIL_SIDE = 320
_QUALITY = 90
_PNG_EFFORT = 1  # of 9: a quarter of the time of the usual 6 for up to a fifth more bytes
_BAND_ROWS = 64
_ORIENTATION = 0x0112
_BYTES_PER_PIXEL = {"1": 1, "L": 1, "P": 1, "I;16": 2}  # in Pillow's memory, where every colour takes four
_TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
_SIDEWAYS = {Transpose.TRANSPOSE, Transpose.ROTATE_270, Transpose.TRANSVERSE, Transpose.ROTATE_90}
_FROM_THE_END = {Transpose.ROTATE_180, Transpose.FLIP_TOP_BOTTOM, Transpose.ROTATE_270, Transpose.TRANSVERSE}
_TOO_BIG = "The image has too many pixels"
_TOO_DETAILED = "The image is too large for a progressive JPEG; please save it as a plain (baseline) one"
PngImagePlugin.MAX_TEXT_MEMORY = 1 << 20  # of 64 MB: comments are thrown away


def clean(source: Path, kind: Kind, target: Path) -> None:
    with reading("image"):  # all of it: a palette that is not there is missed only when it is to be written
        with source.open("rb") as stream:
            image, orientation = _read(stream, kind)
        image.info = {key: image.info[key] for key in ("transparency",) if kind is Kind.PNG and key in image.info}
        image = _upright(image, _TURNS.get(orientation), target.parent)
        _thumbnail(image).save(f"{target}_thumbnail.jpg", "JPEG", quality=_QUALITY)
        if kind is Kind.JPEG:
            image.save(f"{target}.jpg", "JPEG", quality=_QUALITY)
        else:
            image.save(f"{target}.png", "PNG", compress_level=_PNG_EFFORT)


def _read(stream: BinaryIO, kind: Kind) -> tuple[Image.Image, int]:
    """The whole first picture and how it is to be turned."""
    image = _jpeg(stream) if kind is Kind.JPEG else _png(stream)
    image.load()
    return image, _orientation(image)


def _jpeg(stream: BinaryIO) -> ImageFile.ImageFile:
    """The plug-in itself, not `Image.open`: a file of several pictures (MPO) would be taken over by another one."""
    image = JpegImagePlugin.JpegImageFile(stream)
    _ensure_sane(image)
    scans = _scans(stream)
    if scans > MAX_SCANS:
        raise Refused("The image is built up in too many passes")
    scale = _scale(image, buffered=_coefficient_bytes(image) if scans > 1 else 0)
    if scale > 1:
        image.draft(None, (image.width // scale, image.height // scale))
    return image


def _png(stream: BinaryIO) -> ImageFile.ImageFile:
    image = PngImagePlugin.PngImageFile(stream)
    _ensure_sane(image)
    if _decoded_bytes(image) > PIXEL_BYTES:
        raise Refused(_TOO_BIG)
    return image


def _ensure_sane(image: Image.Image) -> None:
    if min(image.size) < 1 or max(image.size) > MAX_SIDE or image.width * image.height > MAX_PIXELS:
        raise Refused(_TOO_BIG)


def _scans(stream: BinaryIO) -> int:
    """How often the picture is gone over; Pillow has stopped at the first scan.

    No marker can lie in a scan's data. Scans behind a false end are not counted, and meet the process's limits.
    """
    rest = stream.read()
    end = rest.find(b"\xff\xd9")
    return 1 + rest.count(b"\xff\xda", 0, end if end >= 0 else len(rest))


def _scale(image: JpegImagePlugin.JpegImageFile, *, buffered: int) -> int:
    """The smallest reduction that stays within the budget, if it leaves enough."""
    for scale in (1, 2, 4, 8):
        if buffered + _decoded_bytes(image) // scale**2 <= PIXEL_BYTES:
            if scale > 1 and image.width * image.height // scale**2 < MIN_SHRUNK_PIXELS:
                break
            return scale
    raise Refused(_TOO_DETAILED if buffered else _TOO_BIG)


def _coefficient_bytes(image: JpegImagePlugin.JpegImageFile) -> int:
    """What libjpeg holds of a picture in several scans, at full size whatever the reduction: 16 bits each."""
    sampled = [across * down for _, across, down, _ in image.layer]
    return 2 * image.width * image.height * sum(sampled) // max(sampled)


def _decoded_bytes(image: Image.Image) -> int:
    return image.width * image.height * _BYTES_PER_PIXEL.get(image.mode, 4)


def _orientation(image: Image.Image) -> int:
    """Of EXIF that can't be read: none."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - a stranger's bytes; the picture itself is already read
        return 1


def _upright(image: Image.Image, turn: Transpose | None, folder: Path) -> Image.Image:
    """Turned, and RGB for CMYK; by way of an unnamed file, for two whole pictures at once are over the budget."""
    mode = "RGB" if image.mode == "CMYK" else image.mode
    if turn is None and mode == image.mode:
        return image
    with TemporaryFile(dir=folder) as scratch:
        strips = [_put_by(scratch, strip, place) for strip, place in _turned_strips(image, mode, turn)]
        width, height = image.size
        whole_size = (height, width) if turn in _SIDEWAYS else (width, height)
        image.close()
        scratch.seek(0)
        whole = Image.new(mode, whole_size)
        for size, place, length in strips:
            whole.paste(Image.frombytes(mode, size, scratch.read(length)), place)
    whole.info = image.info
    if image.palette:
        whole.putpalette(image.palette)
    return whole


def _put_by(
    scratch: IO[bytes], strip: Image.Image, place: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int], int]:
    return strip.size, place, scratch.write(strip.tobytes())


def _turned_strips(
    image: Image.Image, mode: str, turn: Transpose | None
) -> Iterator[tuple[Image.Image, tuple[int, int]]]:
    """Each band of rows, turned, and where its upper left corner comes to lie."""
    for top, band in _bands(image):
        offset = image.height - top - band.height if turn in _FROM_THE_END else top
        strip = band.convert(mode)
        yield (
            strip if turn is None else strip.transpose(turn),
            (offset, 0) if turn in _SIDEWAYS else (0, offset),
        )


def _bands(image: Image.Image, rows: int = _BAND_ROWS) -> Iterator[tuple[int, Image.Image]]:
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _thumbnail(image: Image.Image) -> Image.Image:
    """Shrunk band by band: to shrink the whole, Pillow would first make a second one."""
    factor = max(1, max(image.size) // (2 * THUMBNAIL_SIDE))
    small = Image.new("RGB", (-(-image.width // factor), -(-image.height // factor)))
    for top, band in _bands(image, rows=_BAND_ROWS // factor * factor or factor):
        small.paste(_opaque(band).reduce(factor), (0, top // factor))
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    return small


def _opaque(band: Image.Image) -> Image.Image:
    """In eight-bit colour, on white."""
    if band.mode == "I;16":
        return band.point(lambda value: value / 256).convert("L").convert("RGB")
    if not band.has_transparency_data:
        return band.convert("RGB")
    band = band.convert("RGBA")
    white = Image.new("RGB", band.size, "white")
    white.paste(band, mask=band)
    return white
