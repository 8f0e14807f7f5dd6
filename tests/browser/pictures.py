"""Takes the pictures of docs/dashboard.md: `.venv/bin/python -m pytest tests/browser/pictures.py`."""

from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO

import pytest
from PIL import Image
from playwright.sync_api import Page

from arthomed.payments.rules import Method
from arthomed.payments.service import recording
from arthomed.users.models import User
from tests import factories
from tests.browser import clinic
from tests.browser.conftest import NARROW, WIDE
from tests.stack import ROOT

FOLDER = ROOT / "docs" / "pictures"
LOOKS = [(size, scheme) for size in (WIDE, NARROW) for scheme in ("light", "dark")]
SCREENS = {
    "sign-in": "/dashboard/sign-in",
    "day": "/dashboard/day",
    "day-doctors": "/dashboard/day?view=columns",
    "locked": "/dashboard/locked",
}


def _patient(year: int, gender: str) -> dict[str, object]:
    return {"date_of_birth": datetime(year, 5, 4, tzinfo=UTC), "gender": gender}


def make_day(desk: User) -> None:
    """A morning at the clinic."""
    meera, arjun, fatima = (clinic.make_doctor(name) for name in ("Dr Meera Iyer", "Dr Arjun Rao", "Dr Fatima Khan"))
    for name, year, gender, doctor, steps, minutes in (
        ("Asha Verma", 1990, "female", meera, ("confirm", "arrive", "call", "start"), -25),
        ("Ravi Kumar", 1958, "male", arjun, ("confirm", "arrive", "call"), -10),
        ("Sunita O'Neil", 1984, "female", fatima, ("confirm", "arrive", "call", "start", "done"), -28),
        ("अनिल देशपांडे", 1971, "male", meera, ("confirm", "arrive"), -5),
        ("Lakshmi Narayanan Subramanian Venkataraman", 1949, "female", arjun, ("confirm", "arrive"), 0),
        ("Imran Sheikh", 2025, "male", fatima, ("confirm", "arrive"), -8),
        ("Grace D'Souza", 2003, "female", meera, ("confirm",), 30),
        ("Deepa Nair", 1966, "female", arjun, (), 45),
        ("தமிழ்செல்வி", 1995, "female", fatima, ("confirm",), 60),
        ("Rohan Mehta", 1979, "male", fatima, ("cancel",), 90),
    ):
        made = doctor.add(name, *steps, minutes=minutes, profile=_patient(year, gender))
        if "call" in steps:
            recording.pay(factories.actor_of(desk), made.id, 500, Method.UPI, reference=None, key=None)


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_take(open_page: Callable[..., Page], receptionist: User, size: tuple[int, int], scheme: str) -> None:
    make_day(receptionist)
    FOLDER.mkdir(exist_ok=True)
    for name, path in SCREENS.items():
        page = open_page(None if name == "sign-in" else receptionist, path, size=size, scheme=scheme)
        picture = Image.open(BytesIO(page.screenshot()))
        picture.convert("RGB").quantize(128).save(FOLDER / f"{name}-{size[0]}-{scheme}.png", optimize=True)
