"""Whether response times reveal which numbers are registered: `python -m bench.otp_timing [PAIRS]`."""

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
_NO_QUOTA = {"OTP_PER_CLINIC_DAY": "1000000"}
_GUESS = {"otp": "000000"}
_REGISTRATION = {**_GUESS, "name": "Asha Verma"}
# Requests that each number of a group sends, in this order: label, path, and fields beside the number.
_GROUPS: tuple[dict[str, tuple[str, dict[str, str]]], ...] = (
    {
        "send-otp": ("/send-otp", {}),
        "verify-otp, wrong code": ("/verify-otp", _GUESS),
        "register, wrong code": ("/register", _REGISTRATION),
    },
    {
        "verify-otp, no code was sent": ("/verify-otp", _GUESS),
        "register, no code was sent": ("/register", _REGISTRATION),
    },
)
_numbers = count(9_200_000_000)
Times = dict[bool, list[float]]
"""Milliseconds, by whether the number is registered."""


def main() -> None:
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else _PAIRS
    with (
        tempfile.TemporaryDirectory() as name,
        Mongo(Path(name) / "mongo", Path(name)) as mongo,
        Valkey(Path(name) / "valkey", Path(name)) as valkey,
    ):
        uri = mongo.uri("arthomed")
        stack = Stack(Path(name), mongodb_uri=uri, redis_url=valkey.url, parts=("web",), demo=False, env=_NO_QUOTA)
        with stack, httpx.Client(base_url=f"{stack.url}/api/auth", timeout=30) as api:
            _report(_measure(api, uri, pairs), pairs)


def _measure(api: httpx.Client, uri: str, pairs: int) -> dict[str, Times]:
    """Send requests for pairs of a registered and an unknown number, in random order; each number is used once."""
    times: dict[str, Times] = {name: {True: [], False: []} for group in _GROUPS for name in group}
    for group in _GROUPS:
        for nth, pair in enumerate(_pairs_of_numbers(uri, pairs + _WARM_UP)):
            for mobile, registered in pair:
                for name, (path, fields) in group.items():
                    started = time.perf_counter()
                    response = api.post(path, json={"mobileNumber": mobile, **fields})
                    if nth >= _WARM_UP:
                        times[name][registered].append((time.perf_counter() - started) * 1000)
                    if response.status_code not in (200, 400):
                        sys.exit(f"unexpected: {response.status_code} {response.text}")
    return times


def _pairs_of_numbers(uri: str, pairs: int) -> Iterator[list[tuple[str, bool]]]:
    registered = [str(next(_numbers)) for _ in range(pairs)]
    now = clock.now()
    person = {"name": "Asha Verma", "role": "patient", "isActive": True, "isVerified": True, "createdAt": now}
    with MongoClient[dict[str, Any]](uri) as client:
        client.arthomed.users.insert_many(
            [{**person, "updatedAt": now, "mobileNumber": mobile} for mobile in registered]
        )
    for mobile in registered:
        yield random.sample([(mobile, True), (str(next(_numbers)), False)], 2)


def _report(times: dict[str, Times], pairs: int) -> None:
    print(f"quartiles of {pairs} requests each, in ms{'registered':>20}{'unknown':>24}{'difference (95 %)':>28}")
    for name, sample in times.items():
        low, high = _interval(sample[True], sample[False])
        difference = median(sample[True]) - median(sample[False])
        cells = "".join(f"{_quartiles(sample[registered]):>24}" for registered in (True, False))
        print(f"{name:32}{cells}{difference:+10.2f} ({low:+.2f} to {high:+.2f})")


def _quartiles(sample: Sequence[float]) -> str:
    return " / ".join(f"{point:.2f}" for point in quantiles(sample, n=4))


def _interval(registered: Sequence[float], unknown: Sequence[float]) -> tuple[float, float]:
    """Estimate the 95 % confidence interval of the difference of the medians, by bootstrap."""
    rng = random.Random(0)  # noqa: S311  for statistics
    differences = [
        median(rng.choices(registered, k=len(registered))) - median(rng.choices(unknown, k=len(unknown)))
        for _ in range(_RESAMPLES)
    ]
    points = quantiles(differences, n=40)
    return points[0], points[-1]


if __name__ == "__main__":
    main()
