"""HTTP requests to other servers, with limits on the size and duration of their responses."""

import time
from datetime import timedelta
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectionError as RequestsConnectionError
from urllib3.exceptions import HTTPError

TIMEOUT_SECONDS = 10
_MAX_RESPONSE_BYTES = 64 * 1024
_MAX_RETRY_AFTER = timedelta(hours=1)


class LimitedAdapter(HTTPAdapter):
    """Truncates a response that is too large or takes too long."""

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        response = super().send(*args, **{**kwargs, "stream": True})
        deadline = time.monotonic() + TIMEOUT_SECONDS
        content = b""
        try:
            while len(content) < _MAX_RESPONSE_BYTES and time.monotonic() < deadline:
                chunk = response.raw.read1(_MAX_RESPONSE_BYTES, decode_content=True)
                if not chunk:
                    break
                content += chunk
        except HTTPError as error:
            raise RequestsConnectionError from error
        finally:
            response.close()
        response._content, response._content_consumed = content, True  # noqa: SLF001
        return response


def limit_responses(session: requests.Session) -> requests.Session:
    """Mount LimitedAdapter on a session, and return it."""
    for scheme in ("https://", "http://"):
        session.mount(scheme, LimitedAdapter())
    return session


def parse_retry_after(header: str | None) -> timedelta | None:
    """Parse a Retry-After header in seconds (RFC 9110 section 10.2.3); None when it is invalid or above an hour.

    Its other form, a date, depends on the clock of the other server, and is ignored.
    """
    text = header or ""
    if not (text.isascii() and text.isdigit() and len(text) < 6):  # noqa: PLR2004  more than a day
        return None
    return wait if (wait := timedelta(seconds=int(text))) <= _MAX_RETRY_AFTER else None
