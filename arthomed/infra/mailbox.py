"""The console gateways of development: messages go to a file that /dev/mailbox shows, and their kinds to the log."""

import fcntl
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

import structlog

from arthomed.core import clock
from arthomed.notifications.gateways import Attempt, Email

log = structlog.get_logger()
_KEPT = 500


@dataclass(frozen=True, slots=True)
class Caught:
    """One message as a console gateway caught it; `created_at` is ISO 8601 UTC."""

    to: str
    channel: str
    kind: str
    text: str
    created_at: str


class Mailbox:
    """A file of JSON lines, newest last, shared by the processes of one machine."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def put(self, *, to: str, channel: str, kind: str, text: str) -> None:
        caught = Caught(to, channel, kind, text, clock.iso(clock.now()))
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            kept = file.readlines()[-(_KEPT - 1) :]
            file.truncate(0)
            file.writelines([*kept, json.dumps(asdict(caught), ensure_ascii=False) + "\n"])

    def newest_first(self, to: str | None = None) -> list[Caught]:
        return [caught for caught in self._read() if to in (None, caught.to)][::-1]

    def _read(self) -> Iterator[Caught]:
        if not self._file.exists():
            return
        with self._file.open(encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            for line in file:
                yield Caught(**json.loads(line))


class ConsoleSms:
    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    def send(
        self,
        to: str,
        text: str,
        *,
        kind: str,
        attempt: Attempt | None = None,  # noqa: ARG002  the gateway's protocol
        useful_for: timedelta | None = None,  # noqa: ARG002
    ) -> None:
        self._mailbox.put(to=to, channel="sms", kind=kind, text=text)
        log.info("sms_caught", kind=kind)


class ConsoleEmail:
    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    def send(self, email: Email, *, kind: str) -> None:
        self._mailbox.put(to=email.to, channel="email", kind=kind, text=f"{email.subject}\n\n{email.text}")
        log.info("email_caught", kind=kind)
