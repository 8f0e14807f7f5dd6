"""clamd of Debian's package clamav-daemon, with test signatures instead of downloaded ones."""

import os
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path

from dev.binaries import ServerError
from dev.servers import Server

_CONFIG = """
Foreground yes
DatabaseDirectory {folder}
LocalSocket {folder}/clamd.sock
TCPAddr 127.0.0.1
TCPSocket {port}
StreamMaxLength {stream_max_length}
AlertExceedsMax yes
"""


def installed() -> str | None:
    """Return the path of the program; Debian installs it into /usr/sbin, outside the PATH of ordinary users."""
    return shutil.which("clamd", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin")))


class Clamd(Server):
    """A clamd with only `signatures`: name -> bytes that may occur anywhere in a file."""

    name = "clamd"

    def __init__(
        self, data_dir: Path, log_dir: Path, *, signatures: Mapping[str, bytes], stream_max_length: str = "11M"
    ) -> None:
        """Start it. `data_dir` must have a short path, because the path of a socket is limited to 107 bytes."""
        self._stream_max_length = stream_max_length
        data_dir.mkdir(parents=True, exist_ok=True)
        lines = [f"{name}:0:*:{content.hex()}\n" for name, content in signatures.items()]
        (data_dir / "tests.ndb").write_text("".join(lines))
        super().__init__(data_dir, log_dir)

    @property
    def url(self) -> str:
        """The TCP address, as CLAMD_URL."""
        return f"tcp://127.0.0.1:{self.port}"

    @property
    def unix_url(self) -> str:
        """The UNIX socket, as CLAMD_URL."""
        return f"unix://{self._socket}"

    @property
    def _socket(self) -> Path:
        return self.data_dir / "clamd.sock"

    def _command(self, port: int) -> list[str | Path]:
        if (program := installed()) is None:
            raise ServerError("clamd is not installed: install clamav-daemon")
        config = self.data_dir / "clamd.conf"
        config.write_text(_CONFIG.format(folder=self.data_dir, port=port, stream_max_length=self._stream_max_length))
        return [program, "--config-file", config]

    def _is_serving(self, port: int, pid: int) -> bool:  # noqa: ARG002  no other server has this socket
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1)
            try:
                client.connect(str(self._socket))
                client.sendall(b"zPING\0")
                return client.recv(16) == b"PONG\0"
            except OSError:
                return False
