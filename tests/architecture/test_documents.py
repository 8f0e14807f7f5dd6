"""What the documents for engineers say about the code is true."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILE_NAME = re.compile(r"`((?:[\w.-]+/)*[\w.-]+\.(?:py|md|toml|json|conf))`")
FEATURES = [model.parent for model in (ROOT / "arthomed").glob("*/models.py")]
FOLDERS = [ROOT, ROOT / "arthomed", ROOT / "tests/api/users", *FEATURES]


@pytest.mark.parametrize("document", ["README.md", "docs/architecture.md", "docs/patterns.md"])
def test_each_file_that_a_document_names_exists(document: str) -> None:
    named = set(FILE_NAME.findall((ROOT / document).read_text()))

    assert named
    assert [name for name in sorted(named) if not any((folder / name).exists() for folder in FOLDERS)] == []


def test_services_and_routes_leave_raw_pymongo_to_the_models() -> None:
    layers = [*(ROOT / "arthomed").glob("*/service/*.py"), *(ROOT / "arthomed").glob("*/service.py")]
    layers += (ROOT / "arthomed").glob("*/routes.py")

    assert {file.name for file in layers if ".collection()" in file.read_text()} == {"consistency.py"}
