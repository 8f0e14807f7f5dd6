"""Cleaning PDFs keeps their images, and rejects images that a reader would have to repair."""

import random
import zlib
from collections.abc import Callable
from io import BytesIO

import pytest
from pikepdf import Pdf, Stream
from PIL import Image

from arthomed.files.cleaner import CleanedFile, InvalidFile
from tests.unit.files import corpus_images as images
from tests.unit.files import corpus_pdfs as pdfs
from tests.unit.files.corpus_images import MARKER

MAX_UPLOAD = 10 * 1024 * 1024
_CODESTREAM = images.encode(images.picture(), "JPEG2000", no_jp2=True)
_TILE_PART = _CODESTREAM.index(b"\xff\x90")
_BOXES = b"\0\0\0\x0cjP  \r\n\x87\n"


def test_photograph_in_a_pdf_keeps_its_pixels(clean: Callable[[bytes], CleanedFile]) -> None:
    for options in ({}, {"progressive": True}, {"restart_marker_blocks": 1}, {"exif": images.gps()}):
        photograph = images.jpeg(**options)
        file = pdfs.with_stream(photograph, b"/Subtype/Image/Width 64/Height 48/Filter/DCTDecode")
        with Pdf.open(clean(file).path) as cleaned, Image.open(BytesIO(photograph)) as before:
            [stored] = [one for one in cleaned.objects if isinstance(one, Stream) and one.get("/Width") == 64]
            with Image.open(BytesIO(stored.read_raw_bytes())) as after:
                assert after.tobytes() == before.tobytes()
                assert not after.getexif()


@pytest.mark.parametrize(
    "parameters", [pytest.param(b"", marks=pytest.mark.long), b"/DecodeParms[<</Predictor 1>>null]"]
)
def test_a_compressed_photograph_as_large_as_an_upload_is_accepted(
    clean: Callable[[bytes], CleanedFile], parameters: bytes
) -> None:
    photograph = large_jpeg(MAX_UPLOAD)
    entries = b"/Subtype/Image/Width 2000/Height 1500/Filter[/FlateDecode/DCTDecode]" + parameters
    file = pdfs.with_stream(zlib.compress(photograph, 1), entries)
    assert MAX_UPLOAD * 0.97 < len(file) < MAX_UPLOAD

    with Pdf.open(clean(file).path) as cleaned:
        [stored] = [one for one in cleaned.objects if isinstance(one, Stream) and one.get("/Width") == 2000]
        assert stored.read_raw_bytes() == photograph


def large_jpeg(size: int) -> bytes:
    """A JPEG of this size; its coded data, which the cleaning does not decode, is random, with 230 different bytes."""
    start, end = images.jpeg()[:-2], b"\xff\xd9"
    coded = random.Random(1).randbytes(size - len(start) - 2)
    return start + coded.translate(bytes(byte % 230 for byte in range(256))) + end


@pytest.mark.parametrize("name", ["/AA", "/Thumb", "/Ref", "/JS", "/Metadata"])
def test_image_in_a_pdf_may_have_any_name(name: str, clean: Callable[[bytes], CleanedFile]) -> None:
    picture = pdfs.stream(images.jpeg(), b"/Subtype/Image/Width 64/Height 48/Filter/DCTDecode")
    with Pdf.open(clean(pdfs.pdf(picture, page=b"/XX<</XObject<<%s 6 0 R>>>>" % name.encode())).path) as cleaned:
        assert cleaned.pages[0].obj["/XX"].XObject[name].read_raw_bytes()[:2] == b"\xff\xd8"


def test_image_name_in_an_indirect_dictionary_is_kept(clean: Callable[[bytes], CleanedFile]) -> None:
    picture = pdfs.stream(images.jpeg(), b"/Subtype/Image/Width 64/Height 48/Filter/DCTDecode")
    with Pdf.open(clean(pdfs.pdf(picture, b"<</AA 6 0 R>>", page=b"/XX<</XObject 7 0 R>>")).path) as cleaned:
        assert "/AA" in cleaned.pages[0].obj["/XX"].XObject


