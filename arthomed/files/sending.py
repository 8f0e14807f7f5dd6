"""Sends a stored file or its thumbnail: from here, through the web server in front, or from the bucket."""

from werkzeug.wrappers import Response

from arthomed.core.errors import NotFound
from arthomed.files import file_store
from arthomed.files.service.downloading import Download
from arthomed.files.storage import FileMissing
from arthomed.http import files


def send(download: Download, *, is_shown: bool = False) -> Response:
    """The file as a download; `is_shown` in a page, so never from another host.

    Raises:
        NotFound: it was deleted a moment ago, or is lost, which the nightly purge detects.
    """
    storage = file_store.current().storage
    url = None if is_shown else storage.download_url(download.key, download.name, download.mime_type)
    if url:
        return files.redirect_to_storage(url)
    try:
        stored = storage.stat(download.key)
    except FileMissing as error:
        raise NotFound from error
    accel_path = storage.accel_path(download.key)
    return files.send_file(
        lambda start: storage.open(download.key, start),
        size=stored.size,
        name=download.name,
        mime_type=download.mime_type,
        etag=download.etag if accel_path is None else stored.etag,
        stored_at=stored.stored_at,
        accel_path=accel_path,
        is_shown=is_shown,
    )
