"""Converts pixels from the colour profile of an image to sRGB, which programs assume for images without a profile.

A profile that is damaged, or is not for the mode of the image, is ignored. Grey images keep their values.
"""

from collections.abc import Callable
from io import BytesIO

from PIL import Image, ImageCms

_OUTPUT_MODES = {"RGB": "RGB", "RGBA": "RGBA", "CMYK": "RGB"}

Conversion = Callable[[Image.Image], Image.Image]


def conversion_to_srgb(profile: bytes | None, mode: str) -> Conversion | None:
    """The conversion of images of this mode; None if none is necessary."""
    if not profile or mode not in _OUTPUT_MODES:
        return None
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(source):
            return None
        srgb = ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(source, srgb, mode, _OUTPUT_MODES[mode])
    except (ImageCms.PyCMSError, OSError):
        return None
    return transform.apply


def convert_palette(image: Image.Image, profile: bytes | None) -> None:
    """Convert the colours of a palette in place."""
    palette = bytes(image.getpalette("RGB") or ())
    if convert := conversion_to_srgb(profile, "RGB"):
        image.putpalette(convert(Image.frombytes("RGB", (len(palette) // 3, 1), palette)).tobytes())
