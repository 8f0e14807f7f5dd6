"""Cleaning PDFs keeps their images."""

from collections.abc import Callable
from io import BytesIO

import pytest
from pikepdf import Pdf, Stream
from PIL import Image

from arthomed.files.cleaner import CleanedFile
from tests.unit.files import corpus_images as images
from tests.unit.files import corpus_pdfs as pdfs


def test_photograph_in_a_pdf_keeps_its_pixels(clean: Callable[[bytes], CleanedFile]) -> None:
    for options in ({}, {"progressive": True}, {"restart_marker_blocks": 1}, {"exif": images.gps()}):
        photograph = images.jpeg(**options)
        file = pdfs.with_stream(photograph, b"/Subtype/Image/Width 64/Height 48/Filter/DCTDecode")
        with Pdf.open(clean(file).path) as cleaned, Image.open(BytesIO(photograph)) as before:
            [stored] = [one for one in cleaned.objects if isinstance(one, Stream) and one.get("/Width") == 64]
            with Image.open(BytesIO(stored.read_raw_bytes())) as after:
                assert after.tobytes() == before.tobytes()
                assert not after.getexif()


@pytest.mark.parametrize("name", ["/AA", "/Thumb", "/Ref", "/JS", "/Metadata"])
def test_image_in_a_pdf_may_have_any_name(name: str, clean: Callable[[bytes], CleanedFile]) -> None:
    picture = pdfs.stream(images.jpeg(), b"/Subtype/Image/Width 64/Height 48/Filter/DCTDecode")
    with Pdf.open(clean(pdfs.pdf(picture, page=b"/XX<</XObject<<%s 6 0 R>>>>" % name.encode())).path) as cleaned:
        assert cleaned.pages[0].obj["/XX"].XObject[name].read_raw_bytes()[:2] == b"\xff\xd8"


def test_image_name_in_an_indirect_dictionary_is_kept(clean: Callable[[bytes], CleanedFile]) -> None:
    picture = pdfs.stream(images.jpeg(), b"/Subtype/Image/Width 64/Height 48/Filter/DCTDecode")
    with Pdf.open(clean(pdfs.pdf(picture, b"<</AA 6 0 R>>", page=b"/XX<</XObject 7 0 R>>")).path) as cleaned:
        assert "/AA" in cleaned.pages[0].obj["/XX"].XObject
