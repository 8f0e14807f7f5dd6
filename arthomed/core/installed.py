"""The parts of a process that `arthomed.app.wire()` installs, because core and the features do not import infra."""

from typing import Generic, TypeVar

T = TypeVar("T")


class Installed(Generic[T]):
    """One part of this process, such as the job queue."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._part: T | None = None

    def install(self, part: T) -> None:
        self._part = part

    def get(self) -> T:
        if self._part is None:
            message = f"no {self._name} is installed; call arthomed.app.wire() first"
            raise RuntimeError(message)
        return self._part
