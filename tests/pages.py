"""Code of the documentation's pages, to run it as it stands there."""

import contextlib
import io
import os
import re
import subprocess
import sys
from dataclasses import dataclass
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


# What begins a line of a shell; of other blocks without a language (outputs, folders) none has it.
PROGRAM = re.compile(
    r"(?:\$ )?(?:[A-Z_]+=\S+ )*"
    r"(?:i3-pyserini|python3?|make|pip|curl|docker|export|head|jq|java|torchrun) "
)
FENCE = re.compile(
    r"^(?:<!-- (?P<mark>tested|needs): (?P<value>[^\n]+) -->\n\s*)?^```(?P<language>\w*)\n"
    r"(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """A block of commands.

    Attributes:
        page: where it stands.
        line: its first one.
        text: what it says.
        mark: "tested", "needs", or neither.
        values: the tests that run it, or what it needs.
    """

    page: str
    line: int
    text: str
    mark: str
    values: tuple[str, ...]

    def commands(self) -> list[str]:
        """Its commands, each on one line, without comments and what is printed."""
        lines = re.sub(r" *\\\n *", " ", self.text).splitlines()
        if any(line.startswith("$ ") for line in lines):
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        bare = (re.sub(r"(^|\s)#.*", "", line).strip().removesuffix("&&") for line in lines)
        return [line.strip() for line in bare if line]


def command_blocks(page: str) -> list[Block]:
    """The blocks of a page that have commands for a shell."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = []
    for one in FENCE.finditer(text):
        shell = one["language"] in ("sh", "bash", "console")
        if shell or (not one["language"] and _has_command(one["text"])):
            line = text.count("\n", 0, one.start("text")) + 1
            values = tuple((one["value"] or "").split(", "))
            found.append(Block(page, line, one["text"], one["mark"] or "", values))
    return found


def _has_command(text: str) -> bool:
    return any(PROGRAM.match(line) for line in text.splitlines())
