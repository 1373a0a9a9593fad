"""Downloads files from the web, with resuming."""

from collections.abc import Mapping
from pathlib import Path

import requests
from tqdm import tqdm

from i3_pyserini import __version__
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import publish_file

BLOCK = 1 << 16  # data lost at most by a broken connection
TIMEOUT = 30  # seconds without data
PARTIAL, OK = 206, 200
NOT_SATISFIABLE = 416


def download(url: str, target: Path, headers: Mapping[str, str] | None = None) -> None:
    """Downloads a file; resumes an interrupted download in `target.part`.

    It resumes only if the file on the server is still the same (by ETag or date).

    Args:
        url: the address, http or https.
        target: the file; it appears when the download is complete.
        headers: additional request headers.

    Raises:
        I3Error: the server cannot be reached, refuses, or sent less than announced.
    """
    part, tag = _side(target, ".part"), _side(target, ".part.tag")
    target.parent.mkdir(parents=True, exist_ok=True)
    have = part.stat().st_size if part.exists() and tag.exists() else 0
    asked = {"User-Agent": f"i3_pyserini/{__version__}", "Accept-Encoding": "identity"}
    asked |= dict(headers or {})
    if have:
        asked |= {"Range": f"bytes={have}-", "If-Range": tag.read_text(encoding="utf-8")}
    try:
        with requests.get(url, headers=asked, stream=True, timeout=TIMEOUT) as response:
            if response.status_code == NOT_SATISFIABLE:  # already complete, or another file
                part.unlink()
                return download(url, target, headers)
            if response.status_code not in (OK, PARTIAL):
                reason = response.reason or "refused"
                raise I3Error(f"the server returned {response.status_code} {reason}")
            _receive(response, part, tag, have if response.status_code == PARTIAL else 0)
    except requests.RequestException as error:
        raise I3Error(f"cannot be downloaded ({_cause(error)})") from error
    tag.unlink(missing_ok=True)  # before the name, by which nobody looks for a tag
    publish_file(part, target)
    return None


def _receive(response: requests.Response, part: Path, tag: Path, have: int) -> None:
    version = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
    if not have:  # before the tag of another version is there, which a killed process would leave
        part.unlink(missing_ok=True)
    # A weak ETag does not guarantee the same bytes, so a later call must start over.
    if version and not version.startswith("W/"):
        tag.write_text(version, encoding="utf-8", newline="\n")
    else:
        tag.unlink(missing_ok=True)
    length = response.headers.get("Content-Length")
    total = have + int(length) if length else None
    with (
        part.open("ab" if have else "wb") as file,
        tqdm(
            desc=part.name.removesuffix(".part"),
            total=total,
            initial=have,
            unit="B",
            unit_scale=True,
        ) as progress,
    ):
        for block in response.iter_content(BLOCK):
            file.write(block)
            progress.update(len(block))
    if total is not None and part.stat().st_size != total:
        raise I3Error(f"only {part.stat().st_size:,} of {total:,} bytes received")


def _side(target: Path, suffix: str) -> Path:
    return target.with_name(target.name + suffix)


def _cause(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return f"no data received for {TIMEOUT} seconds"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection was interrupted; the same command resumes"
    return type(error).__name__
