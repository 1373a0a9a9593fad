"""Downloads from the Hugging Face hub, verified with the hub's sizes and hashes."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi

# HTTPError is httpx's or httpx2's, whichever this version of the hub's client is built on.
from huggingface_hub.errors import (  # type: ignore[attr-defined]
    HfHubHTTPError,
    HTTPError,
    OfflineModeIsEnabled,
)

from i3_pyserini.data.catalog import HubFile
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import file_hash, publish_file, publish_folder

# RuntimeError: raised by the hub's large-file client for any failure.
UNREACHABLE = (HTTPError, OfflineModeIsEnabled, OSError, RuntimeError)
STAGING = ".hub"  # folder of incomplete downloads


@dataclass(frozen=True)
class Remote:
    """A file as the hub describes it.

    Attributes:
        name: its path in the repository.
        size: bytes; None if unknown.
        sha256: hash of files in the hub's large-file storage; None for others.
    """

    name: str
    size: int | None
    sha256: str | None


def fetch_from_hub(place: HubFile, target: Path) -> str:
    """Downloads a file or a whole repository; resumes interrupted downloads.

    Args:
        place: repository and file; the file may be in any folder.
        target: a file, or a folder if `place.file` is None.

    Returns:
        Its address with the revision.

    Raises:
        I3Error: the hub cannot be reached or refuses, has no such file, or sent other bytes than
            announced.
    """
    api = HfApi()
    try:
        revision, files = _list(api, place)
        chosen = files if place.file is None else [_find(files, place)]
        staging = target.parent / STAGING / place.repo.replace("/", "--")
        for remote in chosen:
            api.hf_hub_download(
                place.repo,
                remote.name,
                repo_type=place.type,
                revision=revision,
                local_dir=staging,
            )
            try:
                _compare(staging / remote.name, remote)
            except I3Error:
                (staging / remote.name).unlink()
                raise
        if place.file is None:
            shutil.rmtree(staging / ".cache", ignore_errors=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            publish_folder(staging, target)
        else:
            publish_file(staging / chosen[0].name, target)
    except UNREACHABLE as error:
        raise I3Error(f"cannot be downloaded ({_cause(error)})") from error
    return f"{place.page}/tree/{revision}"


def check_with_hub(place: HubFile, path: Path) -> bool:
    """Compares an existing file or folder with the hub.

    Returns:
        Whether the hub could be reached.

    Raises:
        I3Error: a file is missing, or has another size or hash.
    """
    try:
        _, files = _list(HfApi(), place)
    except UNREACHABLE:
        return False
    if place.file is not None:
        _compare(path, _find(files, place))
    for remote in files if place.file is None else []:
        if not (path / remote.name).is_file():
            raise I3Error(f"has no {remote.name}")
        _compare(path / remote.name, remote)
    return True


def _list(api: HfApi, place: HubFile) -> tuple[str, list[Remote]]:
    ask = api.dataset_info if place.type == "dataset" else api.model_info
    info = ask(place.repo, files_metadata=True)
    files = [
        Remote(entry.rfilename, entry.size, entry.lfs.sha256 if entry.lfs else None)
        for entry in info.siblings or []
    ]
    if not files or not info.sha:
        raise I3Error(f"the hub lists no files for {place.repo}")
    return info.sha, files


def _find(files: list[Remote], place: HubFile) -> Remote:
    found = [remote for remote in files if Path(remote.name).name == place.file]
    if not found:
        raise I3Error(f"{place.page} has no file {place.file!r}")
    return min(found, key=lambda remote: remote.name.count("/"))


def _compare(path: Path, remote: Remote) -> None:
    size = path.stat().st_size
    if remote.size is not None and size != remote.size:
        raise I3Error(f"{remote.name}: {size:,} bytes, expected {remote.size:,}")
    if remote.sha256 is not None and file_hash(path) != remote.sha256:
        raise I3Error(f"{remote.name}: wrong checksum (sha256 is not the hub's)")


def _cause(error: BaseException) -> str:
    if isinstance(error, HfHubHTTPError):
        code = getattr(error.response, "status_code", "?")
        return f"the hub returned {code}"
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set"
    if isinstance(error, HTTPError):
        return "no connection to the hub"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
