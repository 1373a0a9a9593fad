"""The diagram of docs/explanation/architecture.md: layers of the import rules, with docstrings.

python -m docs.generate.architecture [--check]
"""

import argparse
import ast
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "architecture.md"
START, END = "<!-- made by python -m docs.generate.architecture -->\n", "<!-- end -->\n"


def main() -> None:
    """Writes the diagram into the page, or exits with 1 if it has another one."""
    parser = argparse.ArgumentParser(description="The diagram of docs/explanation/architecture.md.")
    parser.add_argument("--check", action="store_true", help="compare only")
    checks = parser.parse_args().check
    page = PAGE.read_text(encoding="utf-8")
    made = with_diagram(page)
    if checks and made != page:
        raise SystemExit(f"{PAGE}: layers have changed; run: python -m docs.generate.architecture")
    PAGE.write_text(made, encoding="utf-8")


def with_diagram(page: str) -> str:
    """The page with the diagram of today's code."""
    before, rest = page.split(START)
    return f"{before}{START}```text\n{diagram()}```\n{END}{rest.split(END)[1]}"


def diagram() -> str:
    """The layers from top to bottom: a line for each part, and an arrow between layers."""
    width = max(len(name) for layer in layers() for name in layer)
    blocks = ("".join(f"{name:<{width}}  {_says(name)}\n" for name in layer) for layer in layers())
    return f"{'↓':>4}\n".join(blocks)


def layers() -> list[list[str]]:
    """The parts of the package by layer, as pyproject.toml has them."""
    known = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = known["tool"]["importlinter"]["contracts"]
    listed = next(one["layers"] for one in contracts if one["type"] == "layers")
    return [layer.split(" | ") for layer in listed]


def _says(name: str) -> str:
    """The first sentence of a part's docstring."""
    path = ROOT / "i3_pyserini" / name
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return said.partition("\n\n")[0].replace("\n", " ").replace("`", "").rstrip(".")


if __name__ == "__main__":
    main()
