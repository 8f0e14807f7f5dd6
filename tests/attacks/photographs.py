"""PDFs whose photographs carry a place, payloads and hidden pictures, in each way that a PDF can hold a photograph."""

import base64
import zlib
from collections.abc import Iterator, Sequence
from io import BytesIO

from pikepdf import (
    Array,
    ContentStreamInlineImage,
    Name,
    Object,
    Pdf,
    Stream,
    StreamDecodeLevel,
    parse_content_stream,
)
from pikepdf.models.image import PdfInlineImage
from PIL import Image

from tests.unit.files import corpus_images as images
from tests.unit.files import corpus_pdfs as pdfs
from tests.unit.files.corpus_images import MARKER, segment

_IMAGE = b"/Type/XObject/Subtype/Image/Width 64/Height 48/BitsPerComponent 8/ColorSpace/Device%s%s"
_INLINE = b"q 64 0 0 48 0 0 cm BI /W 64 /H 48 /BPC 8 /CS /RGB %s ID %s\nEI Q"
_IMAGE_FORMATS = {"/DCTDecode", "/DCT", "/JPXDecode"}
_FULL_NAMES = {"/Fl": "/FlateDecode", "/AHx": "/ASCIIHexDecode"}


def jpeg(mode: str = "RGB") -> bytes:
    """A JPEG with a payload in each kind of segment, between segments, and after its end."""
    plain = images.encode(images.picture(mode), "JPEG", quality=95, exif=images.gps(), comment=MARKER)
    applications = [segment(0xE0 + number, b"%s-%d" % (MARKER, number)) for number in range(16)]
    thumbnail = segment(0xE0, b"JFXX\0\x10" + images.jpeg(comment=MARKER))
    return plain[:2] + b"".join(applications) + thumbnail + MARKER + plain[2:] + MARKER + images.jpeg(exif=images.gps())


def jpeg_2000(*, boxes: bool) -> bytes:
    """A JPEG 2000 image with comments in both kinds of header, unknown boxes, and bytes after its end."""
    plain = images.encode(images.picture(), "JPEG2000", no_jp2=not boxes, irreversible=False, comment=MARKER)
    at = plain.index(b"\xff\x4f\xff\x51")
    codestream = _with_comment_in_tile_part(plain[at:]) + MARKER
    if not boxes:
        return codestream
    place, header_at = _box(b"uuid", b"JpgTiffExif->JP2" + MARKER), plain.index(b"jp2h") - 4
    header = _box(b"jp2h", plain[header_at + 8 : at - 8] + place)
    image = _box(b"jp2c", codestream)
    return b"".join((plain[:header_at], header, place, _box(b"xml ", MARKER), image, place, image))


def _with_comment_in_tile_part(codestream: bytes) -> bytes:
    at = codestream.index(b"\xff\x90")
    comment = b"\xff\x64" + (len(MARKER) + 4).to_bytes(2) + b"\0\1" + MARKER
    length = int.from_bytes(codestream[at + 6 : at + 10]) + len(comment)
    return codestream[: at + 6] + length.to_bytes(4) + codestream[at + 10 : at + 12] + comment + codestream[at + 12 :]


def _box(kind: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4) + kind + content


def _hex(content: bytes) -> bytes:
    return content.hex().encode() + b">"


def _ascii85(content: bytes) -> bytes:
    return base64.a85encode(content) + b"~>"


def _run_length(content: bytes) -> bytes:
    pieces = [content[at : at + 128] for at in range(0, len(content), 128)]
    return b"".join(bytes([len(piece) - 1]) + piece for piece in pieces) + b"\x80"


def _lzw(content: bytes) -> bytes:
    """LZW without compression: the table is cleared before its codes need ten bits."""
    codes = [code for at in range(0, len(content), 200) for code in (256, *content[at : at + 200])]
    bits = "".join(f"{code:09b}" for code in (*codes, 257))
    return int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8))


def _image(content: bytes, filters: bytes, colours: bytes = b"RGB") -> bytes:
    """An image stream."""
    return pdfs.stream(content, _IMAGE % (colours, filters))


def _inline(content: bytes, filters: bytes, entries: bytes = b"") -> bytes:
    """A content stream with an inline image."""
    return pdfs.stream(_INLINE % (filters, content), entries)


