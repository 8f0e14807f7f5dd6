"""Cleaning images: thumbnails, sizes, modes and colours."""

from collections.abc import Callable

import pytest
from PIL import Image

from arthomed.files.cleaner import CleanedFile
from tests.unit.files import corpus_images as images
from tests.unit.files import corpus_pdfs as pdfs


@pytest.mark.parametrize(
    ("file", "size"),
    [
        (lambda: images.flat_jpeg(1000, 500), (320, 160)),
        (lambda: images.flat_jpeg(500, 1000), (160, 320)),
        (lambda: images.flat_jpeg(20_000, 1), (320, 1)),
        (lambda: images.flat_jpeg(100, 50), (100, 50)),
    ],
    ids=["wide", "high", "one_pixel_high", "small"],
)
def test_thumbnail_has_at_most_320_pixels_a_side(
    file: Callable[[], bytes], size: tuple[int, int], clean: Callable[[bytes], CleanedFile]
) -> None:
    thumbnail = clean(file()).thumbnail
    assert thumbnail is not None
    with Image.open(thumbnail) as image:
        assert (image.format, image.size) == ("JPEG", size)


def test_pdf_has_no_thumbnail(clean: Callable[[bytes], CleanedFile]) -> None:
    assert clean(pdfs.pdf()).thumbnail is None


def test_thumbnail_of_a_transparent_image_is_white(clean: Callable[[bytes], CleanedFile]) -> None:
    thumbnail = clean(images.encode(Image.new("RGBA", (9, 9), (0, 0, 0, 0)), "PNG")).thumbnail
    assert thumbnail is not None
    with Image.open(thumbnail) as image:
        assert image.getpixel((4, 4)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("width", "height", "expected_size"),
    [(4160, 3120, (4160, 3120)), (8160, 6120, (4080, 3060)), (16_320, 12_240, (4080, 3060))],
    ids=["13_megapixels", "50_megapixels", "200_megapixels"],
)
def test_photograph_over_the_memory_limit_is_reduced(
    width: int, height: int, expected_size: tuple[int, int], clean: Callable[[bytes], CleanedFile]
) -> None:
    small = images.encode(Image.new("RGB", (width // 8, height // 8), "red"), "JPEG")
    with Image.open(clean(images.with_frame_size(small, width, height)).path) as image:
        assert image.size == expected_size


def test_large_progressive_photograph_is_reduced(clean: Callable[[bytes], CleanedFile]) -> None:
    file = images.flat_jpeg(4160, 3120, "RGB", progressive=True, subsampling="4:2:0")
    with Image.open(clean(file).path) as image:
        assert image.size == (2080, 1560)


@pytest.mark.parametrize("mode", ["1", "P", "RGBA", "I;16"])
def test_png_keeps_its_mode(mode: str, clean: Callable[[bytes], CleanedFile]) -> None:
    with Image.open(clean(images.png(mode=mode)).path) as image:
        assert image.mode == mode


def test_transparency_of_a_palette_is_kept(clean: Callable[[bytes], CleanedFile]) -> None:
    with Image.open(clean(images.transparent_palette()).path) as image:
        assert image.has_transparency_data


@pytest.mark.parametrize("file", [images.jpeg, images.cmyk_jpeg])
def test_colours_are_kept(file: Callable[[], bytes], clean: Callable[[bytes], CleanedFile]) -> None:
    with Image.open(clean(file()).path) as image:
        for place, colour in images.QUADRANTS.items():
            assert image.getpixel(place) == pytest.approx(colour, abs=12)
