"""The notebooks of examples/: how they are executed, and what their cells show.

python -m tests.notebooks [NAME…] executes them, all by default, and stores what they show.
"""

import argparse
import os
import re
import shutil
import tempfile
from html import unescape
from pathlib import Path
from typing import Any
from unittest.mock import patch

import nbformat
from nbclient import NotebookClient

from i3_pyserini.stock.java import java_environment
from tests.pages import ROOT

EXAMPLES = ROOT / "examples"
NOTEBOOKS = {path.stem: path for path in sorted(EXAMPLES.glob("*.ipynb"))}
TIMEOUT = 3600  # seconds, of a cell on a busy machine
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
QUIET = {
    **dict.fromkeys(("HF_HUB_OFFLINE", "HF_HUB_DISABLE_PROGRESS_BARS", "TQDM_DISABLE"), "1"),
    "PYTHONWARNINGS": "ignore:IProgress not found",  # tqdm's, where ipywidgets are not installed
}
JUPYTER = ("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")
MACHINE = re.compile(r"/(home|root|tmp|usr|Users|work)/|site-packages")


def main() -> None:
    """Executes notebooks and replaces their files."""
    parser = argparse.ArgumentParser(description="Execute notebooks of examples/ and store them.")
    parser.add_argument("names", nargs="*", help=f"default: {', '.join(NOTEBOOKS)}")
    for name in parser.parse_args().names or NOTEBOOKS:
        with tempfile.TemporaryDirectory() as folder:
            notebook = executed(NOTEBOOKS[name], Path(folder))
        for cell in Shown(notebook).cells:
            if MACHINE.search(str(cell.outputs)):
                raise SystemExit(f"{name}: names this machine:\n{cell.source}\n{cell.outputs}")
        nbformat.write(notebook, NOTEBOOKS[name])
        print(f"wrote {NOTEBOOKS[name].relative_to(ROOT)}")


def executed(path: Path, folder: Path) -> Any:
    """A notebook after all of its cells have run, without a network and progress bars.

    Args:
        path: the notebook.
        folder: an empty one: the notebook runs in `examples` in it, beside a copy of their data.
    """
    here = folder / "examples"
    shutil.copytree(EXAMPLES, here, ignore=lambda _, names: {*map(folder_of, NOTEBOOKS)} & {*names})
    notebook = nbformat.read(path, as_version=4)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        if cell.cell_type == "code":
            cell.update(outputs=[], execution_count=None)
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT,
        kernel_name=KERNEL["name"],
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(here)}},
    )
    jupyter = dict.fromkeys(JUPYTER, str(folder / "jupyter"))
    # With a Java that suits Pyserini, none is named in what is shown.
    with patch.dict(os.environ, {**jupyter, **QUIET, **java_environment()}):
        client.execute()
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    return notebook


def folder_of(name: str) -> str:
    """Where a notebook writes, beside itself."""
    return name.replace("_", "-")


class Shown:
    """What the cells of a notebook show."""

    def __init__(self, notebook: Any) -> None:
        self.cells = [cell for cell in notebook.cells if cell.cell_type == "code"]

    def outputs(self, source: str) -> list[Any]:
        """Of the one cell that has this in its source."""
        (cell,) = (cell for cell in self.cells if source in cell.source)
        return list(cell.outputs)

    def value(self, source: str, kind: str = "text/plain") -> str:
        """What the cell's last line is."""
        (shown,) = (one for one in self.outputs(source) if one.output_type == "execute_result")
        return str(shown.data[kind])

    def rows(self, source: str) -> list[list[str]]:
        """Of a table in HTML, without its header."""
        return [row for row in _cells(self.value(source, "text/html"), "td") if row]

    def table(self, source: str) -> list[dict[str, str]]:
        """Of a table in HTML, by its header's names; "" for pandas' index."""
        html = self.value(source, "text/html")
        values = zip(_cells(html, "t[hd]"), _cells(html, "td"), strict=True)
        header, *rows = (row for row, own in values if own or "" not in row[1:])
        return [dict(zip(header, row, strict=True)) for row in rows]

    def printed(self, source: str) -> str:
        """What the cell wrote to the standard output."""
        return self._stream(source, "stdout")

    def said(self, source: str) -> str:
        """What the cell wrote to the standard error."""
        return self._stream(source, "stderr")

    def outline(self) -> list[list[str]]:
        """By cell, the kinds of its results and the headers of its tables: the same everywhere."""
        return [[part for one in cell.outputs for part in _outline(one)] for cell in self.cells]

    def _stream(self, source: str, name: str) -> str:
        found = self.outputs(source)
        streams = [one for one in found if one.output_type == "stream" and one.name == name]
        return "".join(one.text for one in streams)


def _outline(output: Any) -> list[str]:
    """Nothing of what is printed: notes depend on the machine."""
    if output.output_type not in ("execute_result", "display_data"):
        return []
    header = next(iter(_cells(output.data.get("text/html", ""), "th")), [])
    return [output.output_type, *sorted(output.data), *header]


def _cells(html: str, tag: str) -> list[list[str]]:
    """By row of a table, the texts of its cells of a kind."""
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", html, re.DOTALL)
    cell = re.compile(rf"<{tag}\b[^>]*>(.*?)</{tag}>", re.DOTALL)
    return [
        [unescape(re.sub(r"<[^>]+>", "", text)).strip() for text in cell.findall(row)]
        for row in rows
    ]


if __name__ == "__main__":
    main()
