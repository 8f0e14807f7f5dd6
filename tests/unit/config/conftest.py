"""The settings of an environment that a test chooses."""

import os

import pytest

from arthomed.config import Settings, settings
from tests.unit.config.environment import Read


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Read:
    """Read the settings from the given variables only."""
    for name in os.environ:
        monkeypatch.delenv(name)

    def read_settings(**env: str) -> Settings:
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        return settings.__wrapped__()

    return read_settings
