"""The TypeScript client: made from the API's document, and good for an app on the whole of the clinic."""

import os
import re

import pytest

from tests.clients.conftest import Npm
from tests.stack import Stack

pytestmark = pytest.mark.long


def test_its_types_are_those_of_the_document(npm: Npm) -> None:
    npm("run", "generate", "--", "--check")  # if it fails: make client


def test_it_keeps_its_promises_to_an_app(npm: Npm, stack: Stack) -> None:
    npm("run", "build")

    told = npm("test", env={**os.environ, "ARTHOMED_URL": stack.url}).stdout

    assert int(re.search(r"^# pass (\d+)$", told, re.MULTILINE)[1]) > 10, told  # type: ignore[index]
    assert "# skipped 0" in told
