"""Cleaning the corpus of odd and hostile files."""

import re
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest
from pikepdf import Pdf, StreamDecodeLevel
from PIL import Image, ImageStat

from arthomed.files.cleaner import CleanedFile, InvalidFile
from arthomed.files.cleaning import FileType
from tests.unit.files import corpus_images as images
from tests.unit.files import corpus_pdfs as pdfs
from tests.unit.files.corpus import CORPUS, CorpusFile

pytestmark = pytest.mark.long

JPEG_MARKERS = {0xD8, 0xE0, 0xDB, 0xC0, 0xC4, 0xDA, 0xD9}
PNG_CHUNKS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}


def parametrize(files: list[CorpusFile]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("file", files, ids=[file.name for file in files])


@parametrize([file for file in CORPUS if file.is_accepted])
def test_accepted_file_keeps_only_its_visible_content(file: CorpusFile, clean: Callable[[bytes], CleanedFile]) -> None:
    cleaned = clean(file.make())
    assert (cleaned.mime_type, list(flaws(cleaned))) == (file.expected, [])


@parametrize([file for file in CORPUS if not file.is_accepted])
def test_rejected_file_leaves_nothing_in_the_folder(
    file: CorpusFile, clean: Callable[[bytes], CleanedFile], folder: Path
) -> None:
    with pytest.raises(InvalidFile) as rejection:
        clean(file.make())
    assert re.search(str(file.expected), rejection.value.details)
    assert "please" in rejection.value.details, "the details say what to do"
    assert list(folder.iterdir()) == []


def flaws(cleaned: CleanedFile) -> Iterator[str]:
    """Each difference between the cleaned file and its visible content alone."""
    file = cleaned.path.read_bytes()
    if images.MARKER in file or images.MARKER in decompressed(cleaned):
        yield "the payload remains"
    if zipfile.is_zipfile(cleaned.path):
        yield "it opens as an archive"
    yield from {FileType.JPEG: jpeg_flaws, FileType.PNG: png_flaws, FileType.PDF: pdf_flaws}[
        FileType(cleaned.mime_type)
    ](file)
    if cleaned.thumbnail:
        yield from jpeg_flaws(cleaned.thumbnail.read_bytes())


def decompressed(cleaned: CleanedFile) -> bytes:
    if cleaned.mime_type != FileType.PDF:
        return b""
    return pdfs.rewritten(cleaned.path.read_bytes(), stream_decode_level=StreamDecodeLevel.all, qdf=True)


def jpeg_flaws(file: bytes) -> Iterator[str]:
    at, marker = 2, 0xD8
    while marker != 0xDA:
        marker, length = file[at + 1], int.from_bytes(file[at + 2 : at + 4])
        if file[at] != 0xFF or marker not in JPEG_MARKERS:
            yield f"segment {marker:x} remains"
        at += 2 + length
    if file.find(b"\xff\xd9", at) != len(file) - 2:
        yield "bytes after the end"
    yield from pixel_flaws(file)


def png_flaws(file: bytes) -> Iterator[str]:
    at, kind = 8, b""
    while kind != b"IEND":
        length, kind = int.from_bytes(file[at : at + 4]), file[at + 4 : at + 8]
        if kind not in PNG_CHUNKS:
            yield f"chunk {kind!r} remains"
        at += 12 + length
    if at != len(file):
        yield "bytes after the end"
    yield from pixel_flaws(file)


def pixel_flaws(file: bytes) -> Iterator[str]:
    """Compare the brightness of the four quadrants, which palettes, grey and dithering preserve."""
    with Image.open(BytesIO(file)) as image:
        if image.getexif() or getattr(image, "n_frames", 1) != 1:
            yield "EXIF or further frames remain"
        if image.size != images.SIZE:
            return
        for x, y in images.QUADRANTS:
            box = (x - 12, y - 8, x + 12, y + 8)
            if abs(brightness(image, box) - brightness(images.picture(), box)) > 12:
                yield f"the picture differs at {x}, {y}"


def brightness(image: Image.Image, box: tuple[int, int, int, int]) -> float:
    if image.mode == "I;16":
        image = image.point(lambda value: value / 257).convert("L")
    return ImageStat.Stat(image.crop(box).convert("RGB").convert("L")).mean[0]


def pdf_flaws(file: bytes) -> Iterator[str]:
    if not file.startswith(b"%PDF-") or not file.endswith(b"%%EOF\n") or file.count(b"%%EOF") != 1:
        yield "bytes before the header or after the end"
    with Pdf.open(BytesIO(file)) as document:
        if pdfs.TEXT not in document.pages[0].Contents.read_bytes():
            yield "the text of the page is lost"
        if document.get_warnings():
            yield "damage"
        if {"/OpenAction", "/AA", "/Metadata"} & document.Root.keys() or "/Info" in document.trailer:
            yield "actions or metadata remain"
