import hashlib
import re
import signal
import stat
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from pathlib import Path

import pytest
from pikepdf import Pdf, Stream, StreamDecodeLevel
from PIL import Image, ImageStat

from arthomed.core.errors import Code, ServiceUnavailable
from arthomed.files import content
from arthomed.files.cleaning.verdict import Kind
from arthomed.files.content import CleaningFailed, Content, InvalidFile, take_in
from tests.stack import wait_for
from tests.unit.files import corpus_images as images
from tests.unit.files import corpus_pdfs as pdfs
from tests.unit.files.corpus import CORPUS, Specimen

JPEG_MARKERS = {0xD8, 0xE0, 0xDB, 0xC0, 0xC4, 0xDA, 0xD9}
PNG_CHUNKS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "staging").mkdir()
    return tmp_path / "staging"


@pytest.fixture
def taken(tmp_path: Path, folder: Path) -> Callable[[bytes], Content]:
    def take(file: bytes) -> Content:
        source = tmp_path / "upload"
        source.write_bytes(file)
        return take_in(source, folder, until=time.monotonic() + content.SECONDS)

    return take


def named(specimens: list[Specimen]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("specimen", specimens, ids=[specimen.name for specimen in specimens])


@named([specimen for specimen in CORPUS if specimen.is_accepted])
def test_a_readable_file_is_kept_as_nothing_but_what_it_shows(
    specimen: Specimen, taken: Callable[[bytes], Content]
) -> None:
    kept = taken(specimen.make())
    assert (kept.mime_type, list(flaws(kept))) == (specimen.verdict, [])


@named([specimen for specimen in CORPUS if not specimen.is_accepted])
def test_another_file_is_refused_and_leaves_nothing(
    specimen: Specimen, taken: Callable[[bytes], Content], folder: Path
) -> None:
    with pytest.raises(InvalidFile) as refusal:
        taken(specimen.make())
    assert re.search(str(specimen.verdict), str(refusal.value))
    assert list(folder.iterdir()) == []


def flaws(kept: Content) -> Iterator[str]:
    """What else than the picture or the pages is in a kept file."""
    file = kept.path.read_bytes()
    if images.MARKER in file or images.MARKER in unpacked(kept):
        yield "the payload is still there"
    if zipfile.is_zipfile(kept.path):
        yield "it opens as an archive"
    yield from {Kind.JPEG: jpeg_flaws, Kind.PNG: png_flaws, Kind.PDF: pdf_flaws}[Kind(kept.mime_type)](file)
    if kept.thumbnail:
        yield from jpeg_flaws(kept.thumbnail.read_bytes())


def unpacked(kept: Content) -> bytes:
    if kept.mime_type != Kind.PDF:
        return b""
    return pdfs.rewritten(kept.path.read_bytes(), stream_decode_level=StreamDecodeLevel.all, qdf=True)


def jpeg_flaws(file: bytes) -> Iterator[str]:
    at, marker = 2, 0xD8
    while marker != 0xDA:
        marker, length = file[at + 1], int.from_bytes(file[at + 2 : at + 4])
        if file[at] != 0xFF or marker not in JPEG_MARKERS:
            yield f"a segment {marker:x}"
        at += 2 + length
    if file.find(b"\xff\xd9", at) != len(file) - 2:
        yield "bytes behind the end"
    yield from picture_flaws(file)


def png_flaws(file: bytes) -> Iterator[str]:
    at, kind = 8, b""
    while kind != b"IEND":
        length, kind = int.from_bytes(file[at : at + 4]), file[at + 4 : at + 8]
        if kind not in PNG_CHUNKS:
            yield f"a chunk {kind!r}"
        at += 12 + length
    if at != len(file):
        yield "bytes behind the end"
    yield from picture_flaws(file)


def picture_flaws(file: bytes) -> Iterator[str]:
    """By the brightness of the four quarters, which survives palettes, grey and dithering."""
    with Image.open(BytesIO(file)) as image:
        if image.getexif() or getattr(image, "n_frames", 1) != 1:
            yield "EXIF or frames"
        if image.size != images.SIZE:
            return
        for x, y in images.QUADRANTS:
            quarter = (x - 12, y - 8, x + 12, y + 8)
            if abs(brightness(image, quarter) - brightness(images.picture(), quarter)) > 12:
                yield f"the picture at {x}, {y}"


def brightness(image: Image.Image, box: tuple[int, int, int, int]) -> float:
    if image.mode == "I;16":
        image = image.point(lambda value: value / 257).convert("L")
    return ImageStat.Stat(image.crop(box).convert("RGB").convert("L")).mean[0]


def pdf_flaws(file: bytes) -> Iterator[str]:
    if not file.startswith(b"%PDF-") or not file.endswith(b"%%EOF\n") or file.count(b"%%EOF") != 1:
        yield "bytes before the header or behind the end"
    with Pdf.open(BytesIO(file)) as document:
        if pdfs.TEXT not in document.pages[0].Contents.read_bytes():
            yield "the text of the page is lost"
        if document.get_warnings():
            yield "damage"
        if {"/OpenAction", "/AA", "/Metadata"} & document.Root.keys() or "/Info" in document.trailer:
            yield "more than the document"


@pytest.mark.parametrize(("file", "extension"), [(images.jpeg, "jpg"), (images.png, "png"), (pdfs.pdf, "pdf")])
def test_what_is_told_of_a_file_is_true_of_the_one_that_is_kept(
    file: Callable[[], bytes], extension: str, taken: Callable[[bytes], Content]
) -> None:
    kept = taken(file())
    stored = kept.path.read_bytes()
    assert (kept.extension, kept.path.suffix) == (extension, f".{extension}")
    assert (kept.size, kept.sha256) == (len(stored), hashlib.sha256(stored).hexdigest())


def test_only_the_kept_files_are_in_the_folder_and_only_we_may_read_them(
    taken: Callable[[bytes], Content], folder: Path
) -> None:
    kept = taken(images.jpeg(exif=images.gps(6)))
    assert set(folder.iterdir()) == {kept.path, kept.thumbnail}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_the_upload_itself_is_left_as_it_was(tmp_path: Path, folder: Path) -> None:
    source = tmp_path / "upload"
    source.write_bytes(images.jpeg(comment=images.MARKER))
    take_in(source, folder, until=time.monotonic() + content.SECONDS)
    assert source.read_bytes() == images.jpeg(comment=images.MARKER)


def test_the_same_file_is_never_kept_under_the_same_name(taken: Callable[[bytes], Content]) -> None:
    assert taken(images.png()).path != taken(images.png()).path


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
def test_a_thumbnail_fits_into_320_pixels(
    file: Callable[[], bytes], size: tuple[int, int], taken: Callable[[bytes], Content]
) -> None:
    thumbnail = taken(file()).thumbnail
    assert thumbnail is not None
    with Image.open(thumbnail) as image:
        assert (image.format, image.size) == ("JPEG", size)


def test_a_pdf_has_no_thumbnail(taken: Callable[[bytes], Content]) -> None:
    assert taken(pdfs.pdf()).thumbnail is None


def test_a_transparent_thumbnail_lies_on_white(taken: Callable[[bytes], Content]) -> None:
    thumbnail = taken(images.saved(Image.new("RGBA", (9, 9), (0, 0, 0, 0)), "PNG")).thumbnail
    assert thumbnail is not None
    with Image.open(thumbnail) as image:
        assert image.getpixel((4, 4)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("width", "height", "kept_size"),
    [(4160, 3120, (4160, 3120)), (8160, 6120, (4080, 3060)), (16_320, 12_240, (4080, 3060))],
    ids=["13_megapixels", "50_megapixels", "200_megapixels"],
)
def test_a_photograph_over_the_budget_is_kept_smaller(
    width: int, height: int, kept_size: tuple[int, int], taken: Callable[[bytes], Content]
) -> None:
    small = images.saved(Image.new("RGB", (width // 8, height // 8), "red"), "JPEG")
    with Image.open(taken(images.with_frame_size(small, width, height)).path) as image:
        assert image.size == kept_size


def test_a_progressive_photograph_is_kept_smaller_while_it_can_be_read(taken: Callable[[bytes], Content]) -> None:
    file = images.flat_jpeg(4160, 3120, "RGB", progressive=True, subsampling="4:2:0")
    with Image.open(taken(file).path) as image:
        assert image.size == (2080, 1560)


@pytest.mark.parametrize("mode", ["1", "P", "RGBA", "I;16"])
def test_a_png_stays_of_its_kind(mode: str, taken: Callable[[bytes], Content]) -> None:
    with Image.open(taken(images.png(mode=mode)).path) as image:
        assert image.mode == mode


def test_a_palettes_transparency_is_kept(taken: Callable[[bytes], Content]) -> None:
    with Image.open(taken(images.transparent_palette()).path) as image:
        assert image.has_transparency_data


@pytest.mark.parametrize("file", [images.jpeg, images.in_printers_colours])
def test_colours_are_kept(file: Callable[[], bytes], taken: Callable[[bytes], Content]) -> None:
    with Image.open(taken(file()).path) as image:
        for place, colour in images.QUADRANTS.items():
            assert image.getpixel(place) == pytest.approx(colour, abs=12)


def test_many_at_once_wait_for_each_other_and_are_all_kept(tmp_path: Path, folder: Path) -> None:
    sources = [tmp_path / f"upload{number}" for number in range(5)]
    for source in sources:
        source.write_bytes(images.png())
    until = time.monotonic() + content.SECONDS
    with ThreadPoolExecutor(5) as threads:
        kept = list(threads.map(partial(take_in, folder=folder, until=until), sources))
    assert len({each.path for each in kept if each.path.exists()}) == 5


def test_a_file_that_takes_too_long_is_refused(
    taken: Callable[[bytes], Content], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "CPU_SECONDS", 1)
    with pytest.raises(InvalidFile, match="too complicated"):
        taken(images.laborious())
    assert list(folder.iterdir()) == []


def test_a_machine_that_is_too_slow_is_not_the_files_fault(
    taken: Callable[[bytes], Content], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "SECONDS", 1)
    with pytest.raises(ServiceUnavailable):
        taken(images.laborious())
    assert list(folder.iterdir()) == []


def test_a_request_whose_time_is_over_is_told_so(
    taken: Callable[[bytes], Content], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "SECONDS", 0)
    with pytest.raises(ServiceUnavailable):
        taken(images.png())


def test_whoever_waits_too_long_for_the_others_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "WAIT_SECONDS", 0)
    with content.one_at_a_time, pytest.raises(ServiceUnavailable), content.turn_of("a"):
        pass


@pytest.mark.parametrize(("senders", "next_one"), [("abcde", "f"), ("aa", "a")])
def test_files_take_neither_all_the_threads_nor_those_of_one_sender_too_many(senders: str, next_one: str) -> None:
    def take_turn(sender: str) -> bool:
        with content.turn_of(sender):
            return True

    with ThreadPoolExecutor(len(senders)) as threads:
        with content.one_at_a_time:
            turns = [threads.submit(take_turn, sender) for sender in senders]
            wait_for(lambda: content.waiting.total() == len(senders), what="a full row")
            with pytest.raises(ServiceUnavailable) as refusal, content.turn_of(next_one):
                pass
        assert all(turn.result() for turn in turns)
    assert refusal.value.retry_after is not None
    assert take_turn(next_one)


def test_a_file_that_grows_too_large_is_refused(
    taken: Callable[[bytes], Content], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "MOST_BYTES", 100)
    with pytest.raises(InvalidFile, match="too large once"):
        taken(images.png())
    assert list(folder.iterdir()) == []


def test_a_photograph_in_a_pdf_keeps_its_pixels(taken: Callable[[bytes], Content]) -> None:
    for options in ({}, {"progressive": True}, {"restart_marker_blocks": 1}, {"exif": images.gps()}):
        photograph = images.jpeg(**options)
        file = pdfs.with_stream(photograph, b"/Subtype/Image/Width 64/Height 48/Filter/DCTDecode")
        with Pdf.open(taken(file).path) as kept, Image.open(BytesIO(photograph)) as before:
            [stored] = [one for one in kept.objects if isinstance(one, Stream) and one.get("/Width") == 64]
            with Image.open(BytesIO(stored.read_raw_bytes())) as after:
                assert after.tobytes() == before.tobytes()
                assert not after.getexif()


@pytest.mark.parametrize("name", ["/AA", "/Thumb", "/Ref", "/JS", "/Metadata"])
def test_a_picture_of_a_pdf_may_have_any_name(name: str, taken: Callable[[bytes], Content]) -> None:
    picture = pdfs.stream(images.jpeg(), b"/Subtype/Image/Width 64/Height 48/Filter/DCTDecode")
    with Pdf.open(taken(pdfs.pdf(picture, page=b"/XX<</XObject<<%s 6 0 R>>>>" % name.encode())).path) as kept:
        assert kept.pages[0].obj["/XX"].XObject[name].read_raw_bytes()[:2] == b"\xff\xd8"


def test_so_it_may_where_the_names_are_an_object_of_their_own(taken: Callable[[bytes], Content]) -> None:
    picture = pdfs.stream(images.jpeg(), b"/Subtype/Image/Width 64/Height 48/Filter/DCTDecode")
    with Pdf.open(taken(pdfs.pdf(picture, b"<</AA 6 0 R>>", page=b"/XX<</XObject 7 0 R>>")).path) as kept:
        assert "/AA" in kept.pages[0].obj["/XX"].XObject


@pytest.mark.parametrize("file", [images.jpeg, images.png, pdfs.pdf])
def test_a_disk_that_fails_is_not_the_files_fault(file: Callable[[], bytes], tmp_path: Path) -> None:
    source = tmp_path / "upload"
    source.write_bytes(file())
    with pytest.raises(ServiceUnavailable):
        take_in(source, tmp_path / "missing", until=time.monotonic() + content.SECONDS)


@pytest.mark.parametrize(
    ("exit_code", "error"),
    [
        (-signal.SIGSEGV, InvalidFile),
        (-signal.SIGABRT, InvalidFile),
        (-signal.SIGXCPU, InvalidFile),
        (-signal.SIGKILL, ServiceUnavailable),
        (-signal.SIGTERM, ServiceUnavailable),
        (1, CleaningFailed),
    ],
)
def test_a_reader_that_dies_of_the_file_refuses_it(exit_code: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        content.ensure_accepted(subprocess.CompletedProcess([], exit_code, stdout="", stderr=""))


def test_the_reader_is_told_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_SECRET", "hush")
    assert "hush" not in content.environment().values()


def test_a_refusal_has_the_code_of_the_contract() -> None:
    assert InvalidFile().code is Code.INVALID_FILE_TYPE
