"""The system's Chromium, and a web server over the database in which the tests make their clinic."""

from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import which
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import BrowserContext, Page, expect, sync_playwright
from pymongo.database import Database

from arthomed.core.permissions import Role
from arthomed.users.models import User
from tests import factories
from tests.browser.keyboard import Keyboard
from tests.browser.morning import NUMBER
from tests.browser.watch import Watch
from tests.stack import Stack

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDE, NARROW, WIDEST = (1280, 800), (360, 780), (2560, 1440)
expect.set_options(timeout=15_000)  # for a machine that is busy; what must be fast has a limit of its own
SIZES, SCHEMES = (WIDE, NARROW), ("light", "dark")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    found = which("chromium")
    if found is None:
        pytest.skip("no Chromium: install the package chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def server(app: Flask, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """gunicorn as in production, with the database and the secrets of this process."""
    del app  # it migrates the database
    folder: Path = tmp_path_factory.mktemp("browser")
    mongodb_uri, redis_url = environment["MONGODB_URI"], environment["REDIS_URL"]
    with Stack(folder, mongodb_uri=mongodb_uri, redis_url=redis_url, parts=("web",)) as running:
        yield running


Open = Callable[..., Page]


@pytest.fixture
def open_page(
    app: Flask, chromium: Chromium, server: Stack, database: Database[dict[str, Any]]
) -> Iterator[Callable[..., Page]]:
    """Open a page in a browser of its own, signed in as a user or not; what is wrong in one fails the test."""
    del database  # it is empty now
    contexts: list[tuple[BrowserContext, Watch]] = []

    def open_as(
        user: User | None = None,
        path: str = "/dashboard",
        *,
        size: tuple[int, int] = WIDE,
        scheme: Any = "light",
        language: str = "en",
        expects_errors: bool = False,
        has_mouse: bool = True,
    ) -> Page:
        context = chromium.new_context(
            base_url=server.url, viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, locale="en-IN"
        )
        watch = Watch(context, expects_errors=expects_errors, has_mouse=has_mouse)
        contexts.append((context, watch))
        cookies = {"arthomed_language": language}
        if user is not None:
            cookies["arthomed"] = factories.Browser(app, user).token
        context.add_cookies([{"name": name, "value": one, "url": server.url} for name, one in cookies.items()])
        page = context.new_page()
        page.goto(path)
        return page

    yield open_as
    problems = [problem for _, watch in contexts for problem in watch.problems]
    for context, _ in contexts:
        context.close()
    assert problems == []


@pytest.fixture
def open_keyboard(open_page: Open) -> Callable[..., Keyboard]:
    """Open a page for somebody who has no mouse."""
    return lambda *arguments, **look: Keyboard(open_page(*arguments, **look, has_mouse=False))


def look_as(page: Page, size: tuple[int, int], scheme: Any = "light") -> None:
    """Show a page that is open in another size and theme."""
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.emulate_media(color_scheme=scheme)


def set_hidden(page: Page, *, is_hidden: bool) -> None:
    """Cover a page with another window, or show it again."""
    page.evaluate(
        """(hidden) => {
            Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        is_hidden,
    )


@pytest.fixture
def receptionist(database: Database[dict[str, Any]]) -> User:
    del database  # it is empty now
    return factories.make_user(Role.RECEPTIONIST, name="Joseph Mathew")


@pytest.fixture
def doctor(receptionist: User) -> User:
    del receptionist  # the database is empty before it
    return factories.make_doctor(factories.every_day("00:00", "24:00"), name="Dr Meera Iyer", fee=300)


@pytest.fixture
def patient(doctor: User) -> User:
    del doctor
    return factories.make_user(name="Asha Verma", mobile_number=NUMBER)
