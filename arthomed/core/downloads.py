"""How a download is named."""

import re
import unicodedata
from urllib.parse import quote

_NOT_PLAIN = re.compile(r"[^ -~]|[\"%/;\\]")  # RFC 6266, appendix D


def content_disposition(name: str, *, is_shown: bool = False) -> str:
    """The header of a file to save or to show (RFC 6266): its name for all clients, and for readers of ASCII only."""
    plain = _NOT_PLAIN.sub("", unicodedata.normalize("NFKD", name)).strip()
    if plain.startswith("."):
        plain = f"file{plain}"
    kind = "inline" if is_shown else "attachment"
    return f"{kind}; filename=\"{plain or 'file'}\"; filename*=UTF-8''{quote(name, safe='')}"
