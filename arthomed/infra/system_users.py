"""The users of this machine and of its processes."""

import pwd
from contextlib import suppress
from pathlib import Path


def user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def users_of_program(name: str) -> set[int]:
    """The ids of the users who run a program of this name; only Linux has the list, others show none."""
    users = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # ended in the meantime
            if (process / "comm").read_text().strip() == name:
                users.add(process.stat().st_uid)
    return users
