"""`make run`: run the whole clinic on this machine, with its own database and broker.

With a command (`python -m dev.run flask audit`) it runs that command on the same data instead, also beside a run.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from dev.data_folder import ROOT, DataFolder, FolderInUse
from dev.processes import Watchdog
from dev.servers import ServerError
from dev.supervisor import StopRequested, StopSignals, Supervisor, environment, in_venv
from dev.welcome import welcome

_PORT = 5000
_LOCK_TIMEOUT_SECONDS = 3.0  # the watchdog of a killed run holds the lock until its processes are gone


def main(command: Sequence[str]) -> int:
    """Run the clinic, or one command on its data; returns the exit code."""
    os.chdir(ROOT)
    folder, signals = DataFolder.from_environment(), StopSignals()
    try:
        if command:
            return _run_command(folder, signals, command)
        _run_clinic(folder, signals)
    except ServerError as error:
        print(f"make run: {error}", file=sys.stderr)
        return 1
    except StopRequested:
        print("  Stopped.")
    return 0


def _run_clinic(folder: DataFolder, signals: StopSignals) -> None:
    port = _require_free_port()
    with (
        folder.locked(timeout=_LOCK_TIMEOUT_SECONDS) as lock,
        Watchdog(inherited=lock) as watchdog,
        Supervisor(folder, watchdog, signals) as supervisor,
    ):
        supervisor.start_servers()
        supervisor.prepare()
        supervisor.start_services(port)
        print(welcome(port=port, var_dir=os.path.relpath(folder.path)), flush=True)
        try:
            supervisor.run_until_stopped()
        finally:
            print("\n  Stopping ...", flush=True)


def _run_command(folder: DataFolder, signals: StopSignals, command: Sequence[str]) -> int:
    try:
        with (
            folder.locked() as lock,
            Watchdog(inherited=lock) as watchdog,
            Supervisor(folder, watchdog, signals) as supervisor,
        ):
            supervisor.start_servers()
            return _call(command, supervisor.env, signals)
    except FolderInUse:
        return _call(command, environment(folder) | folder.read_servers(), signals)


def _call(command: Sequence[str], env: Mapping[str, str], signals: StopSignals) -> int:
    try:
        child = subprocess.Popen(in_venv(command), env=env)
    except OSError as error:
        raise ServerError(f"{command[0]}: {error.strerror}") from None
    while child.poll() is None and not signals.received:
        time.sleep(0.05)
    child.terminate()  # does nothing if it has ended
    return child.wait()


def _require_free_port() -> int:
    """Read PORT and check that this machine can listen there. Raises ServerError."""
    port = os.environ.get("PORT") or str(_PORT)
    if not (port.isdecimal() and 0 < int(port) <= 65_535):  # noqa: PLR2004
        raise ServerError(f"PORT={port} is not a port number")
    try:
        socket.create_server(("127.0.0.1", int(port))).close()
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise ServerError(f"port {port} can't be used ({reason}): choose another, as in `make run PORT=8000`") from None
    return int(port)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
