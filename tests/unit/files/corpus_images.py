"""Odd and hostile images, generated so that the repository contains no such files."""

import random
import re
import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

MARKER = b"PAYLOAD-7c1f"
QUADRANTS = {(16, 12): (255, 0, 0), (48, 12): (0, 255, 0), (16, 36): (0, 0, 255), (48, 36): (255, 255, 255)}
SIZE = (64, 48)
ODD_EXIF = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x02x\0\0\0\0\0\0\0" + MARKER
_ADAM7 = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)  # x, y, dx, dy
_MATRIX_PROFILES = {  # red, green and blue in XYZ, adapted to D50
    "Display P3": ((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407)),
    "Adobe RGB (1998)": ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)),
}
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def picture(mode: str = "RGB") -> Image.Image:
    """An image of a red, a green, a blue and a white quadrant."""
    image = Image.new("RGB", SIZE)
    for (x, y), colour in QUADRANTS.items():
        image.paste(colour, (x - 16, y - 12, x + 16, y + 12))
    if mode == "I;16":
        return image.convert("L").convert("I").point(lambda value: value * 257).convert("I;16")
    return image.convert(mode)


def encode(image: Image.Image, image_format: str, **options: Any) -> bytes:
    stream = BytesIO()
    image.save(stream, image_format, **options)
    return stream.getvalue()


def jpeg(**options: Any) -> bytes:
    return encode(picture(), "JPEG", quality=95, **options)


def gps(orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = MARKER.decode()
    exif.get_ifd(0x8825).update({1: "N", 2: (19.0, 4.0, 34.0), 3: "E", 4: (72.0, 52.0, 39.0)})
    return exif


def turned(orientation: int, mode: str = "RGB", image_format: str = "JPEG") -> bytes:
    """`picture`, as a rotated camera saves it: with the EXIF orientation that restores it."""
    method = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]
    return encode(picture(mode).transpose(Image.Transpose(method)), image_format, quality=95, exif=gps(orientation))


def cmyk_jpeg() -> bytes:
    return encode(picture("CMYK"), "JPEG", quality=95)


def detailed_jpeg(width: int = 400, height: int = 300, **options: Any) -> bytes:
    return encode(Image.effect_mandelbrot((width, height), (-2, -1.5, 1, 1.5), 99), "JPEG", quality=90, **options)


def without_end(cut: int = 2, filling: bytes = b"", **options: Any) -> bytes:
    """A JPEG without its last bytes, of which the end marker is two."""
    return jpeg(**options)[:-cut] + filling


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def jpeg_with(*segments: bytes) -> bytes:
    """A JPEG with these segments after the first marker."""
    return jpeg()[:2] + b"".join(segments) + jpeg()[2:]


def with_frame_size(file: bytes, width: int, height: int) -> bytes:
    """Change the size in the frame header, but not the coded data."""
    at = file.index(b"\xff\xc0") + 5
    return file[:at] + struct.pack(">HH", height, width) + file[at + 4 :]


def with_many_scans(count: int) -> bytes:
    """A progressive image whose last scan is repeated."""
    file = jpeg(progressive=True)
    last = file.rindex(b"\xff\xda")
    return file[:last] + file[last:-2] * count + b"\xff\xd9"


def scans_after_a_false_end() -> bytes:
    """Insert a comment that contains an end-of-image marker after the first scan."""
    file = flat_jpeg(6000, 6000, progressive=True)
    second = re.compile(rb"\xff[\xc4\xda]").search(file, file.index(b"\xff\xda") + 2)
    assert second
    return file[: second.start()] + segment(0xFE, b"\xff\xd9") + file[second.start() :]


def several_pictures() -> bytes:
    return encode(picture(), "MPO", save_all=True, append_images=[Image.new("RGB", SIZE, "black")])


