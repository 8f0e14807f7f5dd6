"""Run a flask command with the clock some days ahead: `python -m tests.faults.time_travel DAYS COMMAND...`."""

import sys
from datetime import timedelta

import time_machine

from arthomed.app import create_app
from arthomed.config import settings
from arthomed.core import clock


def main(days: str, *command: str) -> int:
    with time_machine.travel(clock.now() + timedelta(days=int(days)), tick=True):
        result = create_app(settings()).test_cli_runner().invoke(args=command)
    print(result.output, end="")  # noqa: T201
    return result.exit_code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
