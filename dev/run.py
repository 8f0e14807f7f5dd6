"""`make run`: the whole clinic on this machine, from the database to the screen that says how to use it.

With a command (`python -m dev.run flask audit`) it runs that one on the same data instead, also beside a run.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from dev.clinic import Clinic, InterruptedRun, Interruption, environment, in_venv
from dev.place import ROOT, InUseError, Place
from dev.processes import Guard
from dev.screen import screen
from dev.servers import ServerError

_PORT = 5000
_PATIENCE_SECONDS = 3.0  # a run that was killed is still being cleared away


def main(command: Sequence[str]) -> int:
    """Run the clinic, or one command in it."""
    os.chdir(ROOT)
    place, interruption = Place.of_environment(), Interruption()
    try:
        if command:
            return _run_command(place, interruption, command)
        _run_clinic(place, interruption)
    except ServerError as error:
        print(f"make run: {error}", file=sys.stderr)
        return 1
    except InterruptedRun:
        print("  Stopped.")
    return 0


def _run_clinic(place: Place, interruption: Interruption) -> None:
    port = _free_port_of_environment()
    with (
        place.claimed(patience=_PATIENCE_SECONDS) as lock,
        Guard(holding=lock) as guard,
        Clinic(place, guard, interruption) as clinic,
    ):
        clinic.start_servers()
        clinic.prepare()
        clinic.open(port)
        print(screen(port=port, var_dir=os.path.relpath(place.path)), flush=True)
        try:
            clinic.watch()
        finally:
            print("\n  Stopping ...", flush=True)


def _run_command(place: Place, interruption: Interruption, command: Sequence[str]) -> int:
    try:
        with place.claimed() as lock, Guard(holding=lock) as guard, Clinic(place, guard, interruption) as clinic:
            clinic.start_servers()
            return _call(command, clinic.env, interruption)
    except InUseError:
        return _call(command, environment(place) | place.published(), interruption)


def _call(command: Sequence[str], env: Mapping[str, str], interruption: Interruption) -> int:
    try:
        child = subprocess.Popen(in_venv(command), env=env)
    except OSError as error:
        raise ServerError(f"{command[0]}: {error.strerror}") from None
    while child.poll() is None and not interruption.asked:
        time.sleep(0.05)
    child.terminate()  # does nothing to one that ended
    return child.wait()


def _free_port_of_environment() -> int:
    wanted = os.environ.get("PORT") or str(_PORT)
    if not (wanted.isdecimal() and 0 < int(wanted) <= 65_535):  # noqa: PLR2004
        raise ServerError(f"PORT={wanted} is no port")
    try:
        socket.create_server(("127.0.0.1", int(wanted))).close()
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise ServerError(
            f"port {wanted} can't be used ({reason}): choose another, as in `make run PORT=8000`"
        ) from None
    return int(wanted)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
