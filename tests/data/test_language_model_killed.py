"""`data queries --source llm` is killed, at any place: nothing is lost, asked twice or unmarked."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from i3_pyserini.data import make_queries
from i3_pyserini.data.language_model import LanguageModel
from i3_pyserini.errors import I3Error
from i3_pyserini.formats import atomic
from i3_pyserini.formats.made import made_of
from tests.conftest import Run, numbers
from tests.data.chat_server import ChatSite, chatting

NAMES = ("topics.train.tsv", "qrels.train.txt", "generated.tsv")


@pytest.fixture
def site() -> Iterator[ChatSite]:
    with chatting(ChatSite()) as site:
        yield site


def command(corpus: Path, site: ChatSite, output: Path) -> list[str]:
    words = ["i3_pyserini", "data", "queries", corpus, "--source", "llm", "--model", "m"]
    words += ["--url", site.url, "--output", output, "--concurrency", 2]
    return list(map(str, words))


@pytest.mark.slow
def test_killed_and_resumed_asks_nothing_twice(
    tmp_path: Path, site: ChatSite, run_module: Run
) -> None:
    corpus, out = tmp_path / "c.tsv", tmp_path / "killed"
    corpus.write_text(
        "".join(f"d{n}\tpassage {n} of this test\n" for n in range(60)), encoding="utf-8"
    )
    journal, kept, chance = out / ".answers.partial", 0, random.Random(5)
    for least in (0, 1, 9, 2, 6):  # requests until it is killed
        site.pause, site.bodies = 0.1, []
        with subprocess.Popen([sys.executable, "-m", *command(corpus, site, out)]) as process:
            deadline = time.monotonic() + 120
            while len(site.bodies) < least:
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.01)
            time.sleep(chance.uniform(0, 0.3))
            process.kill()
        lines = journal.read_bytes() if journal.exists() else b""
        before, kept = kept, lines.count(b"\n")
        assert before <= kept and before + len(site.bodies) - 2 <= kept  # 2 were under way
        if lines:
            journal.write_bytes(lines[: lines.rfind(b"\n") + 1] + b'{"request": "ab')  # cut
    assert kept > 10
    time.sleep(0.3)
    site.pause, site.bodies = 0.0, []
    said = run_module(*command(corpus, site, out), check=True)
    assert len(site.bodies) == 60 - kept
    assert numbers(said.stderr)[:3] == ["60", str(60 - kept), str(kept)]
    run_module(*command(corpus, site, tmp_path / "whole"), check=True)
    for name in NAMES:
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    ids = [
        json.loads(line)["id"]
        for line in (out / "answers.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert ids == [f"d{n}" for n in range(60)]
    assert not list(out.glob(".*partial*"))


class DiedError(BaseException):
    """The process ends here."""


def test_files_are_marked_and_the_same_command_resumes_wherever_it_dies(
    tmp_path: Path, site: ChatSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish, left = atomic.publish_file, 0

    def dying(partial: Path, path: Path, before: Path | None = None) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise DiedError
        publish(partial, path, before)

    def make(output: Path) -> None:
        how = LanguageModel(url=site.url)
        make_queries(corpus, source="llm", model="m", output=output, language_model=how)

    monkeypatch.setattr(atomic, "publish_file", dying)
    corpus = tmp_path / "c.tsv"
    corpus.write_text(
        "".join(f"d{n}\tpassage {n} of this test\n" for n in range(8)), encoding="utf-8"
    )
    for died in range(20):  # before the file of this number gets its name
        out, left, site.bodies = tmp_path / f"died{died}", died + 1, []
        with suppress(DiedError):
            make(out)
        files = [out / name for name in NAMES if (out / name).exists()]
        assert all(made_of(one) for one in files)
        if left > 0:
            break
        make(out)
        assert len(site.bodies) == 8
        for name in NAMES:
            assert (out / name).read_bytes() == (tmp_path / "died0" / name).read_bytes()
        assert not list(out.glob(".*partial*"))
    assert died == 6 and len(files) == 3  # the text store is there from the second time on


@pytest.mark.parametrize("name", ["qrels.train.txt", "generated.tsv"])
def test_files_of_others_are_not_replaced(tmp_path: Path, site: ChatSite, name: str) -> None:
    (tmp_path / "c.tsv").write_text("d1\tone passage of this test\n", encoding="utf-8")
    out, how = tmp_path / "out", LanguageModel(url=site.url)
    out.mkdir()
    (out / name).write_text("mine\n", encoding="utf-8")
    with pytest.raises(I3Error, match=f"{name}: exists"):
        make_queries(tmp_path / "c.tsv", source="llm", model="m", output=out, language_model=how)
    assert (out / name).read_text(encoding="utf-8") == "mine\n" and not site.bodies
