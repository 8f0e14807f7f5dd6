"""Asking other servers over HTTP without trusting them to end."""

import time
from datetime import timedelta
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectionError as RequestsConnectionError
from urllib3.exceptions import HTTPError

TIMEOUT_SECONDS = 10
_LONGEST_ANSWER = 64 * 1024
_LONGEST_WAIT = timedelta(hours=1)


class Bounded(HTTPAdapter):
    """Reads no more of an answer than a sane one has, nor for longer: the rest of it is left."""

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        response = super().send(*args, **{**kwargs, "stream": True})
        deadline = time.monotonic() + TIMEOUT_SECONDS
        read = b""
        try:
            while len(read) < _LONGEST_ANSWER and time.monotonic() < deadline:
                piece = response.raw.read1(_LONGEST_ANSWER, decode_content=True)
                if not piece:
                    break
                read += piece
        except HTTPError as error:
            raise RequestsConnectionError from error
        finally:
            response.close()
        response._content, response._content_consumed = read, True  # noqa: SLF001
        return response


def bounded(session: requests.Session) -> requests.Session:
    """The same session, with bounded answers."""
    for scheme in ("https://", "http://"):
        session.mount(scheme, Bounded())
    return session


def wait_asked(retry_after: str | None) -> timedelta | None:
    """What a Retry-After header asks for, in seconds (RFC 9110 section 10.2.3); None unless it is sane.

    Its other form, a date, is the other side's clock, and not taken.
    """
    text = retry_after or ""
    if not (text.isascii() and text.isdigit() and len(text) < 6):  # noqa: PLR2004  beyond a day
        return None
    return wait if (wait := timedelta(seconds=int(text))) <= _LONGEST_WAIT else None
