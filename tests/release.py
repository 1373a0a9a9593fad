"""What would be published: built twice, checked, and its demo run on each Python.

    python -m tests.release python3.11 python3.12 python3.13

The files are in dist/. Each Python gets an environment of its own with the versions of
constraints.txt (6 GB where torch brings CUDA), which is removed afterwards.
"""

import argparse
import filecmp
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.skips import HERE

ROOT = HERE.parent
MOST = 1_000_000  # bytes of a wheel
EXTRAS = "demo,java,train,serve,report"  # as `make demo` installs


def main() -> None:
    """Builds, checks, installs, and runs the demo; exits with 1 if something is wrong."""
    parser = argparse.ArgumentParser(description="Check what would be published.")
    parser.add_argument("pythons", nargs="+", help="names of Pythons, such as python3.12")
    pythons = parser.parse_args().pythons
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    files = built(ROOT / "dist")
    check(files)
    for python in pythons:
        print(f"{python}: the demo from {files[0].name} …", flush=True)
        shown(python, files[0])
    print(f"{' and '.join(file.name for file in files)}: fine on {', '.join(pythons)}")


def built(output: Path) -> list[Path]:
    """Builds the wheel and the source archive into a folder; returns them in this order."""
    command = (sys.executable, "-m", "build", "--no-isolation", "--outdir", str(output), str(ROOT))
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return [*output.glob("*.whl"), *output.glob("*.tar.gz")]


def check(files: Sequence[Path]) -> None:
    """Checks built files.

    Raises:
        SystemExit: what is wrong.
    """
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *files], check=True)
    if (size := files[0].stat().st_size) > MOST:
        raise SystemExit(f"{files[0].name} has {size:,} bytes, more than {MOST:,}")
    with tempfile.TemporaryDirectory() as folder:
        for one, other in zip(files, built(Path(folder)), strict=True):
            if not filecmp.cmp(one, other, shallow=False):
                raise SystemExit(f"{one.name}: built again, it has other bytes")


def shown(python: str, wheel: Path) -> None:
    """Installs the wheel for a Python, and runs the demo there, without the sources.

    Raises:
        CalledProcessError: one of both failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / "bin" / "python"
        subprocess.run([python, "-m", "venv", folder], check=True)
        install = ("pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt")
        subprocess.run([own, "-m", *install, f"{wheel}[{EXTRAS}]"], check=True)
        clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        subprocess.run([own, "-m", "i3_pyserini", "demo"], check=True, cwd=folder, env=clean)


if __name__ == "__main__":
    main()
