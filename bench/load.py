"""Load by wrk, and what it cost the processes under it."""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.clinic import answering
from bench.servers import Side

_THREADS = 2
_SCRIPT = Path(__file__).with_name("requests.lua")
_TICKS = os.sysconf("SC_CLK_TCK")
_MOST_A_SECOND = 1_500  # bookings and codes to have at hand; what is left of codes is of use for the next round
_CODES_A_SECOND = 1_000  # answers to have at hand, whose codes are asked for before

Lines = Callable[[Side, float], list[str]]
ONCE: dict[str, Lines] = {
    "book": lambda side, seconds: side.clinic.booking(int(_MOST_A_SECOND * seconds)),
    "send-otp": lambda side, seconds: side.clinic.asking(int(_MOST_A_SECOND * seconds)),
    "verify-otp": lambda side, seconds: answering(side.codes(side.clinic.next_numbers(int(_CODES_A_SECOND * seconds)))),
}
READS: dict[str, Lines] = {
    "slots": lambda side, _: side.clinic.slots(),
    "my": lambda side, _: side.clinic.reading("/api/appointments/my-appointments?page=1&limit=10"),
    "doctors": lambda side, _: side.clinic.reading("/api/users/doctors?page=1&limit=10"),
}
ENDPOINTS = {**READS, **ONCE}


@dataclass(frozen=True)
class Measured:
    """One round: answers that were good, milliseconds of latency, and of CPU for each request."""

    good_a_second: float
    p50: float
    p99: float
    failed: int
    server_cpu: float
    mongo_cpu: float


def measure(side: Side, endpoint: str, *, connections: int, seconds: float, mongo_pid: int) -> Measured:
    """Ask as fast as so many connections can."""
    lines = ENDPOINTS[endpoint](side, seconds)
    before = cpu_of(side.pid), cpu_of(mongo_pid)
    found = play(side.url, lines, connections=connections, seconds=seconds, once=endpoint in ONCE)
    server, mongo = (cpu_of(pid) - was for pid, was in zip((side.pid, mongo_pid), before, strict=True))
    done = max(1, int(found["requests"]))
    good = (done - found["refused"]) / max(found["seconds"], 0.001)
    failed = int(found["refused"] + found["broken"])
    return Measured(good, found["p50"], found["p99"], failed, server / done * 1000, mongo / done * 1000)


def play(url: str, lines: list[str], *, connections: int, seconds: float, once: bool = False) -> dict[str, float]:
    """Run wrk over lines of requests; what `requests.lua` tells.

    Raises:
        RuntimeError: the lines, which were to be played once, ran out before the time.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".requests") as file:
        file.write("".join(f"{line}\n" for line in lines))
        file.flush()
        shape = [f"-t{_THREADS}", f"-c{max(_THREADS, connections)}", f"-d{seconds:.0f}s", "--timeout", "10s"]
        how = ["--", file.name, str(_THREADS), "once" if once else "again"]
        told = subprocess.run(["wrk", *shape, "-s", _SCRIPT, url, *how], capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(told.stdout.strip().splitlines()[-1])
    if found["ran_out"]:
        message = f"{len(lines)} requests were too few for {seconds} s"
        raise RuntimeError(message)
    return found


def children(pid: int) -> list[int]:
    """Find the processes that a process started."""
    return [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process and its children have used so far."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / _TICKS + sum(map(cpu_of, children(pid)))
