"""The size limits of images. Only one decoded image is in memory at a time, of at most MAX_DECODED_BYTES."""

from PIL import Image

from arthomed.files.cleaning import FileRejected

MAX_DECODED_BYTES = 52_000_000  # 13 megapixels in colour, the usual size of phone photographs
MAX_SIDE = 32_000
MAX_PIXELS = 200_000_000  # more than any phone's camera, even when decoded at an eighth of the size
TOO_BIG = "The image has too many pixels; please send it with at most 12 megapixels"
_BYTES_PER_PIXEL = {"1": 1, "L": 1, "P": 1, "I;16": 2}  # in Pillow's memory, where all colour modes take four


def ensure_dimensions(image: Image.Image) -> None:
    if min(image.size) < 1 or max(image.size) > MAX_SIDE or image.width * image.height > MAX_PIXELS:
        raise FileRejected(TOO_BIG)


def decoded_bytes(image: Image.Image) -> int:
    return image.width * image.height * _BYTES_PER_PIXEL.get(image.mode, 4)
