"""Whether the time of an answer tells a known number from an unknown one: `python -m bench.codes [PAIRS]`."""

import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import httpx
from pymongo import MongoClient

from arthomed.core import clock
from dev.servers import Mongo, Valkey
from tests.stack import Stack

_PAIRS, _WARM_UP = 400, 20
_RESAMPLES = 2000
_MANY = {"OTP_PER_CLINIC_DAY": "1000000"}
_GUESS = {"otp": "000000"}
# What is asked about each number of a group, one after the other: by name the path and what is sent with the number.
_GROUPS: tuple[dict[str, tuple[str, dict[str, str]]], ...] = (
    {"send-otp": ("/send-otp", {}), "verify-otp, wrong code": ("/verify-otp", _GUESS)},
    {"verify-otp, no code was sent": ("/verify-otp", _GUESS)},
)
_numbers = count(9_200_000_000)
Times = dict[bool, list[float]]
"""Milliseconds, by whether the number is known."""


def main() -> None:
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else _PAIRS
    with (
        tempfile.TemporaryDirectory() as name,
        Mongo(Path(name) / "mongo", Path(name)) as mongo,
        Valkey(Path(name) / "valkey", Path(name)) as valkey,
    ):
        uri = mongo.uri("arthomed")
        stack = Stack(Path(name), mongodb_uri=uri, redis_url=valkey.url, parts=("web",), demo=False, env=_MANY)
        with stack, httpx.Client(base_url=f"{stack.url}/api/auth", timeout=30) as api:
            _report(_measure(api, uri, pairs), pairs)


def _measure(api: httpx.Client, uri: str, pairs: int) -> dict[str, Times]:
    """Known and unknown numbers in turn, in a random order within each pair; each number serves once."""
    times: dict[str, Times] = {name: {True: [], False: []} for group in _GROUPS for name in group}
    for group in _GROUPS:
        for nth, pair in enumerate(_numbers_in_pairs(uri, pairs + _WARM_UP)):
            for mobile, known in pair:
                for name, (path, more) in group.items():
                    started = time.perf_counter()
                    answer = api.post(path, json={"mobileNumber": mobile, **more})
                    if nth >= _WARM_UP:
                        times[name][known].append((time.perf_counter() - started) * 1000)
                    if answer.status_code not in (200, 400):
                        sys.exit(f"unexpected: {answer.status_code} {answer.text}")
    return times


def _numbers_in_pairs(uri: str, pairs: int) -> Iterator[list[tuple[str, bool]]]:
    known = [str(next(_numbers)) for _ in range(pairs)]
    now = clock.now()
    person = {"name": "Somebody", "role": "patient", "isActive": True, "isVerified": True, "createdAt": now}
    with MongoClient[dict[str, Any]](uri) as client:
        client.arthomed.users.insert_many([{**person, "updatedAt": now, "mobileNumber": mobile} for mobile in known])
    for mobile in known:
        yield random.sample([(mobile, True), (str(next(_numbers)), False)], 2)


def _report(found: dict[str, Times], pairs: int) -> None:
    print(f"quartiles of {pairs} requests each, in ms{'known':>20}{'unknown':>24}{'known - unknown (95 %)':>28}")
    for name, times in found.items():
        low, high = _interval(times[True], times[False])
        difference = median(times[True]) - median(times[False])
        cells = "".join(f"{_quartiles(times[known]):>24}" for known in (True, False))
        print(f"{name:32}{cells}{difference:+10.2f} ({low:+.2f} to {high:+.2f})")


def _quartiles(sample: Sequence[float]) -> str:
    return " / ".join(f"{point:.2f}" for point in quantiles(sample, n=4))


def _interval(known: Sequence[float], unknown: Sequence[float]) -> tuple[float, float]:
    """Of the difference of the medians, by bootstrap."""
    chance = random.Random(0)  # noqa: S311  for statistics
    differences = [
        median(chance.choices(known, k=len(known))) - median(chance.choices(unknown, k=len(unknown)))
        for _ in range(_RESAMPLES)
    ]
    points = quantiles(differences, n=40)
    return points[0], points[-1]


if __name__ == "__main__":
    main()