@pytest.mark.parametrize(
    "stream",
    [
        pdfs.stream(MARKER, b"/Filter/DCTDecode"),
        pdfs.stream(MARKER, b"/Filter[/FlateDecode/DCTDecode]"),
        pdfs.stream(zlib.compress(images.jpeg()), b"/Filter[/DCTDecode/FlateDecode]"),
        pdfs.stream(images.jpeg(), b"/Filter[/Crypt/DCTDecode]"),
        pdfs.stream(zlib.compress(images.jpeg()), b"/Filter[/FlateDecode/DCTDecode]/DecodeParms[null]"),
        pdfs.stream(MARKER, b"/Filter/JPXDecode"),
        pdfs.stream(_BOXES + b"\0\0\0\4jp2c" + _CODESTREAM, b"/Filter/JPXDecode"),
        pdfs.stream(_CODESTREAM[:2] + b"\xff\x30" + _CODESTREAM[2:], b"/Filter/JPXDecode"),
        pdfs.stream(_CODESTREAM[: _TILE_PART + 6] + b"\0\0\0\1" + _CODESTREAM[_TILE_PART + 10 :], b"/Filter/JPXDecode"),
        pdfs.stream(b"BI /W 64 /H 48 /F /DCT ID " + images.jpeg()),
        pdfs.stream(b"BI /W 64 /H 48 /F /DCT ID " + MARKER + b"\nEI"),
        pdfs.stream(b"BI /W 64 /H 48 /F /DCT"),
        pdfs.stream(b"/DCT ID " + images.jpeg() + b"\nEI"),
    ],
    ids=[
        "no JPEG",
        "broken compression",
        "compressed after the JPEG",
        "unknown filter",
        "too few parameters",
        "no JPEG 2000",
        "box shorter than its header",
        "unknown marker",
        "tile-part shorter than its header",
        "inline without end",
        "inline without JPEG",
        "inline without data",
        "inline without start",
    ],
)
def test_pdf_with_a_damaged_photograph_is_rejected(stream: bytes, clean: Callable[[bytes], CleanedFile]) -> None:
    with pytest.raises(InvalidFile) as rejection:
        clean(pdfs.pdf(stream, page=b"/XX 6 0 R"))
    assert "PDF is damaged" in rejection.value.details


def test_jpeg_2000_of_unknown_tile_part_length_keeps_its_pixels(clean: Callable[[bytes], CleanedFile]) -> None:
    photograph = _CODESTREAM[: _TILE_PART + 6] + bytes(4) + _CODESTREAM[_TILE_PART + 10 :] + MARKER
    with Pdf.open(clean(pdfs.with_stream(photograph, b"/Width 64/Height 48/Filter/JPXDecode")).path) as cleaned:
        [stored] = [one.read_raw_bytes() for one in cleaned.objects if isinstance(one, Stream) and "/Width" in one]
    with Image.open(BytesIO(stored)) as after, Image.open(BytesIO(_CODESTREAM)) as before:
        assert after.tobytes() == before.tobytes()
    assert MARKER not in stored


@pytest.mark.parametrize(
    "content",
    [
        b"BI /W 1 /H 1 /BPC 8 /CS /G ID x EI /DCT Do",
        b"/D#43T Do BI /W 1 /H 1 /BPC 8 /CS /G /F /AHx ID 78> EI",
    ],
)
def test_content_without_inline_photographs_is_unchanged(content: bytes, clean: Callable[[bytes], CleanedFile]) -> None:
    with Pdf.open(clean(pdfs.pdf(contents=pdfs.stream(content))).path) as cleaned:
        assert cleaned.pages[0].Contents.read_bytes() == content


def test_run_length_encoded_text_is_accepted(clean: Callable[[bytes], CleanedFile]) -> None:
    file = pdfs.pdf(contents=pdfs.stream(b"\x02q Q\x80", b"/Filter/RunLengthDecode"))
    with Pdf.open(clean(file).path) as cleaned:
        assert cleaned.pages[0].Contents.read_raw_bytes() == b"\x02q Q\x80"


@pytest.mark.parametrize("uri", [b"upi://pay?pa=lab@bank", b"whatsapp://send", b"file:///C:/report"])
def test_link_to_an_application_is_dropped_but_its_text_is_kept(
    uri: bytes, clean: Callable[[bytes], CleanedFile]
) -> None:
    with Pdf.open(clean(pdfs.with_action(b"<</S/URI/URI(%s)>>" % uri)).path) as cleaned:
        assert pdfs.TEXT in cleaned.pages[0].Contents.read_bytes()
        assert "/A" not in cleaned.pages[0].Annots[0]


def test_tag_keeps_the_name_that_its_producer_chose(clean: Callable[[bytes], CleanedFile]) -> None:
    with Pdf.open(clean(pdfs.tagged(b"Thread")).path) as cleaned:
        assert cleaned.Root.StructTreeRoot.K.S == "/Thread"
        assert cleaned.Root.StructTreeRoot.RoleMap["/Thread"] == "/Sect"


def test_pdf_with_permissions_is_stored_without_encryption(clean: Callable[[bytes], CleanedFile]) -> None:
    with Pdf.open(clean(pdfs.encrypted(user="")).path) as cleaned:
        assert not cleaned.is_encrypted
