"""Removes metadata from the photographs of a PDF: image streams of any kind and filter chain, and inline images.

JBIG2 and CCITT images, which are black and white, are kept as they are.
"""

from collections.abc import Callable, Iterable

from pikepdf import Array, Dictionary, Name, Object, Page, Pdf, Stream, StreamDecodeLevel, Token, TokenFilter, TokenType

from arthomed.files.cleaning import DAMAGED_PDF, FileRejected
from arthomed.files.cleaning.image_metadata import strip_jpeg, strip_jpeg_2000
from arthomed.files.cleaning.pdf_streams import FLATE, JPEG, JPEG_2000, filters, inflate

_STRIP: dict[str, Callable[[bytes], bytes]] = {JPEG: strip_jpeg, JPEG_2000: strip_jpeg_2000}
_ENCODING_KEYS = {"/F", "/Filter", "/DP", "/DecodeParms", "/L", "/Length"}


def strip_photographs(pdf: Pdf, contents: Iterable[Object]) -> None:
    """Strip all image streams, and the inline images of the content streams `contents`.

    Raises:
        FileRejected: a photograph is damaged.
    """
    for stream in contents:
        _strip_inline_images(pdf, stream)
    for obj in pdf.objects:
        if isinstance(obj, Stream):
            _strip_image(obj)


def _strip_image(stream: Object) -> bool:
    """Replace a photograph by one that has no other filter; returns whether the stream is a photograph."""
    names = filters(stream)
    if not names or names[-1] not in _STRIP:
        return False
    parameters = _parameters(stream, len(names))
    encoded = _encoded_image(stream, names, parameters)
    stream.write(_STRIP[names[-1]](encoded), filter=Name(names[-1]), decode_parms=parameters[-1])
    return True


def _encoded_image(stream: Object, names: list[str], parameters: list[Dictionary | None]) -> bytes:
    """The data of an image in its format, without the filter before."""
    if len(names) == 1:
        return stream.read_raw_bytes()
    has_predictor = parameters[0] is not None and parameters[0].get("/Predictor", 1) != 1
    if names[0] == FLATE and not has_predictor:  # with less memory than qpdf needs
        return b"".join(inflate(stream.read_raw_bytes()))
    stream.write(stream.read_raw_bytes(), filter=Name(names[0]), decode_parms=parameters[0])
    return stream.read_bytes(StreamDecodeLevel.specialized)


def _parameters(stream: Object, count: int) -> list[Dictionary | None]:
    """The parameters of each filter.

    Raises:
        FileRejected: their number is not `count`.
    """
    found = stream.get("/DecodeParms")
    parameters = list(found) if isinstance(found, Array) else [found] * count
    if len(parameters) != count:
        raise FileRejected(DAMAGED_PDF)
    return [each if isinstance(each, Dictionary) else None for each in parameters]


def _strip_inline_images(pdf: Pdf, stream: Object) -> None:
    page, inline_images = Page(Dictionary(Type=Name.Page, Contents=stream)), _InlineImages(pdf)
    stripped = page.get_filtered_contents(inline_images)
    if inline_images.is_damaged:
        raise FileRejected(DAMAGED_PDF)
    if inline_images.has_photographs:
        stream.write(stripped)


class _InlineImages(TokenFilter):
    """Copies a content stream, and strips the photographs among its inline images (BI ... ID ... EI)."""

    def __init__(self, pdf: Pdf) -> None:
        super().__init__()
        self.has_photographs = self.is_damaged = False
        self._pdf = pdf
        self._header: list[Token] = []  # from BI to ID, while the data of the image has not come

    def handle_token(self, token: Token) -> list[Token]:  # type: ignore[override]  # its default is never used
        if token.type_ == TokenType.inline_image:
            header, self._header = self._header, []
            self.is_damaged |= not header  # its BI would be in another stream
            return self._strip(header, token)
        if self._header or (token.type_, token.raw_value) == (TokenType.word, b"BI"):
            self._header.append(token)
            self.is_damaged |= token.type_ in (TokenType.eof, TokenType.bad)
            return []
        return [token]

    def _strip(self, header: list[Token], image: Token) -> list[Token]:
        entries = b"".join(token.raw_value for token in header[1:]).rpartition(b"ID")[0]
        dictionary = Object.parse(b"<<" + entries + b">>")
        encoding = {
            "filter": dictionary.get("/F", dictionary.get("/Filter")),
            "decode_parms": dictionary.get("/DP", dictionary.get("/DecodeParms")),
        }
        stream = self._pdf.make_stream(b"")
        stream.write(image.raw_value, **encoding)  # type: ignore[arg-type]  # as read
        if not _strip_image(stream):
            return [*header, image]
        self.has_photographs = True
        return [Token(TokenType.inline_image, _inline_image(dictionary, stream))]


def _inline_image(dictionary: Object, photograph: Object) -> bytes:
    """An inline image up to its EI; the data is ASCII, so that no byte of it can look like EI."""
    for key in dictionary.keys() & _ENCODING_KEYS:
        del dictionary[key]
    encoding = Dictionary(F=Array([Name.AHx, photograph.Filter]))
    if (parameters := photograph.get("/DecodeParms")) is not None:
        encoding.DP = Array([None, parameters])
    entries = (each.unparse().removeprefix(b"<<").removesuffix(b">>") for each in (dictionary, encoding))
    return b"BI %s %s ID %s>\n" % (*entries, photograph.read_raw_bytes().hex().encode())
