"""Queries that a model writes: interrupted and resumed, to the byte."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from i3_pyserini.data import doc2query
from i3_pyserini.data.doc2query import Generation, QueryWriter, generate_queries
from i3_pyserini.data.query_files import Job
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import LOCK
from tests.conftest import Run
from tests.data.conftest import FILES, collection, content

PARTIAL, SETTINGS = ".queries.partial", ".queries.partial.json"


class KilledError(Exception):
    pass


@pytest.mark.slow
@pytest.mark.parametrize(("torn", "count"), [(b"", 1), (b"half a li", 1), (b"a line\nand", 3)])
def test_a_run_goes_on_after_the_last_whole_block(
    tmp_path: Path, tiny_t5: str, monkeypatch: pytest.MonkeyPatch, torn: bytes, count: int
) -> None:
    monkeypatch.setattr(doc2query, "BLOCK", 4)
    source, how = collection(tmp_path / "c.tsv", 14), Generation(tiny_t5, count)
    generate_queries(Job(source, tmp_path / "whole"), how)
    write, blocks = QueryWriter.write, []

    def dies(self: QueryWriter, texts: Sequence[str], seed: int) -> list[list[str]]:
        blocks.append(len(texts))
        if len(blocks) == 3:
            raise KilledError
        return write(self, texts, seed)

    monkeypatch.setattr(QueryWriter, "write", dies)
    job = Job(source, tmp_path / "out")
    with pytest.raises(KilledError):
        generate_queries(job, how)
    assert sorted(content(job.output)) == [PARTIAL, SETTINGS]
    with (job.output / PARTIAL).open("ab") as partial:
        partial.write(torn)
    generate_queries(job, how)
    assert blocks == [4, 4, 4, 4, 2]  # the third is done again, the first two are not
    assert content(job.output) == content(tmp_path / "whole")


def test_other_settings_do_not_go_on(
    tmp_path: Path, tiny_t5: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = collection(tmp_path / "c.tsv", 6)
    output = tmp_path / "out"

    def interrupted() -> None:
        shutil.rmtree(output, ignore_errors=True)
        with monkeypatch.context() as patch:
            patch.setattr(doc2query, "write_queries", lambda *_: (_ for _ in ()).throw(KilledError))
            with pytest.raises(KilledError):
                generate_queries(Job(source, output), Generation(tiny_t5))

    def refused(job: Job, how: Generation) -> str:
        with pytest.raises(I3Error) as error:
            generate_queries(job, how)
        return str(error.value)

    interrupted()
    said = refused(Job(source, output, seed=7), Generation(tiny_t5, per_passage=2))
    changes = "(per_passage: 1 -> 2; seed: 42 -> 7)"
    assert said.startswith(f"{output / PARTIAL}: begun with other settings {changes}")
    assert "limit: None -> 3" in refused(Job(source, output, 3), Generation(tiny_t5))
    assert "max_length: 384 -> 9" in refused(Job(source, output), Generation(tiny_t5, max_length=9))
    os.utime(source, (1, 1))
    assert "(collection: " in refused(Job(source, output), Generation(tiny_t5))
    generate_queries(Job(source, output, seed=7, overwrite=True), Generation(tiny_t5))
    generate_queries(Job(source, tmp_path / "new", seed=7), Generation(tiny_t5))
    assert content(output) == content(tmp_path / "new")
    interrupted()  # fewer words are no reason to write the queries again
    monkeypatch.setattr(QueryWriter, "write", lambda *_: pytest.fail("written again"))
    generate_queries(Job(source, output, min_words=1), Generation(tiny_t5))


@pytest.mark.slow
def test_killed_and_resumed_gives_the_same_bytes(
    tmp_path: Path, tiny_t5: str, run_module: Run
) -> None:
    source = collection(tmp_path / "c.tsv", 256 * 5 + 40)

    def command(name: str) -> list[str]:
        words = ["i3_pyserini", "data", "queries", source, "--output", tmp_path / name]
        words += ["--source", "model", "--model", tiny_t5, "--batch-size", 128, "--per-passage", 2]
        return list(map(str, words))

    output = tmp_path / "killed"
    process = subprocess.Popen(
        [sys.executable, "-m", *command("killed")], stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 600
    while not (output / PARTIAL).exists() or (output / PARTIAL).stat().st_size == 0:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert sorted(content(output)) == [LOCK, PARTIAL, SETTINGS, f"{PARTIAL}.lock"]
    lines = (output / PARTIAL).read_bytes().count(b"\n")
    assert 512 <= lines < (256 * 5 + 40) * 2
    resumed = run_module(*command("killed"), check=True)
    undisturbed = run_module(*command("whole"), check=True)
    assert content(output) == content(tmp_path / "whole")
    assert sorted(content(output)) == FILES
    assert resumed.stdout.split(":")[1] == undisturbed.stdout.split(":")[1]
