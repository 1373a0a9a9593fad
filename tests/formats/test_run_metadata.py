"""The metadata of runs: beside them, at their head, of other bytes, and killed in between."""

import gzip
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from i3_pyserini.errors import I3Error
from i3_pyserini.formats import metadata_files
from i3_pyserini.formats.environment import without_login, without_secrets
from i3_pyserini.formats.hits import Hits
from i3_pyserini.formats.metadata_files import SUFFIX, beside
from i3_pyserini.formats.run_file import write_run
from i3_pyserini.formats.run_metadata import CollectionRecord, Origin, RunMetadata
from i3_pyserini.formats.runs import read_run
from tests.formats.compressed import COMPRESS

FOUND = Hits(
    np.array([[2.5, 1], [3, -np.inf]], dtype=np.float32), np.array([[1, 0], [2, -1]], dtype=int)
)
ORIGIN = Origin(
    ({"name": "mine", "method": "by hand"},), CollectionRecord(name="letters", passages=3)
)
HEAD = """\
# ir_metadata.start
# schema-version: 0.1
# tag: theirs
# date: 2022-07-11
# method:
#   automatic: true
#   retrieval:
#   - name: bm25
#     method: BM25
#     k1: 0.9
# ir_metadata.end
"""


def write(path: Path, **options: object) -> Path:
    write_run(path, ["q1", "q2"], FOUND, ["a", "b", "c"], origin=ORIGIN, **options)  # type: ignore[arg-type]
    return path


def metadata(run: Path) -> RunMetadata:
    found = read_run(run).metadata
    assert found is not None
    return found


@pytest.mark.parametrize("form", ["trec", "msmarco"])
def test_a_run_and_what_made_it(tmp_path: Path, form: str) -> None:
    run = write(tmp_path / "run.txt", form=form, tag="t")
    content = yaml.safe_load(beside(run).read_text(encoding="utf-8"))
    assert content["run"]["sha256"] == hashlib.sha256(run.read_bytes()).hexdigest()
    assert content["run"]["bytes"] == run.stat().st_size
    assert (content["run"]["queries"], content["run"]["hits"]) == (2, 3)
    assert {"schema-version", "platform", "implementation", "method", "data"} <= content.keys()
    assert content["data"]["test collection"] == {"name": "letters", "passages": 3}
    libraries = content["platform"]["software"]["libraries"]["python"]
    assert f"python=={'.'.join(map(str, sys.version_info[:3]))}" in libraries
    found = metadata(run)
    assert found.tag == "t" and found.stages[0]["method"] == "by hand"
    assert found.to_json() == content


def test_of_another_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write(tmp_path / "run.txt")
    run.write_text(
        run.read_text(encoding="utf-8").replace("2.5", "2.6"), encoding="utf-8"
    )  # as many bytes
    assert read_run(run).metadata is None
    assert f"run.txt{SUFFIX}" in capsys.readouterr().err
    run.write_text(run.read_text(encoding="utf-8") + "q3 Q0 a 1 1 t\n", encoding="utf-8")
    assert read_run(run).metadata is None
    capsys.readouterr()
    copy = tmp_path / "copy.txt"
    copy.write_bytes(run.read_bytes())
    assert read_run(copy).metadata is None
    assert capsys.readouterr().err == ""


