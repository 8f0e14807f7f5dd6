"""Content negotiation (RFC 9110 section 12.5.1), forgiving: a client is refused only when it excludes the response."""

from functools import lru_cache

JSON = "application/json"
ANY_BYTES = "application/octet-stream"  # what download tools accept for every file


@lru_cache(200)
def accepts(header: str, *media_types: str) -> bool:
    """Whether an Accept header allows one of the media types; the most specific matching range decides.

    Parameters but `q` are ignored. `*` is `*/*`, as Java's HttpURLConnection means it.
    """
    allowed: dict[str, bool] = {}
    for part in header.lower().split(","):
        media_range, *parameters = (one.strip() for one in part.split(";"))
        if media_range:
            media_range = "*/*" if media_range == "*" else media_range
            allowed[media_range] = _is_allowed(parameters) or allowed.get(media_range, False)
    return not allowed or any(_decide(allowed, media_type) for media_type in media_types)


def _decide(allowed: dict[str, bool], media_type: str) -> bool:
    family = media_type.partition("/")[0]
    ranges = (media_type, f"{family}/*", "*/*")
    return next((allowed[one] for one in ranges if one in allowed), False)


def _is_allowed(parameters: list[str]) -> bool:
    """Whether the quality is above 0; one that is no number excludes nothing."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return not float(value) <= 0
            except ValueError:
                return True
    return True
