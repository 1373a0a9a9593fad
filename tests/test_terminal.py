"""What is printed may have names and ids of files, but not what a terminal would obey."""

import json
import sys
from pathlib import Path

import pytest

from i3_pyserini.cli import run as run_command_line
from i3_pyserini.errors import I3Error, note, run_command
from i3_pyserini.terminal import CONTROLS, visible
from tests.formats.compressed import write

CLEAR = "\x1b[2J\x9b1m\u202e"


def test_control_characters_are_escapes() -> None:
    text = "".join(map(chr, range(0x2100)))
    shown = visible(text)
    assert not CONTROLS.search(shown) and len(shown) > len(text)
    assert visible(CLEAR) == r"\u001b[2J\u009b1m\u202e"
    assert json.loads(visible(json.dumps(CLEAR, ensure_ascii=False))) == CLEAR
    assert visible("a\tb\nc é 中 🥚") == "a\tb\nc é 中 🥚"


def test_notes(capsys: pytest.CaptureFixture[str]) -> None:
    note(f"a{CLEAR}\nb")
    assert capsys.readouterr().err == "note: a\\u001b[2J\\u009b1m\\u202e b\n"


def test_an_error_about_an_id(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    qrels = write(tmp_path / "qrels", f"q 0 {CLEAR} x\n")
    with pytest.raises(SystemExit):
        run_command(lambda: run_command_line(["eval", str(qrels), str(qrels)]))
    error = capsys.readouterr().err
    assert error.startswith("error: ") and not CONTROLS.search(error)


def test_a_table_with_a_run_s_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    qrels = write(tmp_path / "qrels", "q 0 d 1\n")
    run = write(tmp_path / f"{CLEAR}.txt", "q Q0 d 1 1 t\n")
    run_command_line(["eval", str(qrels), str(run), "--csv"])
    assert CLEAR in capsys.readouterr().out  # for another program
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    run_command_line(["eval", str(qrels), str(run)])
    shown = capsys.readouterr().out
    assert "\\u001b[2J" in shown and not CONTROLS.search(shown)


def test_the_middle_of_a_very_long_message_is_left_out() -> None:
    message = str(I3Error(f"file.tsv, line 1: id {'x' * 100_000} is empty; use another"))
    assert len(message) < 2000
    assert message.startswith("file.tsv, line 1: id xxx") and message.endswith("use another")
    assert " … " in message
