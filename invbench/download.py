"""One file from the web: whole, or not at all."""

from __future__ import annotations

import hashlib
import html
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from invbench.errors import DataError

if TYPE_CHECKING:
    from requests import Response

TIMEOUT = (20, 60)  # seconds to connect, and between two pieces
PIECE = 1024**2


def download(url: str, path: Path) -> tuple[str, bool]:
    """Download an address into a file; returns its SHA-256, and whether the server gave a length.

    The address may be ``pypi:PROJECT/FILE``, a file of the package index that PIP_INDEX_URL names, or of pypi.org.

    Raises DataError with the reason: no connection, an answer that is not a file, or an incomplete one; OSError of the
    disk.
    """
    import requests

    host = url
    try:
        url = _in_index(*url.removeprefix("pypi:").split("/")) if url.startswith("pypi:") else url
        host = urlsplit(url).hostname or url
        with requests.get(url, stream=True, timeout=TIMEOUT, headers={"Accept-Encoding": "identity"}) as response:
            if not response.ok:
                raise DataError(f"{response.status_code} {response.reason}")
            return _save(response, path)
    except requests.Timeout:
        raise DataError(f"{host} did not answer") from None
    except requests.exceptions.SSLError:
        raise DataError(f"no safe connection to {host}: its certificate is not accepted") from None
    except requests.exceptions.ProxyError:
        raise DataError(f"the proxy on the way to {host} did not answer") from None
    except requests.ConnectionError:
        raise DataError(f"no connection to {host}") from None
    except requests.exceptions.ChunkedEncodingError:
        raise DataError(f"the connection to {host} broke off; run the same command again") from None
    except (requests.RequestException, ValueError) as error:
        raise DataError(f"not a web address, or an invalid answer: {type(error).__name__}") from None


def _in_index(project: str, filename: str) -> str:
    """The address of a project's file, from the project's page (PEP 503). Raises DataError if it is not there."""
    import requests

    page = f"{os.environ.get('PIP_INDEX_URL', 'https://pypi.org/simple').rstrip('/')}/{project}/"
    response = requests.get(page, timeout=TIMEOUT, headers={"Accept": "text/html"})
    links = re.findall(r"""href=["']([^"'#]+)""", response.text) if response.ok else []
    for link in links:
        if link.rpartition("/")[2] == filename:
            return urljoin(page, html.unescape(link))
    raise DataError(f"{page} lists no {filename}; PIP_INDEX_URL names another index")


def _save(response: Response, path: Path) -> tuple[str, bool]:
    length, sha256, received = _length(response), hashlib.sha256(), 0
    with path.open("xb") as file, _bar(path.name, length) as advance:
        for piece in response.iter_content(PIECE):
            if not received and piece.lstrip()[:9].lower().startswith((b"<!doctype", b"<html")):
                raise DataError("the server sent a web page, not the file")
            file.write(piece)
            sha256.update(piece)
            received += len(piece)
            advance(len(piece))
        file.flush()
        os.fsync(file.fileno())
    if length is not None and received != length:
        raise DataError(f"it broke off after {received} of {length} bytes; run the same command again")
    if not received:
        raise DataError("the server sent an empty file")
    return sha256.hexdigest(), length is not None or "chunked" in response.headers.get("Transfer-Encoding", "").lower()


def _length(response: Response) -> int | None:
    """Bytes that the server announced, if it did; not of a compressed answer."""
    length = response.headers.get("Content-Length", "")
    packed = response.headers.get("Content-Encoding", "identity") != "identity"
    return int(length) if length.isdecimal() and not packed else None


@contextmanager
def _bar(name: str, length: int | None) -> Iterator[Callable[[int], object]]:
    """A progress bar on a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not sys.stderr.isatty()
    ) as bar:
        task = bar.add_task(name, total=length)
        yield lambda count: bar.advance(task, count)
