"""Odd and hostile files, each with the expected result; their content is generated lazily."""

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from arthomed.files.cleaning import FileType
from tests.unit.files import corpus_images as images
from tests.unit.files import corpus_pdfs as pdfs
from tests.unit.files.corpus_images import MARKER
from tests.unit.files.corpus_pdf_cases import (
    ACCEPTED_PDFS,
    HTML,
    OVER_THE_LIMIT,
    REFUSED_PDFS,
    TOO_MANY_PIXELS,
    archive,
)

WRONG_TYPE = "not a JPEG, PNG or PDF"
DAMAGED_IMAGE = "image is damaged"


@dataclass(frozen=True)
class CorpusFile:
    """`expected` is the type if the file is accepted, or a pattern of the rejection message."""

    name: str
    expected: FileType | str
    make: Callable[[], bytes]

    @property
    def is_accepted(self) -> bool:
        return isinstance(self.expected, FileType)


def _image(image_format: str) -> Callable[[], bytes]:
    return lambda: images.encode(images.picture(), image_format)


def _constant(content: bytes) -> Callable[[], bytes]:
    return lambda: content


_JPEGS: dict[str, Callable[[], bytes]] = {
    "plain": images.jpeg,
    "exif_with_location": lambda: images.jpeg(exif=images.gps()),
    **{f"orientation_{turn}": partial(images.turned, turn) for turn in range(2, 9)},
    "exif_broken": lambda: images.jpeg_with(images.segment(0xE1, b"Exif\0\0MM\0*\xff\xff\xff\xff" + MARKER)),
    "exif_orientation_of_letters": lambda: images.jpeg_with(images.segment(0xE1, images.ODD_EXIF)),
    "exif_thumbnail_with_scan": lambda: images.jpeg_with(images.segment(0xE1, b"Exif\0\0" + images.jpeg()[:900])),
    "comment_of_php": lambda: images.jpeg(comment=b"<?php system('" + MARKER + b"'); ?>"),
    "colour_profile": lambda: images.jpeg(icc_profile=MARKER * 9000),
    "xmp": lambda: images.jpeg(xmp=b"<x:xmpmeta>" + MARKER + b"</x:xmpmeta>"),
    "unknown_segments": lambda: images.jpeg_with(*[images.segment(0xEB, MARKER * 100)] * 50),
    "zip_after": lambda: images.jpeg() + archive(),
    "html_after": lambda: images.jpeg() + HTML,
    "script_around": lambda: images.jpeg_with(images.segment(0xFE, b"*/=1;alert('" + MARKER + b"')/*")),
    "pdf_inside": lambda: images.jpeg_with(images.segment(0xFE, pdfs.with_action(pdfs.script()))),
    "progressive": lambda: images.jpeg(progressive=True),
    "progressive_with_fifty_scans": lambda: images.with_many_scans(50),
    "several_pictures": images.several_pictures,
    "grey": lambda: images.encode(images.picture("L"), "JPEG"),
    "cmyk": lambda: images.encode(images.picture("CMYK"), "JPEG", quality=95),
    "one_pixel": lambda: images.flat_jpeg(1, 1),
    "one_pixel_high": lambda: images.flat_jpeg(20_000, 1),
    "claims_to_be_bigger": lambda: images.with_frame_size(images.jpeg(), 9000, 9000),
    "without_end": images.without_end,
    "without_half_of_its_end": lambda: images.without_end(1),
    "zeros_instead_of_its_end": lambda: images.without_end(2, bytes(5000)),
    "progressive_without_end": lambda: images.without_end(2, progressive=True),
    "restarting_without_end": lambda: images.without_end(2, restart_marker_blocks=1),
    "xmp_of_megabytes": lambda: images.jpeg_with(*[images.segment(0xE1, MARKER * 5000)] * 20),
    "profile_of_a_camera": lambda: images.jpeg(icc_profile=images.profile("Display P3")),
    "of_fifty_megapixels": lambda: images.flat_jpeg(8160, 6120),
}
_PNGS: dict[str, Callable[[], bytes]] = {
    "plain": images.png,
    "alpha": lambda: images.png(mode="RGBA"),
    "grey_alpha": lambda: images.png(mode="LA"),
    "palette": lambda: images.png(mode="P"),
    "palette_turned": lambda: images.turned(6, "P", "PNG"),
    "palette_transparent": images.transparent_palette,
    "one_bit": lambda: images.png(mode="1"),
    "sixteen_bit_grey": lambda: images.png(mode="I;16"),
    "sixteen_bit_colour": images.sixteen_bits,
    "interlaced": images.interlaced,
    "animated": images.animated,
    "texts": images.with_texts,
    "xmp_of_megabytes": lambda: images.png_with(images.chunk(b"iTXt", images.xmp(1_200_000))),
    "xmp_after_the_pixels": lambda: (
        images.png()[:-12] + images.chunk(b"iTXt", images.xmp(1_200_000)) + images.chunk(b"IEND")
    ),
    "text_bombs": images.text_bombs,
    "exif_with_location": lambda: images.png(exif=images.gps()),
    "colour_profile": lambda: images.png(icc_profile=MARKER * 100),
    "of_too_few_rows": lambda: images.raw_png(60, 50, zlib.compress(bytes(181 * 20))),
    "without_end": lambda: images.png()[:-12],
    "zip_after": lambda: images.png() + archive(),
    "chunk_after_the_end": lambda: images.png() + images.chunk(b"tEXt", b"a\0" + MARKER),
    "data_after_the_pixels": lambda: images.png()[:-12] + images.chunk(b"IDAT", MARKER) + images.chunk(b"IEND"),
}
_REFUSED: dict[str, tuple[str, Callable[[], bytes]]] = {
    "nothing": ("is empty", _constant(b"")),
    "one_byte": (WRONG_TYPE, _constant(b"\xff")),
    "zero_bytes": (WRONG_TYPE, _constant(bytes(4096))),
    "text": (WRONG_TYPE, _constant(b"Paracetamol 500 mg")),
    "text_in_utf16": (WRONG_TYPE, _constant("%PDF-1.7 Paracetamol".encode("utf-16"))),
    "eicar_like": (WRONG_TYPE, _constant(b"X5O!P%@AP-" + MARKER)),
    "html": (WRONG_TYPE, _constant(HTML)),
    "svg": (WRONG_TYPE, _constant(b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")),
    "xml": (WRONG_TYPE, _constant(b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>")),
    "javascript": (WRONG_TYPE, _constant(b"alert(1)")),
    "php": (WRONG_TYPE, _constant(b"<?php system($_GET[0]); ?>")),
    "shell_script": (WRONG_TYPE, _constant(b"#!/bin/sh\nid\n")),
    "windows_program": (WRONG_TYPE, _constant(b"MZ\x90\0" + bytes(2000))),
    "linux_program": (WRONG_TYPE, _constant(b"\x7fELF\2\1\1" + bytes(2000))),
    "zip": (WRONG_TYPE, archive),
    "gzip": (WRONG_TYPE, lambda: gzip.compress(MARKER, mtime=0)),
    "office_97": (WRONG_TYPE, _constant(bytes.fromhex("d0cf11e0a1b11ae1") + bytes(2000))),
    "rich_text": (WRONG_TYPE, _constant(rb"{\rtf1\object\objdata}")),
    "postscript": (WRONG_TYPE, _constant(b"%!PS-Adobe-3.0 EPSF-3.0\n(%pipe%id)(w)file")),
    "dicom": (WRONG_TYPE, _constant(bytes(128) + b"DICM" + bytes(500))),
    "heic": (WRONG_TYPE, _constant(b"\0\0\0\x18ftypheic" + bytes(500))),
    "mp4": (WRONG_TYPE, _constant(b"\0\0\0\x18ftypisom" + bytes(500))),
    "gif": (WRONG_TYPE, _image("GIF")),
    "gif_that_is_javascript": (WRONG_TYPE, _constant(b"GIF89a=1;alert(1);/*" + bytes(500))),
    "bmp": (WRONG_TYPE, _image("BMP")),
    "tiff": (WRONG_TYPE, _image("TIFF")),
    "webp": (WRONG_TYPE, _image("WEBP")),
    "ico": (WRONG_TYPE, _image("ICO")),
    "jpeg_2000": (WRONG_TYPE, _constant(b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(500))),
    "byte_before_jpeg": (WRONG_TYPE, lambda: b"\n" + images.jpeg()),
    "byte_before_png": (WRONG_TYPE, lambda: b"\n" + images.png()),
    "pdf_header_too_late": (WRONG_TYPE, lambda: pdfs.pdf(header=bytes(2000))),
    "jpeg_magic_only": (DAMAGED_IMAGE, _constant(b"\xff\xd8\xff")),
    "jpeg_magic_and_html": (DAMAGED_IMAGE, _constant(b"\xff\xd8\xff\xe0" + HTML)),
    "jpeg_magic_and_pdf": (DAMAGED_IMAGE, lambda: b"\xff\xd8\xff" + pdfs.pdf()),
    "jpeg_cut_in_header": (DAMAGED_IMAGE, lambda: images.jpeg()[:100]),
    "jpeg_cut_in_half": (DAMAGED_IMAGE, lambda: images.jpeg()[: len(images.jpeg()) // 2 + 200]),
    "jpeg_of_no_height": (DAMAGED_IMAGE, lambda: images.with_frame_size(images.jpeg(), 64, 0)),
    "jpeg_claims_65500_square": (TOO_MANY_PIXELS, lambda: images.with_frame_size(images.jpeg(), 65500, 65500)),
    "jpeg_cut_shortly_before_its_end": (DAMAGED_IMAGE, lambda: images.without_end(12)),
    "jpeg_cut_and_filled_with_zeros": (DAMAGED_IMAGE, lambda: images.without_end(200, bytes(5000))),
    "jpeg_progressive_cut_in_its_last_scan": (
        DAMAGED_IMAGE,
        lambda: images.detailed_jpeg(progressive=True)[:-12],
    ),
    "jpeg_cut_before_a_restart": (
        DAMAGED_IMAGE,
        lambda: (file := images.jpeg(restart_marker_blocks=1))[: file.rindex(b"\xff\xd2")],
    ),
    "jpeg_with_a_thousand_scans": ("too many passes", lambda: images.with_many_scans(1000)),
    "jpeg_scans_after_a_false_end": (OVER_THE_LIMIT, images.scans_after_a_false_end),
    "jpeg_progressive_too_large": (
        "at most 8 megapixels.*baseline",
        lambda: images.flat_jpeg(4032, 3024, "RGB", progressive=True, subsampling="4:4:4"),
    ),
    "jpeg_progressive_bomb": ("baseline", lambda: images.flat_jpeg(6000, 6000, progressive=True)),
    "png_magic_only": (DAMAGED_IMAGE, lambda: images.png()[:8]),
    "png_magic_and_zip": (DAMAGED_IMAGE, lambda: images.png()[:8] + archive()),
    "png_cut_in_half": (DAMAGED_IMAGE, lambda: images.png()[: len(images.png()) // 2]),
    "png_with_wrong_checksum": (DAMAGED_IMAGE, lambda: images.png()[:29] + b"\0\0\0\0" + images.png()[33:]),
    "png_of_garbage_pixels": (DAMAGED_IMAGE, lambda: images.raw_png(64, 48, b"\x78\xda" + MARKER * 50)),
    "png_of_no_width": (DAMAGED_IMAGE, lambda: images.raw_png(0, 48, zlib.compress(b""))),
    "png_without_its_palette": (DAMAGED_IMAGE, lambda: images.raw_png(2, 1, zlib.compress(bytes(3)), colour=3)),
    "png_bomb": (TOO_MANY_PIXELS, lambda: images.raw_png(20_000, 20_000, images.zeros(50), colour=0)),
    "png_over_the_memory_limit": (TOO_MANY_PIXELS, lambda: images.raw_png(4000, 4000, images.zeros(49))),
    "png_claims_two_billion": (TOO_MANY_PIXELS, lambda: images.raw_png(2**31 - 1, 2**31 - 1, zlib.compress(b""))),
    "png_one_line_of_millions": (TOO_MANY_PIXELS, lambda: images.raw_png(10_000_000, 1, images.zeros(31))),
    "png_profile_bomb": (DAMAGED_IMAGE, lambda: images.png_with(images.chunk(b"iCCP", b"a\0\0" + images.zeros(300)))),
}  # fmt: skip
CORPUS = [
    *(CorpusFile(f"jpeg_{name}", FileType.JPEG, make) for name, make in _JPEGS.items()),
    *(CorpusFile(f"png_{name}", FileType.PNG, make) for name, make in _PNGS.items()),
    *(CorpusFile(f"pdf_{name}", FileType.PDF, make) for name, make in ACCEPTED_PDFS.items()),
    *(CorpusFile(name, expected, make) for name, (expected, make) in (_REFUSED | REFUSED_PDFS).items()),
]
