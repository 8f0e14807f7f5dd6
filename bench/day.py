"""The list of the day: `python -m bench.day`.

Ten doctors have two hundred appointments. One desk reads the list after each change of a row, then again with its ETag.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from statistics import quantiles

import httpx
from bson import ObjectId
from pymongo.database import Database

from arthomed.core import clock
from bench.clinic import Row, Size
from bench.servers import running_servers

_SIZE = Size(doctors=10, days=1, readers=200, appointments=5, numbers=1, bookable=False)
_PER_DOCTOR = 20
_ROUNDS, _WARM_UP = 300, 20


def main() -> None:
    with tempfile.TemporaryDirectory() as name, running_servers(Path(name), _SIZE) as testbed:
        [target] = testbed.targets
        assert target.database is not None  # noqa: S101  ours has one
        day = clock.now().date() + timedelta(days=1)
        appointments = fill(target.database, clock.midnight_utc(day), _PER_DOCTOR)
        print(f"{'':34}{'p50 ms':>8}{'p95 ms':>8}")
        with httpx.Client(base_url=target.url, timeout=30) as api:
            api.headers["Authorization"] = f"Bearer {target.clinic.receptionist_token}"
            first = api.get(_path(day))
            print(f"{len(first.json()['data']['items'])} rows, {len(first.content) // 1024} KB")
            for what, times in _measure(api, _path(day), appointments):
                cuts = quantiles(times[_WARM_UP:], n=20)
                print(f"{what:34}{cuts[9]:8.1f}{cuts[18]:8.1f}", flush=True)


def _path(day: object) -> str:
    return f"/api/appointments/day?date={day}"


def _measure(api: httpx.Client, path: str, appointments: list[str]) -> Iterator[tuple[str, list[float]]]:
    """Each row of the table: what was read, and the times in ms."""
    changed, unchanged = [], []
    for number in range(_ROUNDS):
        one = appointments[number % len(appointments)]
        api.put(f"/api/appointments/{one}", json={"reason": f"Fever {number}"}).raise_for_status()
        elapsed, response = _timed(lambda: api.get(path))
        changed.append(elapsed)
        etag = response.headers["ETag"]
        elapsed, response = _timed(lambda etag=etag: api.get(path, headers={"If-None-Match": etag}))  # type: ignore[misc]
        if response.status_code != httpx.codes.NOT_MODIFIED:  # a minute began, and with it other expected waits
            continue
        unchanged.append(elapsed)
    yield "after the change of a row", changed
    yield "unchanged, with its ETag", unchanged


def _timed(request: Callable[[], httpx.Response]) -> tuple[float, httpx.Response]:
    began = time.perf_counter()
    response = request()
    return (time.perf_counter() - began) * 1000, response


def fill(database: Database[Row], day: datetime, per_doctor: int) -> list[str]:
    """Insert confirmed appointments of a day, some of a slot's second seat; returns their ids."""
    patients = [one["_id"] for one in database.users.find({"role": "patient"}, {"_id": 1}).limit(_SIZE.readers)]
    doctors = [one["_id"] for one in database.users.find({"role": "doctor"}, {"_id": 1})]
    template = database.appointments.find_one({}, {"_id": 0}) or {}
    rows: list[Row] = []
    for doctor in doctors:
        slots = list(database.slots.find({"doctor": doctor, "date": day}).sort("startsAt"))
        for number in range(per_doctor):
            slot = slots[number % len(slots)]
            times = {"startsAt": slot["startsAt"], "endsAt": slot["startsAt"] + timedelta(minutes=30)}
            where = {"doctor": doctor, "slot": slot["_id"], "seat": 1 + number // len(slots), "appointmentDate": day}
            when = {"appointmentTime": slot["startTime"], **times}
            who = {"_id": ObjectId(), "patient": patients[len(rows) % len(patients)], "status": "confirmed"}
            rows.append({**template, **who, **where, **when})
    database.appointments.insert_many(rows)
    return [str(row["_id"]) for row in rows]


if __name__ == "__main__":
    main()