def test_bytes_are_hashed_where_times_do_not_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[Path] = []

    def counted(path: Path) -> str:
        hashed.append(path)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    monkeypatch.setattr(metadata_files, "file_hash", counted)
    other = write(tmp_path / "other.txt")
    run = write(tmp_path / "run.txt", tag="t")
    assert metadata(run).tag == "t" and not hashed
    shutil.copy2(run, tmp_path / "copy.txt")
    shutil.copy2(beside(run), beside(tmp_path / "copy.txt"))
    assert metadata(tmp_path / "copy.txt").tag == "t" and not hashed
    os.utime(run, ns=(1, 1))  # as a copy that does not keep times
    assert metadata(run).tag == "t" and hashed == [run]
    other.write_text(run.read_text(encoding="utf-8").replace("2.5", "2.6"), encoding="utf-8")
    os.utime(other, ns=(2, 2))
    other.replace(run)  # older than its metadata, and as long
    assert read_run(run).metadata is None and hashed == [run, run]
    write(run, tag="again", overwrite=True)
    assert metadata(run).tag == "again" and hashed == [run, run]
    text = beside(run).read_text(encoding="utf-8").replace("  bytes:", "  x:")
    beside(run).write_text(text, encoding="utf-8")
    assert metadata(run).tag == "again" and len(hashed) == 3


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_compressed_later(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    run = write(tmp_path / "run.txt", tag="t")
    content = run.read_bytes()
    run.unlink()
    packed = tmp_path / ("run.txt.gz" if name == "gzip" else "run.txt.zst")
    packed.write_bytes(COMPRESS[name](content))
    assert metadata(packed).tag == "t"
    packed.write_bytes(COMPRESS[name](content + b"q3 Q0 a 1 1 t\n"))
    assert read_run(packed).metadata is None
    assert f"run.txt{SUFFIX}" in capsys.readouterr().err


def test_overwritten_together(tmp_path: Path) -> None:
    run = write(tmp_path / "run.txt", tag="first")
    with pytest.raises(I3Error, match="exists"):
        write(run, tag="second")
    assert metadata(run).tag == "first"
    write(run, tag="second", overwrite=True)
    assert metadata(run).tag == "second"
    run.unlink()  # what is left belongs to nothing
    write(run, tag="third")
    assert metadata(run).tag == "third"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.txt", f"run.txt{SUFFIX}"]


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.formats.test_run_metadata import write

replace, renamed = Path.replace, []

def killed(self, target):
    if len(renamed) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    renamed.append(target)
    return replace(self, target)

Path.replace = killed
write(Path(sys.argv[1]), tag="new", overwrite=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("renames", [0, 1])
@pytest.mark.parametrize("before", [True, False])
def test_killed_between_both_files(tmp_path: Path, renames: int, before: bool) -> None:
    run = tmp_path / "run.txt"
    if before:
        write(run, tag="old", form="msmarco")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(run), str(renames)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert run.exists() == before
    if before:  # the old run, with its own metadata or with none
        found = read_run(run).metadata
        assert found is None if renames else found is not None and found.tag == "old"
    write(run, tag="again", overwrite=before)
    assert metadata(run).tag == "again"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_comments_at_the_head(
    tmp_path: Path, compress: type[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run.txt"
    body = "q1 Q0 a 1 2 t\nq1 Q0 b 2 1 t\n"
    for head in (
        HEAD,
        HEAD.replace("ir_metadata.start", "METADATA - START").replace(
            "ir_metadata.end", "METADATA - END"
        ),
        HEAD.replace("# ", "").replace("\n", "\r\n"),
        HEAD.replace("# ", "#"),
    ):
        run.write_bytes(compress((head + body).encode()))
        found = read_run(run)
        assert found.table["doc_id"].to_list() == ["a", "b"]
        assert found.metadata is not None and found.metadata.tag == "theirs"
        assert found.metadata.stages[0]["k1"] == 0.9
        assert found.metadata.extra == {"date": "2022-07-11"}
        assert "lines 1 to 11" in capsys.readouterr().err
    run.write_bytes(compress((HEAD + body + "q1 Q0 c 3 x t\n").encode()))
    with pytest.raises(I3Error, match="line 14: score 'x'"):
        read_run(run)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD.replace("# ir_metadata.end\n", "") + "q Q0 a 1 1 t\n", "line 1: .*does not end"),
        (
            "# ir_metadata.start\n# a: [\n# ir_metadata.end\nq Q0 a 1 1 t\n",
            "lines 1 to 3: not valid YAML",
        ),
        ("# ir_metadata.start\n# - a\n# ir_metadata.end\nq Q0 a 1 1 t\n", "got list"),
        (
            "# ir_metadata.start\n# a: &x 1\n# b: *x\n# ir_metadata.end\nq Q0 a 1 1 t\n",
            "not valid YAML",
        ),
        (HEAD, "empty"),
    ],
)
def test_heads_that_are_none(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "run.txt").write_text(text, encoding="utf-8")
    with pytest.raises(I3Error, match=said):
        read_run(tmp_path / "run.txt")


@pytest.mark.parametrize(
    "text", ["", "a: [", "- a", "tag: t\n", "run: {sha256: x}\n", "\xff", "{}"]
)
def test_files_that_are_no_metadata(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write(tmp_path / "run.txt")
    beside(run).write_text(text, encoding="latin-1")
    assert read_run(run).metadata is None
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1 and f"run.txt{SUFFIX}" in told[0]


@pytest.mark.parametrize("value", ["!!binary eA==", "!!set {b}", "!!timestamp 2026-01-01"])
def test_values_that_json_lacks(
    tmp_path: Path, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write(tmp_path / "run.txt")
    with beside(run).open("a", encoding="utf-8") as file:
        file.write(f"goal: {value}\n")
    assert read_run(run).metadata is None
    assert "not valid YAML" in capsys.readouterr().err


def test_sections_of_other_forms_are_kept(tmp_path: Path) -> None:
    run = write(tmp_path / "run.txt")
    content = yaml.safe_load(beside(run).read_text(encoding="utf-8"))
    content |= {"actor": {"team": "ü"}, "research goal": "find", "new": [1]}
    beside(run).write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    found = metadata(run)
    assert found.actor == {"team": "ü"} and found.goal == "find" and found.extra == {"new": [1]}
    assert found.to_json() == content
    content["data"] = {"test collection": {"passages": "many"}}
    beside(run).write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    found = metadata(run)
    assert found.stages and found.extra == {"new": [1], "data": content["data"]}
    assert found.to_json() == content


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipes_are_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "run.txt")
    with pytest.raises(I3Error, match="pipe"):
        write(tmp_path / "run.txt", overwrite=True)
    assert (tmp_path / "run.txt").is_fifo()


def test_names_that_are_too_long(tmp_path: Path) -> None:
    with pytest.raises(I3Error, match="too long"):
        write(tmp_path / ("r" * 245))
    write(tmp_path / ("r" * (255 - len(SUFFIX))))


def test_no_secrets() -> None:
    words = ["--api-key", "abc", "--hf-token=abc", "--max-tokens", "3", "--password", "--k1", "2"]
    words += ["milvus:http://me:abc@host:1"]
    shown = without_secrets(words)
    assert "abc" not in " ".join(shown)
    assert (
        shown[3:5] == ["--max-tokens", "3"]
        and shown[6:8] == ["--k1", "2"]
        and shown[-1].endswith("host:1")
    )
    assert without_login("https://hub/model@main") == "https://hub/model@main"
