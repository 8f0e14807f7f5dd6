"""`make texts`: find the texts of the dashboard, add the new ones to the translations, and compile those.

A new text is empty in the translations until somebody translates it, and a test fails until then.
"""

import io
from datetime import UTC, datetime
from pathlib import Path

from babel.messages import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

_APPLICATION = Path(__file__).resolve().parents[1] / "arthomed"
DASHBOARD = _APPLICATION / "dashboard"
_FOLDERS = (DASHBOARD, _APPLICATION / "payments")  # it has the receipts
LANGUAGES = ("hi", "mr")
_METHODS = [("**.py", "python"), ("templates/**.html", "jinja2")]
_KEYWORDS = {**DEFAULT_KEYWORDS, "lazy_gettext": None, "lazy_pgettext": ((1, "c"), 2)}
_ALWAYS = datetime(2026, 1, 1, tzinfo=UTC)  # a compiled file changes only with its texts


def find() -> Catalog:
    """Find the texts of the code and the templates."""
    found = Catalog()
    for folder in _FOLDERS:
        for _file, _line, message, _comments, context in extract_from_dir(
            folder, _METHODS, keywords=_KEYWORDS, directory_filter=lambda path: not path.endswith("__pycache__")
        ):
            found.add(message, context=context)
    return found


def file_of(language: str) -> Path:
    return DASHBOARD / "translations" / language / "LC_MESSAGES" / "messages.po"


def read(language: str) -> Catalog:
    with file_of(language).open("rb") as file:
        return read_po(file, locale=language, charset="utf-8")


def compiled(catalog: Catalog) -> bytes:
    catalog.fuzzy, catalog.creation_date, catalog.revision_date = False, _ALWAYS, _ALWAYS
    buffer = io.BytesIO()
    write_mo(buffer, catalog)
    return buffer.getvalue()


def main() -> None:
    texts = find()
    for language in LANGUAGES:
        catalog = read(language)
        catalog.update(texts, no_fuzzy_matching=True)
        with file_of(language).open("wb") as file:
            write_po(file, catalog, width=120, omit_header=True, sort_output=True, ignore_obsolete=True)
        file_of(language).with_suffix(".mo").write_bytes(compiled(catalog))
        missing = [message.id for message in catalog if message.id and not message.string]
        print(f"{language}: {len(catalog)} texts, {len(missing)} to translate", *missing, sep="\n  ")


if __name__ == "__main__":
    main()
