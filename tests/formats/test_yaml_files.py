"""YAML that is wrong is one line that names the file, and what is wrong in which line."""

import re
from pathlib import Path

import pytest

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.yaml_files import parse_yaml, read_yaml

WRONG = {
    "a: [\n": "not valid YAML: .* \\(in line 2\\)",
    "a: 1\nb: c: d\n": "mapping values are not allowed here \\(in line 2\\)",
    "a: \x00\n": "special characters are not allowed",
    "a: *b\n": "undefined alias 'b' \\(in line 1\\)",
    "a: !!python/object:os.system {}\n": "could not determine a constructor",
    "? [a]\n: b\n? {c: d}\n: e\n": "unhashable key",
    "a: !!bool maybe\n": "maybe",
    "a: !!int ''\n": "",
    "a: !!timestamp soon\n": "",
    "a: 2020-13-01\n": "month must be in 1..12",
    "[" * 5000: "recursion",
}


@pytest.mark.parametrize("text", WRONG)
def test_wrong_yaml(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(I3Error) as error:
        read_yaml(path)
    message = str(error.value)
    assert message.startswith(f"{path}: not valid YAML: ")
    assert re.search(WRONG[text], message)
    assert "\n" not in message


@pytest.mark.parametrize("text", ["a: &b 1\nc: *b", "a: !!binary eA==", "a: !!set {b}"])
def test_what_json_has_not(text: str) -> None:
    assert parse_yaml(text, "here")
    with pytest.raises(I3Error, match="here: not valid YAML: "):
        parse_yaml(text, "here", as_json=True)


def test_dates_are_text_in_json() -> None:
    assert parse_yaml("a: 2026-01-02", "here", as_json=True) == {"a": "2026-01-02"}
