"""A mongod that cannot run transactions."""

from pathlib import Path

from pymongo.database import Database

from dev.servers import Mongo


class Standalone(Mongo):
    """A mongod without a replica set."""

    def _command(self, port: int) -> list[str | Path]:
        command = super()._command(port)
        at = command.index("--replSet")
        return command[:at] + command[at + 2 :]

    def _is_ready(self, admin: Database[dict[str, object]], host: str) -> bool:  # noqa: ARG002
        return True


class Uninitiated(Mongo):
    """A mongod whose replica set was never initiated."""

    def _is_ready(self, admin: Database[dict[str, object]], host: str) -> bool:  # noqa: ARG002
        return True
