import os

import pytest

from arthomed.files import content

_TELLS_COVERAGE = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}


@pytest.fixture(autouse=True)
def coverage_of_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that reads files gets an environment of its own; what measures coverage has to be let in."""
    monkeypatch.setattr(content, "ENVIRONMENT", content.ENVIRONMENT | _TELLS_COVERAGE)