_FLATE_DCT = b"/Filter[/FlateDecode/DCTDecode]"
_RELATED = (  # the objects 6 to 11
    _image(images.jpeg(), b"/Filter/DCTDecode/SMask 7 0 R"),
    _image(zlib.compress(jpeg("L")), _FLATE_DCT, b"Gray"),
    _image(images.jpeg(), b"/Filter/DCTDecode/Alternates[<</Image 9 0 R>>]"),
    _image(zlib.compress(jpeg()), _FLATE_DCT),
    _image(zlib.compress(jpeg()), b"/Filter 11 0 R"),
    b"[/FlateDecode/DCTDecode]",
)
STREAMS = {
    "masks, alternates and indirect filters": _RELATED,
    "filter chains": (
        _image(jpeg(), b"/Filter/DCTDecode"),
        _image(jpeg(), b"/Filter[/DCT]/DecodeParms[null]"),
        _image(zlib.compress(jpeg()), _FLATE_DCT),
        _image(zlib.compress(jpeg()), b"/Filter[/Fl/DCT]"),
        _image(_hex(jpeg()), b"/Filter[/ASCIIHexDecode/DCTDecode]"),
        _image(_ascii85(jpeg()), b"/Filter[/ASCII85Decode/DCTDecode]/DecodeParms[null<</ColorTransform 1>>]"),
        _image(_run_length(jpeg()), b"/Filter[/RunLengthDecode/DCTDecode]"),
        _image(_lzw(jpeg()), b"/Filter[/LZWDecode/DCTDecode]/DecodeParms[<</EarlyChange 0>>null]"),
        _image(zlib.compress(jpeg("CMYK")), _FLATE_DCT + b"/Decode[1 0 1 0 1 0 1 0]", b"CMYK"),
    ),
    "JPEG 2000": (
        _image(jpeg_2000(boxes=True), b"/Filter/JPXDecode"),
        _image(jpeg_2000(boxes=False), b"/Filter/JPXDecode"),
        _image(zlib.compress(jpeg_2000(boxes=True)), b"/Filter[/FlateDecode/JPXDecode]"),
    ),
    "inline images": (
        _inline(jpeg(), b"/F /DCT"),
        _inline(_hex(jpeg()), b"/F[/AHx/DCT]/DP[null<</ColorTransform 1>>]"),
        _inline(zlib.compress(jpeg()), b"/Filter[/Fl/D#43TDecode]"),
        _inline(jpeg(), b"/F /DCT", b"/Subtype/Form/BBox[0 0 99 99]"),
        _inline(jpeg(), b"/F /DCT", b"/PatternType 1/BBox[0 0 9 9]/XStep 9/YStep 9"),
        b"<</Type/Font/Subtype/Type3/CharProcs<</a 12 0 R>>>>",
        _inline(jpeg(), b"/F /DCT"),
    ),
}


def page_contents(text: bytes) -> bytes:
    """A compressed content stream of `text`, an inline photograph and `text` again."""
    content = b"%s\n%s\n%s" % (text, _INLINE % (b"/F /DCT", jpeg()), text)
    return pdfs.stream(zlib.compress(content), b"/Filter/FlateDecode")


def pdf_with(streams: Sequence[bytes], contents: bytes | None = None) -> bytes:
    """A PDF whose page refers to all these objects, which get the numbers from 6."""
    references = b" ".join(b"%d 0 R" % number for number in range(6, 6 + len(streams)))
    return pdfs.pdf(*streams, contents=contents, page=b"/XX[%s]" % references)


def payloads(file: bytes) -> list[bytes]:
    """The data of each stream and inline image; that of photographs in their format, JPEG or JPEG 2000."""
    with Pdf.open(BytesIO(file)) as pdf:
        streams = [obj for obj in pdf.objects if isinstance(obj, Stream)]
        return [_encoded(pdf, one, one.read_raw_bytes()) for one in streams] + [
            _encoded(pdf, image.obj, image.read_raw_bytes()) for image in _inline_images(streams)
        ]


def pixels(file: bytes) -> list[tuple[str, bytes]]:
    """The colour mode and the decoded pixels of each photograph."""
    found = []
    for encoded in payloads(file):
        if encoded.startswith((b"\xff\xd8", b"\xff\x4f", b"\0\0\0\x0cjP")):
            with Image.open(BytesIO(encoded)) as image:
                found.append((image.mode, image.tobytes()))
    return sorted(found)


def _inline_images(streams: Sequence[Stream]) -> Iterator[PdfInlineImage]:
    for stream in streams:
        if stream.get("/Subtype") != "/Image" and stream.get("/Type") not in ("/XRef", "/ObjStm"):
            instructions = parse_content_stream(stream, "BI ID EI")
            yield from (each.iimage for each in instructions if isinstance(each, ContentStreamInlineImage))


def _encoded(pdf: Pdf, dictionary: Object, raw: bytes) -> bytes:
    """The data without all filters but that of the image format."""
    found = dictionary.get("/Filter", Array())
    names = [str(name) for name in (found if isinstance(found, Array) else [found])]
    stream = pdf.make_stream(raw)
    stream.Filter = Array([Name(_FULL_NAMES.get(name, name)) for name in names if name not in _IMAGE_FORMATS])
    return stream.read_bytes(StreamDecodeLevel.specialized)
