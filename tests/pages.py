"""Code of the documentation's pages, run as it stands there."""

import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def block(heading: str, language: str = "", page: str = "README.md") -> str:
    """The first code block under a heading of a page."""
    section = (ROOT / page).read_text(encoding="utf-8").split(f"\n## {heading}\n")[1]
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    return next(str(code) for name, code in blocks if name == language)


def run_code(code: str, folder: Path) -> str:
    """Runs Python code in a folder, in this process: another one would import torch again.

    Returns:
        What it prints.
    """
    said = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(said):
        exec(compile(code, "<page>", "exec"), {"__name__": "__main__"})  # noqa: S102  (ours)
    return said.getvalue()


def run_python(code: str, folder: Path | None = None, **environment: str) -> str:
    """The same in a process of its own, for code that changes it or that nothing may precede.

    Args:
        code: Python code.
        folder: where it runs; here by default.
        **environment: more variables; HF_HUB_OFFLINE is 1 by default.

    Returns:
        What it prints.
    """
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        encoding="utf-8",
        check=False,
        cwd=folder,
        env={**os.environ, "HF_HUB_OFFLINE": "1", **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
