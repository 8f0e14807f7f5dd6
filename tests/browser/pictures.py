"""Takes the pictures of docs/dashboard.md: `.venv/bin/python -m pytest tests/browser/pictures.py`."""

from collections.abc import Callable
from io import BytesIO

from PIL import Image
from playwright.sync_api import Page

from tests.browser import morning
from tests.browser.conftest import SCHEMES, SIZES, look_as
from tests.browser.screens import walk
from tests.stack import ROOT

FOLDER = ROOT / "docs" / "pictures"
_COLOURS = 64


def test_take(open_page: Callable[..., Page]) -> None:
    FOLDER.mkdir(exist_ok=True)
    for screen, page in walk(open_page, morning.make()):
        for size in SIZES:
            for scheme in SCHEMES:
                look_as(page, size, scheme)
                page.mouse.move(0, 0)
                page.evaluate("scrollTo(0, 0)")
                picture = Image.open(BytesIO(page.screenshot(caret="initial")))
                name = FOLDER / f"{screen.name}-{size[0]}-{scheme}.png"
                picture.convert("RGB").quantize(_COLOURS, Image.Quantize.MAXCOVERAGE, 1, dither=Image.Dither.NONE).save(
                    name, optimize=True
                )
