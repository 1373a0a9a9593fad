"""What the package promises about itself: quick imports, one door to pyserini, its commands."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import i3_pyserini
from i3_pyserini.__main__ import COMMANDS

PACKAGE = Path(i3_pyserini.__file__).parent
HEAVY = ("torch", "transformers", "pyserini", "pandas", "faiss")


@pytest.mark.parametrize(
    "code",
    [
        "import i3_pyserini",
        "import i3_pyserini.model.convert",
        "import i3_pyserini.model.explain",
        "import i3_pyserini.formats.jsonl, i3_pyserini.errors",
    ],
)
def test_imports_are_light(code: str) -> None:
    check = f"import sys; {code}; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_only_the_plugin_imports_pyserini() -> None:
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            imported = {name.split(".")[0] for name in names}
            assert "pyserini" not in imported or file.name == "plugin.py", file


def test_public_names() -> None:
    for name in i3_pyserini.__all__:
        assert getattr(i3_pyserini, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'I4'"):
        _ = i3_pyserini.I4


def test_list_of_commands() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "i3_pyserini"], capture_output=True, text=True, check=True
    )
    wrong = subprocess.run(
        [sys.executable, "-m", "i3_pyserini", "bogus"], capture_output=True, text=True, check=False
    )
    assert (wrong.returncode, len(wrong.stderr.splitlines())) == (2, 1)
    for module in COMMANDS:
        assert f"python -m {module}" in done.stdout
        path = PACKAGE.parent / Path(*module.split("."))
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()
