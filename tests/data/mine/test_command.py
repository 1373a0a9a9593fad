"""The command `data mine`, and what is refused."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from i3_pyserini import cli
from i3_pyserini.data.mining import Outputs, Sources, mine
from i3_pyserini.data.negatives import Selection
from i3_pyserini.errors import I3Error
from tests.conftest import Run, numbers
from tests.data.mine.conftest import (
    COLLECTION,
    HITS,
    QRELS,
    TOPICS,
    command,
    left,
    mined,
    outputs,
    scored,
    trec,
    with_run,
    with_teacher,
)


def test_inputs_that_do_not_fit_are_named(sources: Sources) -> None:
    def refused(said: str, **changed: str) -> None:
        for name, content in changed.items():
            getattr(sources, name).write_text(content, encoding="utf-8")
        with pytest.raises(I3Error, match=said):
            mine(sources, Selection(), outputs(sources))
        assert left(sources) == []

    refused("topics.tsv, line 2: the query is empty", topics="q1\tboil\nq2\t \n")
    refused(
        r"topics.tsv: query id 'q\\xa01' contains white space",
        topics="q\u00a01\tboil\n",
        qrels="q\u00a01 p1\n",
    )
    sources.topics.write_text(TOPICS, encoding="utf-8")
    refused("qrels.txt: no positive for any of the 4 queries of .*topics.tsv", qrels="q9 p1\n")
    refused("positive 'gone' of query q1 is not in .*collection.tsv", qrels="q1 p1\nq1 gone\n")
    refused("qrels.txt: no passage has a relevance of at least 1", qrels="q1 0 p1 0\n")
    sources.qrels.write_text(QRELS, encoding="utf-8")
    refused("collection.tsv: no passages in 1 file", collection="")
    sources.collection.unlink()
    with pytest.raises(I3Error, match=r"collection.tsv: no such file or folder"):
        mine(sources, Selection(), outputs(sources))


def test_ids_that_the_file_cannot_hold_are_refused(sources: Sources) -> None:
    pid = "p,7"
    sources.collection.write_text(COLLECTION.replace("p7", pid), encoding="utf-8")
    run = trec(HITS).replace("p7", pid)
    with pytest.raises(
        I3Error, match=re.escape(f"query q2: passage id {pid!r} has a comma or white")
    ):
        mine(with_run(sources, run), Selection(), outputs(sources))
    assert left(sources) == []
    assert mined(sources, per_query=1) == {"q2": ["p8"], "q1": ["p9"]}  # it is not among these


def test_outputs_in_the_way_or_out_of_reach(sources: Sources, tmp_path: Path) -> None:
    where = outputs(sources)
    assert where.jsonl is not None
    mine(sources, Selection(), where)
    with where.jsonl.open("a", encoding="utf-8") as file:  # the same bytes would be accepted
        file.write("{}\n")
    before = where.negatives.read_bytes()
    for taken, other in ((where.negatives, "a"), (where.jsonl, "b")):
        mixed = replace(where, negatives=taken, jsonl=tmp_path / other)
        with pytest.raises(I3Error, match=f"{taken.name}: exists.*--overwrite"):
            mine(sources, Selection(), mixed)
        with pytest.raises(I3Error, match=f"{taken.name}: exists.*--overwrite"):
            mine(sources, Selection(), Outputs(tmp_path / other, taken))
        assert not (tmp_path / other).exists()
    assert where.negatives.read_bytes() == before
    with pytest.raises(I3Error, match=r"out: is a folder; expected a file"):
        mine(sources, Selection(), Outputs(where.negatives.parent, overwrite=True))
    with pytest.raises(I3Error, match=r"negs.tsv: cannot be written"):
        mine(sources, Selection(), Outputs(Path("/proc/none/negs.tsv")))
    for twice in (sources.topics, where.negatives):
        with pytest.raises(I3Error, match=f"{twice.name}: is given twice"):
            mine(sources, Selection(), replace(where, jsonl=twice, overwrite=True))


def test_outputs_are_opened_before_the_run_is_read(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("i3_pyserini.data.mining.read_run", lambda *_: pytest.fail("read"))
    with pytest.raises(I3Error, match="cannot be written"):
        mine(sources, Selection(), Outputs(Path("/proc/none/negs.tsv")))


def test_a_full_disk_leaves_both_old_files(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = outputs(sources, overwrite=True)
    assert where.jsonl is not None
    mine(sources, Selection(), where)
    before = where.negatives.read_bytes(), where.jsonl.read_bytes()

    def full(descriptor: int) -> None:
        if "negs.tsv" in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(I3Error, match=r"cannot be written \(No space left"):
        mine(sources, Selection(per_query=1), where)
    assert (where.negatives.read_bytes(), where.jsonl.read_bytes()) == before
    assert left(sources) == ["negs.jsonl", "negs.tsv"]


def test_the_command_mines(sources: Sources, run_module: Run) -> None:
    record = scored("boil eggs", {"p1": 3.0}, {"p9": 2.0, "p3": 1.5}, qid="q1")
    teacher = with_teacher(sources, record).teacher
    done = run_module(
        *command(sources, "--depth", "2-8", "--per-query", 2, "--jsonl", outputs(sources).jsonl),
        *("--teacher", teacher, "--margin", 1, "--cache", sources.cache),
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert outputs(sources).negatives.read_text(encoding="utf-8") == "q2\tp8,p7\nq1\tp3,p5\n"
    said = done.stdout.removeprefix(f"wrote {outputs(sources).negatives}: ")
    # 2 queries with 2.0 negatives (3 unscored); hits and queries left out, by reason
    assert numbers(said) == ["2", "2.0", "3", *"1111", *"110", "0"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--depth", "5-2"), "depth is '5-2', must be a range of ranks"),
        (("--depth", "0-10"), "depth is '0-10'"),
        (("--depth", "10"), "depth is '10'"),
        (("--depth", "1-x"), "depth is '1-x'"),
        (("--depth=-1-5",), "depth is '-1-5'"),
        (("--per-query", "0"), "per_query is 0, must be at least 1"),
        (("--model", "m"), "model and device require index"),
        (("--margin", "1"), "teacher and margin must be given together"),
        (("--teacher", "t"), "teacher and margin must be given together"),
        (("--teacher", "t", "--margin=-1"), "margin is -1.0, must be at least 0"),
        (("--teacher", "t", "--margin", "nan"), "margin is nan"),
    ],
)
def test_arguments_out_of_range(flags: tuple[str, ...], said: str, sources: Sources) -> None:
    with pytest.raises(I3Error, match=said):
        cli.run([str(part) for part in command(sources, *flags)[1:]])
    assert left(sources) == []


def test_a_mistake_is_one_line(sources: Sources, run_module: Run) -> None:
    done = run_module(*command(with_run(sources, "")))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {sources.hits}: empty; expected a run: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_help_and_a_run_need_no_torch(sources: Sources) -> None:
    code = (
        "import sys; from i3_pyserini.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'transformers', 'faiss'} & set(sys.modules)))"
    )
    for arguments in (("data", "mine", "--help"), command(sources)[1:]):
        words = [sys.executable, "-c", code, *map(str, arguments)]
        done = subprocess.run(words, capture_output=True, encoding="utf-8", check=True)
        assert done.stdout.splitlines()[-1] == "[]"
