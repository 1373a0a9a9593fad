"""Parts that are read and tokenized ahead, in a thread or in processes."""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from i3_pyserini import I3Retriever, I3Tokenizer
from i3_pyserini.encode import ahead, runner, workers
from i3_pyserini.encode.ahead import PackedIds, tokenised_parts, tokenising_processes
from i3_pyserini.encode.auto_encoders import AutoDocumentEncoder
from i3_pyserini.encode.encoders import I3DocumentEncoder
from i3_pyserini.encode.job import Job, open_job
from i3_pyserini.encode.runner import run_encoding
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.model.settings import EncoderSettings
from tests.encode.slow_encode import slow_encoding
from tests.encode.stand_in import LengthEncoder

ROOT = Path(__file__).parents[2]
SETTINGS = {"shard": {"id": 0, "number": 1}, "titles": True}
# A script as users write them, without `if __name__ == "__main__"`.
SCRIPT = """
import sys
from pathlib import Path
from i3_pyserini.encode.ahead import tokenised_parts
from i3_pyserini.encode.job import open_job
from i3_pyserini.formats.passages import Corpus
from tests.encode.slow_encode import slow_encoding
from tests.encode.stand_in import LengthEncoder

print("begin")
settings = {"shard": {"id": 0, "number": 1}, "titles": True}
job = open_job(Path(sys.argv[2]), Corpus(Path(sys.argv[1])), settings, part_passages=7)
for number, part in tokenised_parts(job, LengthEncoder(), range(len(job.parts)), True, 2):
    print(number, part.docids, [one.tolist() for one in part.ids], part.cut)
"""


@pytest.fixture
def job(hundred: Corpus, tmp_path: Path) -> Job:
    (tmp_path / "job").mkdir()
    return open_job(tmp_path / "job", hundred, SETTINGS, part_passages=7)


@pytest.mark.slow
def test_processes_prepare_what_a_thread_does(job: Job, hundred: Corpus, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py", hundred.path, tmp_path / "other"],
        capture_output=True,
        encoding="utf-8",
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    parts = tokenised_parts(job, LengthEncoder(), range(len(job.parts)), True, 0)
    expected = [f"{n} {part.docids} {part.ids} {part.cut}" for n, part in parts]
    assert len(expected) == 15
    assert done.stdout.splitlines() == ["begin", *expected]  # the script ran once


class Dying(LengthEncoder):
    def ids(
        self, texts: Sequence[str], titles: Sequence[str | None] | None = None
    ) -> list[list[int]]:
        os._exit(1)


@pytest.mark.slow
def test_a_process_that_dies_is_an_error(job: Job) -> None:
    with pytest.raises(I3Error, match="a process that tokenizes died"):
        list(tokenised_parts(job, Dying(), [0, 1], True, 1))


@pytest.mark.slow
def test_errors_of_processes_are_raised(job: Job, hundred: Corpus) -> None:
    (hundred.path / "b.jsonl").write_text("", encoding="utf-8")
    parts = tokenised_parts(job, LengthEncoder(), range(len(job.parts)), True, 1)
    with pytest.raises(I3Error):
        list(parts)


@pytest.mark.slow
@pytest.mark.parametrize("devices", [(), ("cpu", "cpu")])
def test_an_index_has_the_same_bytes(
    devices: tuple[str, ...],
    hundred: Corpus,
    tmp_path: Path,
    same_bytes: Callable[[Path], bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []

    def two(names: Sequence[str], parts: int) -> int:
        asked.append(len(names))
        return 2

    for module in (runner, workers):
        monkeypatch.setattr(module, "tokenising_processes", two)
    output = IndexOutput(tmp_path / "index")
    run_encoding(hundred, LengthEncoder(), output, slow_encoding(devices))
    assert asked == [len(devices) or 1]
    assert same_bytes(tmp_path / "index")


def test_functions_of_ids_can_be_sent(
    tiny_model: tuple[I3Retriever, I3Tokenizer], tiny_bert: str
) -> None:
    texts, titles = ["boil an egg", "", "Water " * 300], ["Eggs", None, ""]
    settings = EncoderSettings(add_sep=True, lowercase=True, passage_prompt="passage: ")
    encoders = (
        I3DocumentEncoder.of(*tiny_model),
        AutoDocumentEncoder(tiny_bert, "cpu"),
        AutoDocumentEncoder(tiny_bert, "cpu", settings=settings),
    )
    for encoder in encoders:
        sent = pickle.dumps(encoder.ids)
        assert len(sent) < 200_000  # a tokenizer, not a model
        found, expected = pickle.loads(sent)(texts, titles), encoder.ids(texts, titles)
        assert found == expected
        assert found.cut == expected.cut == 1


def test_packed_ids_are_the_same() -> None:
    ids = [[1, 2, 3], [4], [], [5, 6]]
    packed = PackedIds(ids)
    assert [one.tolist() for one in packed] == ids
    assert len(packed) == 4
    assert packed[1].dtype == np.int32
    assert [len(one) for one in PackedIds([])] == []


@pytest.mark.parametrize(
    ("devices", "parts", "processes"),
    [
        (["cpu"], 10_000, 0),
        (["mps"], 10_000, 0),
        (["cuda:0"], 2000, 8),
        (["cuda:0"], 7, 0),
        (["cuda:0"], 16, 2),
        (["cuda:0", "cuda:1"], 2000, 7),
        (["cuda:0", "cpu"], 2000, 0),
        ([], 2000, 0),
    ],
)
def test_how_many_processes(
    devices: list[str], parts: int, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "thread_count", lambda: 16)
    assert tokenising_processes(devices, parts) == processes
