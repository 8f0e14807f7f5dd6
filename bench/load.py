"""Load by wrk, and the CPU time that the processes under load use."""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.clinic import move_request, send_otp_requests, verify_otp_requests
from bench.servers import Target

_THREADS = 2
_SCRIPT = Path(__file__).with_name("requests.lua")
_TICKS = os.sysconf("SC_CLK_TCK")
# Requests prepared per second of load; wrk must not run out of them.
_MAX_WRITES_PER_SECOND = 1_500
_MAX_SIGN_INS_PER_SECOND = 1_000
_MAX_MOVES_PER_SECOND = 600

PrepareRequests = Callable[[Target, float], list[str]]


def _send_otp(target: Target, seconds: float) -> list[str]:
    return send_otp_requests(target.clinic.next_numbers(int(_MAX_WRITES_PER_SECOND * seconds)))


def _verify_otp(target: Target, seconds: float) -> list[str]:
    return verify_otp_requests(target.send_codes(target.clinic.next_numbers(int(_MAX_SIGN_INS_PER_SECOND * seconds))))


def _reschedule(target: Target, seconds: float) -> list[str]:
    pairs = target.clinic.pairs_of_slots(int(_MAX_MOVES_PER_SECOND * seconds))
    appointments = target.book([slot for slot, _ in pairs])
    return [move_request(old.token, one, to=new) for one, (old, new) in zip(appointments, pairs, strict=True)]


READS: dict[str, PrepareRequests] = {
    "slots": lambda target, _: target.clinic.slots(),
    "my": lambda target, _: target.clinic.reads("/api/appointments/my-appointments?page=1&limit=10"),
    "doctors": lambda target, _: target.clinic.reads("/api/users/doctors?page=1&limit=10"),
}
WRITES: dict[str, PrepareRequests] = {
    "book": lambda target, seconds: target.clinic.bookings(int(_MAX_WRITES_PER_SECOND * seconds)),
    "send-otp": _send_otp,
    "verify-otp": _verify_otp,
}
PEERS_HAVE = {**READS, **WRITES}
WRITES |= {
    "manual": lambda target, seconds: target.clinic.bookings_at_desk(int(_MAX_WRITES_PER_SECOND * seconds)),
    "reschedule": _reschedule,
}
ENDPOINTS = {**READS, **WRITES}


@dataclass(frozen=True)
class Measurement:
    """One round: successful responses a second, latency in ms, failed requests, CPU ms per request."""

    good_per_second: float
    p50: float
    p99: float
    failed: int
    server_cpu: float
    mongo_cpu: float


def measure(target: Target, endpoint: str, *, connections: int, seconds: float, mongo_pid: int) -> Measurement:
    """Load one endpoint: each connection sends its next request as soon as it has a response."""
    lines = ENDPOINTS[endpoint](target, seconds)
    before = cpu_seconds(target.pid), cpu_seconds(mongo_pid)
    result = run_wrk(target.url, lines, connections=connections, seconds=seconds, once=endpoint in WRITES)
    server, mongo = (cpu_seconds(pid) - was for pid, was in zip((target.pid, mongo_pid), before, strict=True))
    done = max(1, int(result["requests"]))
    good = (done - result["refused"]) / max(result["seconds"], 0.001)
    failed = int(result["refused"] + result["broken"])
    return Measurement(good, result["p50"], result["p99"], failed, server / done * 1000, mongo / done * 1000)


def run_wrk(url: str, lines: list[str], *, connections: int, seconds: float, once: bool = False) -> dict[str, float]:
    """Run wrk over lines of requests; returns the result that `requests.lua` prints.

    Raises:
        RuntimeError: the lines, to be sent `once`, ran out before the time.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".requests") as file:
        file.write("".join(f"{line}\n" for line in lines))
        file.flush()
        options = [f"-t{_THREADS}", f"-c{max(_THREADS, connections)}", f"-d{seconds:.0f}s", "--timeout", "10s"]
        script_arguments = ["--", file.name, str(_THREADS), "once" if once else "again"]
        command: list[str | Path] = ["wrk", *options, "-s", _SCRIPT, url, *script_arguments]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    result: dict[str, float] = json.loads(output.strip().splitlines()[-1])
    if result["ran_out"]:
        raise RuntimeError(f"{len(lines)} requests were too few for {seconds} s")
    return result


def children(pid: int) -> list[int]:
    """Find the child processes of a process."""
    return [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]


def cpu_seconds(pid: int) -> float:
    """Sum up the CPU time of a process and its children so far."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / _TICKS + sum(map(cpu_seconds, children(pid)))
