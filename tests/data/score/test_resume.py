"""An interrupted scoring is resumed, to the byte."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.data.scoring import BLOCK, Scoring, score
from i3_pyserini.errors import I3Error
from tests.data.score.conftest import OPTIONS, Make, leftovers, many, scoring, written


@pytest.mark.slow
def test_a_resumed_run_is_the_same_to_the_byte(task: Path, teacher: str) -> None:
    """Every place at which a run can be torn off, at and around the ends of lines and blocks."""
    many(task, 2 * BLOCK + 9)
    score(scoring(task, teacher), task / "whole")
    whole = (task / "whole").read_bytes()
    ends = [n for n, byte in enumerate(whole, start=1) if byte == ord("\n")]
    cuts = {
        ends[BLOCK - 1] - 1: 0,
        ends[BLOCK - 1]: BLOCK,
        ends[BLOCK - 1] + 1: BLOCK,
        ends[BLOCK + 3]: BLOCK,
        ends[2 * BLOCK - 1]: 2 * BLOCK,
        ends[-1] - 1: 2 * BLOCK,
        ends[-1]: 2 * BLOCK + 9,
    }
    for cut, resumed in cuts.items():
        output = task / "torn"
        begin(task, teacher, whole[:cut])
        assert score(scoring(task, teacher), output).resumed == resumed
        assert output.read_bytes() == whole
        output.unlink()
    assert leftovers(task) == []


def begin(task: Path, teacher: str, content: bytes, **mined: Any) -> None:
    """Leaves what an interrupted run to the output "torn" would leave."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("i3_pyserini.formats.journal.Journal.finish", lambda _: None)
        patch.setattr("i3_pyserini.data.scoring._score", lambda *_: ["replaced below"])
        score(scoring(task, teacher, **mined), task / "torn")
    (task / ".torn.partial").write_bytes(content)


@pytest.mark.slow
def test_what_is_no_line_of_the_run_is_scored_again(task: Path, teacher: str) -> None:
    many(task, 2 * BLOCK)
    score(scoring(task, teacher), task / "whole")
    whole = (task / "whole").read_bytes()
    lines = whole.splitlines(keepends=True)
    for bad in (b"\0" * 80 + b"\n", b"[]\n", lines[0], b'{"positives": 1, "negatives": 2}\n'):
        begin(task, teacher, b"".join([*lines[: BLOCK + 1], bad, *lines[BLOCK + 2 :]]))
        assert score(scoring(task, teacher), task / "torn").resumed == BLOCK
        assert (task / "torn").read_bytes() == whole
        (task / "torn").unlink()


@pytest.mark.slow
def test_a_killed_command_goes_on(task: Path, teacher: str) -> None:
    many(task, 3 * BLOCK)
    options = replace(OPTIONS, batch_size=1)
    whole, output = task / "whole", task / "kd.jsonl"
    score(scoring(task, teacher, options), whole)
    flags = f"--teacher {teacher} --max-length 24 --batch-size 1 --device cpu --output {output}"
    files = f"--negatives {task}/n.tsv --topics {task}/q.tsv --qrels {task}/r.txt"
    command = f"-m i3_pyserini data score {flags} {files} --corpus {task}/c.tsv"
    partial = task / ".kd.jsonl.partial"
    with subprocess.Popen([sys.executable, *command.split()], stderr=subprocess.PIPE) as process:
        while not (partial.exists() and partial.stat().st_size):
            assert process.poll() is None
            time.sleep(0.005)
        with pytest.raises(I3Error, match="another process is writing it"):
            score(scoring(task, teacher, options), output)
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not output.exists()
    done = score(scoring(task, teacher, options), output)
    assert 0 < done.resumed < 3 * BLOCK
    assert done.resumed % BLOCK == 0
    assert output.read_bytes() == whole.read_bytes()
    assert leftovers(task) == []


@pytest.mark.slow
def test_other_settings_do_not_resume(task: Path, teacher: str, make_teacher: Make) -> None:
    many(task, BLOCK + 1)
    score(scoring(task, teacher), task / "whole")
    first = (task / "whole").read_bytes().splitlines(keepends=True)[:BLOCK]
    begin(task, teacher, b"".join(first))
    same = scoring(task, teacher)

    def refused(other: Scoring) -> str:
        with pytest.raises(I3Error, match="begun with other settings") as error:
            score(other, task / "torn")
        return str(error.value)

    for setting, said in (
        ({"template": "{text}"}, r"(template: {title} {text} -> {text})"),
        ({"max_length": 20}, "(max length: 24 -> 20)"),
        ({"dtype": "bf16"}, "(dtype: fp32 -> bf16)"),
    ):
        options = replace(OPTIONS, **setting)
        assert said in refused(replace(same, options=options))
    assert "(max negatives: None -> 2)" in refused(scoring(task, teacher, max_negatives=2))
    assert "(min relevance: 1 -> 0)" in refused(scoring(task, teacher, min_relevance=0))
    other = refused(replace(same, teacher=make_teacher(bias=0.5)))
    assert "(model model.safetensors: " in other
    for name, kind in (("n.tsv", "negatives"), ("q.tsv", "queries"), ("c.tsv", "collection")):
        content = (task / name).read_bytes()
        (task / name).write_bytes(content + b"\n")
        assert f"({kind}: " in refused(same)
        (task / name).write_bytes(content)
    assert score(same, task / "torn").resumed == BLOCK  # by content: the files' times do not matter
    assert (task / "torn").read_bytes() == (task / "whole").read_bytes()


def test_another_batch_size_resumes(task: Path, teacher: str) -> None:
    """Whoever runs out of memory after hours must be able to go on."""
    many(task, BLOCK + 1)
    score(scoring(task, teacher), task / "whole")
    first = (task / "whole").read_bytes().splitlines(keepends=True)[:BLOCK]
    begin(task, teacher, b"".join(first))
    smaller = scoring(task, teacher, replace(OPTIONS, batch_size=1))
    assert score(smaller, task / "torn").resumed == BLOCK


def test_overwrite_begins_anew_with_other_settings(task: Path, teacher: str) -> None:
    begin(task, teacher, b"{}\n")
    (task / "torn").write_text("older", encoding="utf-8")
    other = scoring(task, teacher, max_negatives=1)
    with pytest.raises(I3Error, match="torn: exists"):
        score(other, task / "torn")
    assert score(other, task / "torn", overwrite=True).resumed == 0
    assert [line["negatives"]["doc_id"] for line in written(task / "torn")] == [["p4"], ["p2"]]
    assert leftovers(task) == []
