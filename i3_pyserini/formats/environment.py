"""What a process runs on: hardware, system, versions, command line; for the metadata of runs."""

import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from shutil import which
from typing import Any

from i3_pyserini import __version__
from i3_pyserini.system import memory, processor
from i3_pyserini.threads import usable_cpus

TOOLKITS = ("pyserini",)
LIBRARIES = ("faiss-cpu", "numpy", "polars", "tokenizers")
# Those that say something of a run only if it was made with them.
LOADED = {"torch": "torch", "transformers": "transformers", "pymilvus": "pymilvus"}
LOADED |= {"qdrant_client": "qdrant-client"}
LOADED |= {"sentence_transformers": "sentence-transformers", "openvino": "openvino"}
LOADED |= {"onnxruntime": "onnxruntime"}
SECRET = re.compile(r"--?(?:.*[-_.])?(?:key|token|password|passwd|secret|credentials?)", re.I)
LOGIN = re.compile(r"(?<=://)[^/@\s]+@")  # of an address
HIDDEN = "***"


def command() -> str:
    """The command line of this process, with all arguments; passwords are hidden."""
    words = sys.argv or [""]
    module = getattr(sys.modules.get("__main__"), "__spec__", None)
    if module is not None:
        start = ["python", "-m", module.name.removesuffix(".__main__")]
    elif Path(words[0]).suffix == ".py":
        start = ["python", words[0]]
    else:
        start = [Path(words[0]).name or "python"]
    return shlex.join([*start, *without_secrets(words[1:])])


def without_secrets(words: Sequence[str]) -> list[str]:
    """Words of a command line, with `***` for keys, tokens and passwords."""
    shown: list[str] = []
    hide = False
    for word in words:
        name, equals, _ = word.partition("=")
        if hide and not word.startswith("--"):
            shown.append(HIDDEN)
        elif equals and SECRET.fullmatch(name):
            shown.append(f"{name}={HIDDEN}")
        else:
            shown.append(without_login(word))
        hide = not hide and not equals and bool(SECRET.fullmatch(word))
    return shown


def without_login(address: str) -> str:
    """An address without user and password."""
    return LOGIN.sub(f"{HIDDEN}@", address)


def now() -> str:
    """The time in UTC, as `2026-11-29T07:00:00Z`; that of SOURCE_DATE_EPOCH if it is set."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    known = datetime.fromtimestamp(int(epoch), UTC) if epoch.isdecimal() else datetime.now(UTC)
    return known.strftime("%Y-%m-%dT%H:%M:%SZ")


def platform_section() -> dict[str, Any]:
    """The section `platform`: hardware, operating system, and versions of software."""
    return {
        "hardware": _hardware(),
        "operating system": {"kernel": f"{platform.system()} {platform.release()}"}
        | ({"distribution": found} if (found := _distribution()) else {}),
        "software": {
            "libraries": {"python": _libraries()},
            "retrieval toolkit": [f"i3_pyserini=={__version__}", *_versions(TOOLKITS)],
        },
    }


def implementation_section() -> dict[str, Any]:
    """The section `implementation`: the command, and the commit of a checkout."""
    commit = _commit()
    source = {"lang": ["python"]} | ({"commit": commit} if commit else {})
    return {"executable": {"cmd": command()}, "source": source}


def _libraries() -> list[str]:
    loaded = [package for module, package in LOADED.items() if module in sys.modules]
    return [f"python=={platform.python_version()}", *_versions((*LIBRARIES, *loaded))]


def _versions(packages: Sequence[str]) -> list[str]:
    return [f"{name}=={known}" for name in packages if (known := _version(name))]


@cache
def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _hardware() -> dict[str, Any]:
    cpu: dict[str, Any] = {"model": processor(), "architecture": platform.machine()}
    cpu["number of cores"] = usable_cpus()  # those that this process may use
    hardware: dict[str, Any] = {"cpu": {name: value for name, value in cpu.items() if value}}
    if size := memory():
        hardware["ram"] = f"{size / 2**30:.0f} GB"
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        hardware["gpu"] = {"architecture": torch.cuda.get_device_name()}
    return hardware


@cache
def _distribution() -> str | None:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME")
    except OSError:
        return f"macOS {platform.mac_ver()[0]}" if platform.mac_ver()[0] else None


@cache
def _commit() -> str | None:
    """The commit of the checkout that this package is in; None for an installed package."""
    checkout, git = Path(__file__).parents[2], which("git")
    if git is None or not (checkout / ".git").exists():
        return None
    words = [git, "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=40"]
    words += ["--exclude=*"]
    try:
        # Not `processes.run`, which listens to signals and so needs the main thread.
        done = subprocess.run(  # noqa: S603  (git, our own arguments)
            words, capture_output=True, encoding="utf-8", timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
