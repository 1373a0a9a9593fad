"""Recipes, plans and experiments included in the package, found by name."""

from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from i3_pyserini.errors import I3Error

RECIPES = Path(__file__).parent / "recipes"
FOLDERS = {"recipe": RECIPES, "plan": RECIPES / "plans", "experiment": RECIPES / "experiments"}


def shipped(kind: Literal["recipe", "plan", "experiment"], folder: Path | None = None) -> list[str]:
    """The names of all files of a kind, sorted."""
    return sorted(path.stem for path in (folder or FOLDERS[kind]).glob("*.yaml"))


def find_shipped(
    kind: Literal["recipe", "plan", "experiment"], name: str | Path, folder: Path | None = None
) -> Path:
    """Finds a file by its path, or by the name of one included in the package.

    Args:
        kind: what to find, such as "recipe".
        name: a path, or a name without suffix.
        folder: another folder to search for names.

    Raises:
        I3Error: neither exists; the message suggests similar names.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or path.exists():
        return path
    names = shipped(kind, folder)
    if str(name) in names:
        return (folder or FOLDERS[kind]) / f"{name}.yaml"
    close = get_close_matches(str(name), names, n=1)
    hint = f"did you mean {close[0]}?" if close else f"available: {', '.join(names) or 'none'}"
    article = "an" if kind == "experiment" else "a"
    raise I3Error(f"{name}: neither a file nor {article} {kind} of this package; {hint}")
