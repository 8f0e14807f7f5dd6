"""The day of the staff dashboard against its bars: `python -m bench.dashboard` (needs Chromium).

Sixty appointments of ten doctors; our server with production's settings, but for the cookie, which a browser keeps on
http://127.0.0.1 only under its name of development.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from shutil import which
from statistics import quantiles
from threading import Barrier
from typing import Any

import httpx
import jwt
from bson import ObjectId
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from pymongo import MongoClient
from pymongo.database import Database

from arthomed.core import clock
from bench.clinic import Row, Size, seed
from bench.day import fill
from bench.load import cpu_seconds
from bench.servers import PRODUCTION, SECRETS
from dev.servers import Mongo, Valkey
from tests.browser.conftest import ARGUMENTS
from tests.stack import Stack

_SIZE, _PER_DOCTOR = Size(doctors=10, days=1, readers=200, appointments=5, numbers=1, bookable=False), 6
_SETTINGS = {
    **PRODUCTION,
    "APP_ENV": "test",
    "RATE_LIMIT_STATIC_MAX_REQUESTS": "1000000",
    "RATE_LIMIT_POLL_MAX_REQUESTS": "1000000",
}
_REQUESTS, _WARM_UP, _POLLS, _STEPS = 200, 20, 1000, 20
_SCREENS, _SCREEN_SECONDS, _POLL_SECONDS, _OPEN_SECONDS = 30, 30, 3, 60
_DESK = {"downloadThroughput": 10e6 / 8, "uploadThroughput": 10e6 / 8, "latency": 40, "offline": False}
_PHONE = {"downloadThroughput": 1.6e6 / 8, "uploadThroughput": 0.75e6 / 8, "latency": 150, "offline": False}
_LCP = """() => new Promise((done) => new PerformanceObserver((list) => done(list.getEntries().at(-1).startTime))
    .observe({ type: "largest-contentful-paint", buffered: true }))"""


class Clinic:
    """The server, and the cookies of receptionists."""

    def __init__(self, stack: Stack, database: Database[Row], token: str) -> None:
        assert stack.web is not None  # noqa: S101  it has a web process
        self.url, self.pid, self._database = stack.url, stack.web.pid, database
        self._claims = jwt.decode(token, options={"verify_signature": False})
        day = clock.now().date() + timedelta(days=1)
        self.appointments = fill(database, clock.midnight_utc(day), _PER_DOCTOR)
        self.path = f"/dashboard/day?date={day}"

    def cookie(self) -> str:
        """Make the cookie of one more receptionist."""
        user = self._database.users.find_one({"_id": ObjectId(self._claims["sub"])}) or {}
        session = self._database.sessions.find_one({"_id": ObjectId(self._claims["sid"])}) or {}
        user, session = {**user, "_id": ObjectId()}, {**session, "_id": ObjectId()}
        user["mobileNumber"] = f"7{int(str(user['_id'])[-7:], 16):09}"
        session["user"] = user["_id"]
        self._database.users.insert_one(user)
        self._database.sessions.insert_one(session)
        claims = {
            **self._claims,
            "sub": str(user["_id"]),
            "sid": str(session["_id"]),
            "use": "dashboard",
            "csrf": "bench",
        }
        return jwt.encode(claims, SECRETS["JWT_SECRET"], algorithm="HS256")

    def client(self) -> httpx.Client:
        headers = {"HX-Request": "true", "Origin": self.url, "X-CSRF-TOKEN": "bench"}
        return httpx.Client(base_url=self.url, cookies={"arthomed": self.cookie()}, headers=headers, timeout=30)

    def change(self, number: int) -> None:
        """Change a row as a worker does, with the tag of its patient."""
        one = (
            self._database.appointments.find_one({"_id": ObjectId(self.appointments[number % len(self.appointments)])})
            or {}
        )
        self._database.appointments.update_one({"_id": one["_id"]}, {"$set": {"reason": f"Fever {number}"}})
        tag = {"_id": f"appointments:{one['patient']}"}
        self._database.cache_tags.update_one(
            tag, {"$set": {"version": os.urandom(12), "changedAt": clock.now()}}, upsert=True
        )


def main() -> None:
    with tempfile.TemporaryDirectory() as name, _running(Path(name)) as clinic:
        print(f"{'':44}{'measured':>22}   bar")
        _measure_server(clinic)
        _measure_polling(clinic)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=which("chromium"), args=ARGUMENTS)
            _measure_weight(browser, clinic)
            _measure_paint(browser, clinic, "LCP, desk (10 Mbit/s, 40 ms, CPU 2x)", _DESK, 2, "<= 1.0 s")
            _measure_paint(browser, clinic, "LCP, phone (1.6 Mbit/s, 150 ms, CPU 4x)", _PHONE, 4, "<= 2.0 s")
            _measure_freshness(browser, clinic)
            browser.close()
    print(f"load average: {os.getloadavg()[0]:.1f}")


@contextmanager
def _running(folder: Path) -> Iterator[Clinic]:
    with Mongo(folder / "mongo", folder) as mongo, Valkey(folder / "valkey", folder) as valkey:
        uri = mongo.uri("bench")
        with (
            MongoClient[Row](uri) as client,
            Stack(folder, mongodb_uri=uri, redis_url=valkey.url, parts=("web",), env=_SETTINGS) as stack,
        ):
            seeded = seed(client.bench, _SIZE, SECRETS["JWT_SECRET"])
            yield Clinic(stack, client.bench, seeded.receptionist_token)


def _print(what: str, measured: str, bar: str) -> None:
    print(f"{what:44}{measured:>22}   {bar}", flush=True)


def _measure_server(clinic: Clinic) -> None:
    times = []
    with clinic.client() as api:
        for number in range(_REQUESTS):
            clinic.change(number)
            began = time.perf_counter()
            page = api.get(clinic.path).raise_for_status()
            times.append((time.perf_counter() - began) * 1000)
    cuts = quantiles(times[_WARM_UP:], n=20)
    rows = page.text.count("data-appointment=")
    _print(f"day with {rows} rows, after a change: p50, p95", f"{cuts[9]:.0f} ms, {cuts[18]:.0f} ms", "p95 <= 60 ms")


def _measure_polling(clinic: Clinic) -> None:
    """Measure the CPU time of polls that find nothing new, and of many screens that are open."""
    with clinic.client() as api:
        path = clinic.path.replace("/day?", "/day/live?")
        version = {"X-Version": api.get(path).headers["X-Version"]}
        api.get(path, headers=version)  # the other process keeps it, too, after a few
        began, statuses = cpu_seconds(clinic.pid), [api.get(path, headers=version).status_code for _ in range(_POLLS)]
        each = (cpu_seconds(clinic.pid) - began) * 1000 / _POLLS
        _print(f"a poll ({statuses.count(204)} of {_POLLS} unchanged)", f"{each:.2f} ms of CPU", "<= 1.5 ms")
        began, _ = cpu_seconds(clinic.pid), [api.get("/health").raise_for_status() for _ in range(_POLLS)]
        least = (cpu_seconds(clinic.pid) - began) * 1000 / _POLLS
        _print("a request that reads nothing (/health)", f"{least:.2f} ms of CPU", "")
    opened = Barrier(_SCREENS + 1)
    with ThreadPoolExecutor(_SCREENS) as threads:
        screens = [threads.submit(_keep_open, clinic, path, opened) for _ in range(_SCREENS)]
        opened.wait(_OPEN_SECONDS)
        began = cpu_seconds(clinic.pid)
        for screen in screens:
            screen.result()
    share = (cpu_seconds(clinic.pid) - began) / _SCREEN_SECONDS
    _print(f"{_SCREENS} open screens", f"{share:.1%} of one core", "<= 5 %")


def _keep_open(clinic: Clinic, path: str, opened: Barrier) -> None:
    with clinic.client() as api:
        version = api.get(path).headers["X-Version"]
        opened.wait(_OPEN_SECONDS)
        for _ in range(_SCREEN_SECONDS // _POLL_SECONDS):
            time.sleep(_POLL_SECONDS)
            version = api.get(path, headers={"X-Version": version}).headers.get("X-Version", version)


def _open(browser: Browser, clinic: Clinic) -> tuple[BrowserContext, Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.add_cookies([{"name": "arthomed", "value": clinic.cookie(), "url": clinic.url}])
    return context, context.new_page()


def _measure_weight(browser: Browser, clinic: Clinic) -> None:
    context, page = _open(browser, clinic)
    kinds: dict[str, str] = {}
    sizes: dict[str, int] = {}
    session = context.new_cdp_session(page)
    session.on("Network.responseReceived", lambda event: kinds.update({event["requestId"]: event["type"]}))
    session.on("Network.loadingFinished", lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}))
    session.send("Network.enable")
    page.goto(clinic.url + clinic.path, wait_until="networkidle")
    of_kind = {
        kind: sum(size for one, size in sizes.items() if kinds.get(one) == kind) / 1024 for kind in kinds.values()
    }
    _print("first load: requests", str(len(sizes)), "<= 8")
    _print("first load: JS, CSS", f"{of_kind['Script']:.1f} KB, {of_kind['Stylesheet']:.1f} KB", "<= 40 KB, <= 15 KB")
    _print("first load: HTML, not compressed", f"{of_kind['Document']:.0f} KB", "")
    context.close()


def _measure_paint(browser: Browser, clinic: Clinic, what: str, network: dict[str, Any], slower: int, bar: str) -> None:
    times = []
    for _ in range(5):
        context, page = _open(browser, clinic)
        session = context.new_cdp_session(page)
        session.send("Network.enable")
        session.send("Network.emulateNetworkConditions", network)
        session.send("Emulation.setCPUThrottlingRate", {"rate": slower})
        page.goto(clinic.url + clinic.path)
        times.append(float(page.evaluate(_LCP)) / 1000)
        context.close()
    _print(what, f"{sorted(times)[2]:.2f} s", bar)


def _measure_freshness(browser: Browser, clinic: Clinic) -> None:
    context, page = _open(browser, clinic)
    page.goto(clinic.url + clinic.path)
    times = []
    with clinic.client() as api:
        for number in range(_STEPS):
            time.sleep(0.37 * (number % 8))  # at any time between two polls
            one = clinic.appointments[number]
            api.post(f"/dashboard/appointments/{one}/cancel").raise_for_status()
            began = time.perf_counter()
            page.wait_for_selector(f'#row-{one}[data-state="cancelled"]', timeout=15_000)
            times.append(time.perf_counter() - began)
            page.mouse.move(number, number)  # somebody uses the screen
    cuts = quantiles(times, n=20)
    _print("a step is seen on another screen: p50, p95", f"{cuts[9]:.1f} s, {cuts[18]:.1f} s", "<= 2 s, <= 4 s")
    context.close()


if __name__ == "__main__":
    main()