def chunk(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(**options: Any) -> bytes:
    return encode(picture(options.pop("mode", "RGB")), "PNG", **options)


def png_with(*chunks: bytes) -> bytes:
    """A PNG with these chunks after the header."""
    file = png()
    return file[:33] + b"".join(chunks) + file[33:]


def raw_png(width: int, height: int, rows: bytes, *, depth: int = 8, colour: int = 2, interlaced: int = 0) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    return _SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND")


def deflated(piece: bytes, times: int) -> bytes:
    """A zlib stream of the same piece many times, which is compressed only once."""
    compressor, checksum = zlib.compressobj(9, wbits=-15), 1
    compressed = compressor.compress(piece) + compressor.flush(zlib.Z_FULL_FLUSH)
    for _ in range(times):
        checksum = zlib.adler32(piece, checksum)
    return b"\x78\xda" + compressed * times + compressor.flush() + struct.pack(">I", checksum)


def zeros(megabytes: int) -> bytes:
    return deflated(bytes(1_000_000), megabytes)


def slow_to_compress() -> bytes:
    """An image of 13 megapixels that takes seconds to compress."""
    noise = random.Random(1)
    rows = b"".join(b"\0" + bytes(noise.choices((0, 1, 2, 3, 250), k=4 * 3600)) for _ in range(36))
    return raw_png(3600, 3600, deflated(rows, 100), colour=6)


def sixteen_bits() -> bytes:
    rows = b"".join(
        b"\0" + b"".join(struct.pack(">3H", *(value * 257 for value in pixel)) for pixel in row)
        for row in _pixel_rows()
    )
    return raw_png(*SIZE, zlib.compress(rows), depth=16)


def interlaced() -> bytes:
    """A PNG in the seven passes of Adam7."""
    grid, packed = _pixel_rows(), b""
    for x, y, dx, dy in _ADAM7:
        packed += b"".join(b"\0" + bytes(part for pixel in row[x::dx] for part in pixel) for row in grid[y::dy])
    return raw_png(*SIZE, zlib.compress(packed), interlaced=1)


def _pixel_rows() -> list[list[tuple[int, int, int]]]:
    colours = list(QUADRANTS.values())
    return [[colours[(y >= 24) * 2 + (x >= 32)] for x in range(SIZE[0])] for y in range(SIZE[1])]


def animated() -> bytes:
    return encode(picture(), "PNG", save_all=True, append_images=[Image.new("RGB", SIZE, "black")])


def with_texts() -> bytes:
    texts = PngInfo()
    texts.add_text("Comment", MARKER.decode())
    texts.add_text("Author", MARKER.decode(), zip=True)
    texts.add_itxt("XML:com.adobe.xmp", f"<x:xmpmeta>{MARKER.decode()}</x:xmpmeta>")
    return png(pnginfo=texts)


def xmp(size: int) -> bytes:
    """A text chunk like those of image editors, which leave space for changes."""
    packet = b"<x:xmpmeta>" + MARKER + b" " * (size - 30) + b"</x:xmpmeta>"
    return b"XML:com.adobe.xmp\0\0\0\0\0" + packet


def transparent_palette() -> bytes:
    return encode(picture("P"), "PNG", transparency=0)


def text_bombs() -> bytes:
    return png_with(*[chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1_000_000)))] * 80)


def flat_jpeg(width: int, height: int, mode: str = "L", **options: Any) -> bytes:
    return encode(Image.new(mode, (width, height)), "JPEG", quality=30, **options)


def profile(name: str, space: bytes = b"RGB ") -> bytes:
    """An ICC profile (version 2) of three primaries and the gamma 2.2."""
    xyz = [
        b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(part * 65536) for part in each)) for each in _MATRIX_PROFILES[name]
    ]
    description = b"desc\0\0\0\0" + struct.pack(">I", len(name) + 1) + name.encode() + bytes(79)
    gamma = b"curv\0\0\0\0\0\0\0\1" + struct.pack(">H", round(2.2 * 256)) + bytes(2)
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    names = (b"desc", b"wtpt", b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC")
    contents = [each + bytes(-len(each) % 4) for each in (description, white, *xyz, gamma, gamma, gamma)]
    table, at = struct.pack(">I", len(names)), 128 + 4 + 12 * len(names)
    for tag, content in zip(names, contents, strict=True):
        table += tag + struct.pack(">II", at, len(content))
        at += len(content)
    header = struct.pack(">I4sI4s4s4s", at, bytes(4), 0x02400000, b"mntr", space, b"XYZ ")
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + table + b"".join(contents)
