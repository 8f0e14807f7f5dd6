"""The size limits of images. Only one decoded image is in memory at a time, of at most MAX_DECODED_BYTES."""

from collections.abc import Iterator

from PIL import Image

from arthomed.files.cleaning import FileRejected

MAX_DECODED_BYTES = 52_000_000  # 13 megapixels in colour, the usual size of phone photographs
MAX_SIDE = 32_000
MAX_PIXELS = 200_000_000  # more than any phone's camera, even when decoded at an eighth of the size
TOO_BIG = "The image has too many pixels; please send it with at most 12 megapixels"
STRIP_ROWS = 64
_BYTES_PER_PIXEL = {"1": 1, "L": 1, "P": 1, "I;16": 2}  # in Pillow's memory, where all colour modes take four


def ensure_dimensions(image: Image.Image) -> None:
    if min(image.size) < 1 or max(image.size) > MAX_SIDE or image.width * image.height > MAX_PIXELS:
        raise FileRejected(TOO_BIG)


def decoded_bytes(image: Image.Image) -> int:
    return image.width * image.height * _BYTES_PER_PIXEL.get(image.mode, 4)


def strips(image: Image.Image, rows: int = STRIP_ROWS) -> Iterator[tuple[int, Image.Image]]:
    """Copies of the image's rows, in strips, each with its position from the top."""
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))
