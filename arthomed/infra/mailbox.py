"""The console gateways for development: they append messages to a file that /dev/mailbox shows."""

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
_MAX_MESSAGES = 500


@dataclass(frozen=True, slots=True)
class CaughtMessage:
    """A message that a console gateway stored in place of sending it; `created_at` is ISO 8601 UTC."""

    to: str
    channel: str
    kind: str
    text: str
    created_at: str


class Mailbox:
    """A file of JSON lines, the newest last, which the processes of one machine share."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def add(self, *, to: str, channel: str, kind: str, text: str) -> None:
        message = CaughtMessage(to, channel, kind, text, clock.iso(clock.now()))
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            kept = file.readlines()[-(_MAX_MESSAGES - 1) :]
            file.truncate(0)
            file.writelines([*kept, json.dumps(asdict(message), ensure_ascii=False) + "\n"])

    def newest_first(self, to: str | None = None) -> list[CaughtMessage]:
        return [message for message in self._read() if to in (None, message.to)][::-1]

    def _read(self) -> Iterator[CaughtMessage]:
        if not self._file.exists():
            return
        with self._file.open(encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            for line in file:
                yield CaughtMessage(**json.loads(line))


class ConsoleSms:
    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    def send(
        self,
        to: str,
        text: str,
        *,
        kind: str,
        attempt: Attempt | None = None,  # noqa: ARG002  part of the protocol
        ttl: timedelta | None = None,  # noqa: ARG002
    ) -> None:
        self._mailbox.add(to=to, channel="sms", kind=kind, text=text)
        log.info("sms_caught", kind=kind)


class ConsoleEmail:
    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    def send(self, email: Email, *, kind: str) -> None:
        self._mailbox.add(to=email.to, channel="email", kind=kind, text=f"{email.subject}\n\n{email.text}")
        log.info("email_caught", kind=kind)
