"""A flask command some days from now: `python -m tests.faults.later DAYS COMMAND...`."""

import sys
from datetime import timedelta

import time_machine

from arthomed.app import create_app
from arthomed.config import settings
from arthomed.core import clock


def main(days: str, *command: str) -> int:
    with time_machine.travel(clock.now() + timedelta(days=int(days)), tick=True):
        done = create_app(settings()).test_cli_runner().invoke(args=command)
    print(done.output, end="")  # noqa: T201
    return done.exit_code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
