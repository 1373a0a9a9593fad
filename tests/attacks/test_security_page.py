"""Every defence that SECURITY.md names has the tests that it names."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_line_has_its_tests() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (?!comes|---)(.*) \|$", text, re.MULTILINE)
    assert len(rows) > 20
    for row in rows:
        named = re.findall(r"`(tests/\S+?)::(test_\w+)`", row.rpartition(" | ")[2])
        assert named, row
        for file, function in named:
            tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
            defined = {one.name for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)}
            assert function in defined, f"{file} has no {function}"
