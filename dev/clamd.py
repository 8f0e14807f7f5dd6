"""clamd of Debian's package clamav-daemon, with signatures of our own: none are fetched."""

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
    """Find the program, which Debian keeps outside an ordinary user's PATH."""
    return shutil.which("clamd", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin")))


class Clamd(Server):
    """Finds `signatures` (name -> bytes anywhere in a file), and nothing else."""

    name = "clamd"

    def __init__(
        self, data_dir: Path, log_dir: Path, *, signatures: Mapping[str, bytes], stream_max_length: str = "11M"
    ) -> None:
        """Start it; `data_dir` must not be deep, since the name of a socket has 107 letters at most."""
        self._stream_max_length = stream_max_length
        data_dir.mkdir(parents=True, exist_ok=True)
        lines = [f"{name}:0:*:{content.hex()}\n" for name, content in signatures.items()]
        (data_dir / "ours.ndb").write_text("".join(lines))
        super().__init__(data_dir, log_dir)

    @property
    def url(self) -> str:
        """Where it listens, as CLAMD_URL."""
        return f"tcp://127.0.0.1:{self.port}"

    @property
    def unix_url(self) -> str:
        """The same without the network."""
        return f"unix://{self._socket}"

    @property
    def _socket(self) -> Path:
        return self.data_dir / "clamd.sock"

    def _command(self, port: int) -> list[str | Path]:
        if (program := installed()) is None:
            raise ServerError("there is no clamd here; install clamav-daemon")
        config = self.data_dir / "clamd.conf"
        config.write_text(_CONFIG.format(folder=self.data_dir, port=port, stream_max_length=self._stream_max_length))
        return [program, "--config-file", config]

    def _serves(self, port: int, pid: int) -> bool:  # noqa: ARG002  its socket is in a folder of ours
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1)
            try:
                client.connect(str(self._socket))
                client.sendall(b"zPING\0")
                return client.recv(16) == b"PONG\0"
            except OSError:
                return False
