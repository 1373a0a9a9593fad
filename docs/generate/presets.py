"""Tables of what the package has by name: measures of collections, recipes, experiments."""

from typing import Literal

import yaml

from docs.generate.recipe import cell
from i3_pyserini.formats.datasets import PRESETS
from i3_pyserini.shipped import find_shipped, shipped


def measures() -> str:
    """The presets of `eval`."""
    rows = [
        f"| `{name}` | {cell(', '.join(one.measures))} | {cell(one.note)} |\n"
        for name, one in PRESETS.items()
    ]
    return f"| preset | measures | note |\n| --- | --- | --- |\n{''.join(rows)}"


def recipes() -> str:
    """The recipes of `train`, with the comments that they begin with."""
    rows = [f"| `{name}` | {cell(_first_comment(name))} |\n" for name in shipped("recipe")]
    return f"| recipe | |\n| --- | --- |\n{''.join(rows)}"


def experiments() -> str:
    """The plans of `experiment steps` and the experiments of `experiment run`."""
    return "\n".join(_described(kind) for kind in ("plan", "experiment"))


def _described(kind: Literal["plan", "experiment"]) -> str:
    rows = []
    for name in shipped(kind):
        known = yaml.safe_load(find_shipped(kind, name).read_text(encoding="utf-8"))
        rows.append(f"| `{name}` | {cell(known['about'])} | {cell(known.get('needs', ''))} |\n")
    return f"| {kind} | | needs |\n| --- | --- | --- |\n{''.join(rows)}"


def _first_comment(name: str) -> str:
    lines = find_shipped("recipe", name).read_text(encoding="utf-8").splitlines()
    said = []
    for line in lines:
        if not line.startswith("#"):
            break
        said.append(line.removeprefix("#").strip())
    return " ".join(said)
