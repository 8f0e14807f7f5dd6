"""Cleaning images: thumbnails, sizes, modes and colours."""

from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image, ImageCms

from arthomed.files.cleaner import CleanedFile, InvalidFile
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
    [
        (4160, 3120, (4160, 3120)),
        pytest.param(8160, 6120, (4080, 3060), marks=pytest.mark.long),
        (16_320, 12_240, (4080, 3060)),
    ],
    ids=["13_megapixels", "50_megapixels", "200_megapixels"],
)
def test_photograph_over_the_memory_limit_is_reduced(
    width: int, height: int, expected_size: tuple[int, int], clean: Callable[[bytes], CleanedFile]
) -> None:
    small = images.encode(Image.new("RGB", (width // 8, height // 8), "red"), "JPEG")
    with Image.open(clean(images.with_frame_size(small, width, height)).path) as image:
        assert image.size == expected_size


@pytest.mark.parametrize(
    ("width", "height", "options", "expected_size"),
    [
        pytest.param(3264, 2448, {"subsampling": "4:2:0"}, (3264, 2448), marks=pytest.mark.long),
        pytest.param(3264, 2448, {"subsampling": "4:4:4"}, (3264, 2448), marks=pytest.mark.long),
        pytest.param(4160, 3120, {"subsampling": "4:2:0"}, (4160, 3120), marks=pytest.mark.long),
        (4032, 3024, {"subsampling": "4:2:0", "exif": images.gps(6)}, (3024, 4032)),
        (4032, 3024, {"subsampling": "4:2:0", "icc_profile": images.profile("Display P3")}, (4032, 3024)),
        (4640, 3488, {"subsampling": "4:2:0"}, (2320, 1744)),
    ],
    ids=["8_megapixels", "8_megapixels_of_full_colour", "13_megapixels", "turned", "of_a_phone", "16_megapixels"],
)
def test_progressive_photograph_of_a_phone_keeps_its_size(
    width: int,
    height: int,
    options: dict[str, Any],
    expected_size: tuple[int, int],
    clean: Callable[[bytes], CleanedFile],
) -> None:
    file = images.flat_jpeg(width, height, "RGB", progressive=True, **options)
    with Image.open(clean(file).path) as image:
        assert image.size == expected_size


def test_progressive_photograph_of_a_phone_keeps_its_pixels(clean: Callable[[bytes], CleanedFile]) -> None:
    large = images.picture().resize((4032, 3024), Image.Resampling.NEAREST)
    cleaned = clean(images.encode(large, "JPEG", quality=95, progressive=True))
    assert cleaned.thumbnail is not None
    for path, factor in ((cleaned.path, 63), (cleaned.thumbnail, 5)):
        with Image.open(path) as image:
            for (x, y), colour in images.QUADRANTS.items():
                assert image.getpixel((x * factor, y * factor)) == pytest.approx(colour, abs=12)


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


_ORANGE = (200, 100, 50)
_ORANGE_IN_SRGB = {"Display P3": (215, 94, 28), "Adobe RGB (1998)": (227, 100, 42)}


@pytest.mark.parametrize("name", _ORANGE_IN_SRGB)
@pytest.mark.parametrize(("image_format", "mode"), [("JPEG", "RGB"), ("PNG", "RGB"), ("PNG", "RGBA"), ("PNG", "P")])
def test_colours_of_a_profile_are_converted_to_srgb(
    image_format: str, mode: str, name: str, clean: Callable[[bytes], CleanedFile]
) -> None:
    picture = Image.new("RGB", (64, 64), _ORANGE).convert(mode, palette=Image.Palette.ADAPTIVE)
    cleaned = clean(images.encode(picture, image_format, icc_profile=images.profile(name)))
    assert cleaned.thumbnail is not None
    for path in (cleaned.path, cleaned.thumbnail):
        with Image.open(path) as image:
            assert "icc_profile" not in image.info
            assert image.convert("RGB").getpixel((32, 32)) == pytest.approx(_ORANGE_IN_SRGB[name], abs=4)


@pytest.mark.parametrize(
    "profile",
    [
        b"no profile",
        images.profile("Display P3")[:300],
        images.profile("Display P3", b"CMYK"),
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    ],
    ids=["garbage", "cut", "of_another_colour_model", "srgb"],
)
def test_colours_of_another_profile_are_kept(profile: bytes, clean: Callable[[bytes], CleanedFile]) -> None:
    file = images.encode(Image.new("RGB", (64, 64), _ORANGE), "JPEG", quality=95, icc_profile=profile)
    with Image.open(clean(file).path) as image:
        assert image.getpixel((32, 32)) == pytest.approx(_ORANGE, abs=3)


def test_transparency_beside_a_profile_is_kept(clean: Callable[[bytes], CleanedFile]) -> None:
    file = images.encode(Image.new("RGBA", (9, 9), (*_ORANGE, 77)), "PNG", icc_profile=images.profile("Display P3"))
    with Image.open(clean(file).path) as image:
        assert image.getpixel((4, 4)) == pytest.approx((*_ORANGE_IN_SRGB["Display P3"], 77), abs=4)


@pytest.mark.parametrize("progressive", [pytest.param(False, marks=pytest.mark.long), True])
def test_photograph_of_a_phone_without_its_end_marker_keeps_its_pixels(
    clean: Callable[[bytes], CleanedFile], *, progressive: bool
) -> None:
    large = images.picture().resize((4032, 3024), Image.Resampling.NEAREST)
    file = images.encode(large, "JPEG", quality=95, progressive=progressive, exif=images.gps(3))
    cleaned = [clean(content).path.read_bytes() for content in (file, file[:-2])]
    assert cleaned[0] == cleaned[1]


@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_that_is_cut_anywhere_is_rejected(clean: Callable[[bytes], CleanedFile], *, progressive: bool) -> None:
    file = images.detailed_jpeg(progressive=progressive)
    start = file.index(b"\xff\xda") + 20
    for cut in range(start, len(file) - 4, (len(file) - start) // 6):
        with pytest.raises(InvalidFile) as rejection:
            clean(file[:cut])
        assert "image is damaged" in rejection.value.details
