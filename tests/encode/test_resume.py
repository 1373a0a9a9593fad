import errno
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.encode.batches import Batching
from i3_pyserini.encode.job import drop_job
from i3_pyserini.encode.runner import Encoding, run_encoding
from i3_pyserini.encode.scan import Shard
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import locked
from i3_pyserini.formats.index import EncoderRecord
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.vector_files import Kind
from tests.encode.conftest import bytes_of
from tests.encode.slow_encode import slow_encoding
from tests.encode.stand_in import LengthEncoder, Vectors

Same = Callable[[Path], bool]
PARTS = 20  # a hundred passages in fives


class FailingEncoder(LengthEncoder):
    """Fails at its n-th batch."""

    def __init__(self, batches: int) -> None:
        super().__init__()
        self.left = batches

    def load(self, device: str | None) -> "FailingEncoder":
        return self

    def vectors(self, ids: Sequence[Sequence[int]]) -> Vectors:
        self.left -= 1
        if self.left < 0:
            raise MemoryError("as if")
        return super().vectors(ids)


@pytest.fixture
def begun(hundred: Corpus, tmp_path: Path) -> Path:
    """The hidden folder of an encoding that was interrupted after some parts."""
    with pytest.raises(MemoryError):
        run_encoding(hundred, FailingEncoder(30), IndexOutput(tmp_path / "index"), slow_encoding())
    folder = tmp_path / ".index.partial"
    assert 5 < len(parts_in(folder)) < 15
    assert not (tmp_path / "index").exists()
    return folder


def parts_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("part-*"))


def passages_of(encoder: LengthEncoder) -> int:
    return sum(len(batch) for batch in encoder.batches)


def go_on(corpus: Corpus, folder: Path, how: Encoding | None = None, **options: Any) -> int:
    """Takes the encoding up again; the number of passages that were encoded for that."""
    encoder = LengthEncoder()
    output = IndexOutput(folder.parent / "index", **options)
    run_encoding(corpus, encoder, output, how or slow_encoding())
    return passages_of(encoder)


def test_only_what_is_missing_is_encoded(hundred: Corpus, begun: Path, same_bytes: Same) -> None:
    done = len(parts_in(begun))
    assert go_on(hundred, begun) == 100 - 5 * done
    assert same_bytes(begun.parent / "index")
    assert not begun.exists()


@pytest.mark.parametrize("kind", ["jsonl", "npy"])
def test_every_kind_of_output_goes_on(hundred: Corpus, tmp_path: Path, kind: Kind) -> None:
    run_encoding(hundred, LengthEncoder(), IndexOutput(tmp_path / "whole", kind), slow_encoding())
    with pytest.raises(MemoryError):
        run_encoding(
            hundred, FailingEncoder(30), IndexOutput(tmp_path / "index", kind), slow_encoding()
        )
    assert 0 < go_on(hundred, tmp_path / ".index.partial", kind=kind) < 100
    assert bytes_of(tmp_path / "index") == bytes_of(tmp_path / "whole")


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: b"\0" * len(content),
    ],
    ids=["cut off", "empty", "one bit", "zeros"],
)
def test_damaged_part_is_made_again(
    hundred: Corpus, begun: Path, same_bytes: Same, damage: Callable[[bytes], bytes]
) -> None:
    newest, before = parts_in(begun)[-1], len(parts_in(begun))
    newest.write_bytes(damage(newest.read_bytes()))
    assert go_on(hundred, begun) == 100 - 5 * (before - 1)
    assert same_bytes(begun.parent / "index")


def test_part_that_is_gone_or_of_another_job_is_made_again(
    hundred: Corpus, begun: Path, same_bytes: Same, tmp_path: Path
) -> None:
    first, second, *_ = parts_in(begun)
    before = len(parts_in(begun))
    first.unlink()
    how = replace(slow_encoding(), batching=Batching(tokens=40, with_titles=False))
    with pytest.raises(MemoryError):
        run_encoding(hundred, FailingEncoder(30), IndexOutput(tmp_path / "other"), how)
    second.write_bytes((tmp_path / ".other.partial" / second.name).read_bytes())
    assert go_on(hundred, begun) == 100 - 5 * (before - 2)
    assert same_bytes(begun.parent / "index")


class OtherModel(LengthEncoder):
    def describe(self) -> EncoderRecord:
        return replace(super().describe(), fingerprint="g")


@pytest.mark.parametrize(
    ("encoder", "changes", "kind", "said"),
    [
        (OtherModel(), {}, "faiss", "model.fingerprint: f -> g"),
        (
            LengthEncoder(),
            {"batching": Batching(tokens=40, with_titles=False)},
            "faiss",
            "titles: True -> False",
        ),
        (
            LengthEncoder(),
            {"batching": Batching(tokens=40, store_dtype="float16")},
            "faiss",
            "store_dtype: float32 -> float16",
        ),
        (LengthEncoder(), {"shard": Shard(0, 2)}, "faiss", "shard.number: 1 -> 2"),
        (LengthEncoder(), {}, "npy", "output: faiss -> npy"),
    ],
)
def test_other_options_are_refused_by_name(
    hundred: Corpus,
    begun: Path,
    encoder: LengthEncoder,
    changes: dict[str, Any],
    kind: Kind,
    said: str,
) -> None:
    how, before = replace(slow_encoding(), **changes), len(parts_in(begun))
    with pytest.raises(I3Error, match=f"begun with other options .{said}.; .* --overwrite"):
        run_encoding(hundred, encoder, IndexOutput(begun.parent / "index", kind), how)
    assert len(parts_in(begun)) == before
    run_encoding(hundred, encoder, IndexOutput(begun.parent / "index", kind, overwrite=True), how)
    assert (begun.parent / "index").is_dir()


def test_overwrite_goes_on_where_nothing_differs(
    hundred: Corpus, begun: Path, same_bytes: Same
) -> None:
    done = len(parts_in(begun))
    assert go_on(hundred, begun, overwrite=True) == 100 - 5 * done
    assert same_bytes(begun.parent / "index")


def test_other_batches_are_no_other_encoding(
    hundred: Corpus, begun: Path, same_bytes: Same
) -> None:
    go_on(hundred, begun, replace(slow_encoding(), batching=Batching(tokens=500, passages=3)))
    assert same_bytes(begun.parent / "index")


def changed_line(folder: Path) -> None:
    path = folder / "b.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace("xxx", "xyx", 1), encoding="utf-8")


def added_line(folder: Path) -> None:
    with (folder / "b.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"id": "new", "text": ""}\n')


@pytest.mark.parametrize("change", [changed_line, added_line])
def test_corpus_that_has_changed_is_refused(
    hundred: Corpus, begun: Path, same_bytes: Same, change: Callable[[Path], None]
) -> None:
    before = (hundred.path / "b.jsonl").read_bytes()
    change(hundred.path)
    with pytest.raises(I3Error, match="corpus: has changed since this encoding began"):
        go_on(hundred, begun)
    (hundred.path / "b.jsonl").write_bytes(before)
    go_on(hundred, begun)
    assert same_bytes(begun.parent / "index")


def test_file_that_was_added_is_named(hundred: Corpus, begun: Path) -> None:
    (hundred.path / "c.jsonl").write_text('{"id": "new", "text": ""}\n', encoding="utf-8")
    with pytest.raises(I3Error, match=r"corpus\.files: \['a.jsonl', 'b.jsonl'\] -> .*c\.jsonl"):
        go_on(Corpus(hundred.path), begun)


@pytest.mark.parametrize("time", [0, 4_000_000_000])
def test_clocks_do_not_matter(hundred: Corpus, begun: Path, same_bytes: Same, time: int) -> None:
    for path in [*hundred.files, *begun.iterdir()]:
        os.utime(path, (time, time))
    assert go_on(hundred, begun) < 100
    assert same_bytes(begun.parent / "index")


def test_damaged_job_is_said(hundred: Corpus, begun: Path) -> None:
    (begun / "job.json").write_text("{", encoding="utf-8")
    with pytest.raises(I3Error, match=r"job\.json: cannot be read .*; remove "):
        go_on(hundred, begun)


def test_part_that_is_damaged_while_finishing_is_said(
    hundred: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(self: Any) -> list[int]:
        path = tmp_path / ".index.partial" / "part-00003.safetensors"
        if path.exists():
            path.write_bytes(path.read_bytes()[:-4])
        return [number for number in range(PARTS) if not self.has(number)]

    with pytest.raises(MemoryError):
        run_encoding(hundred, FailingEncoder(30), IndexOutput(tmp_path / "index"), slow_encoding())
    with monkeypatch.context() as patch:
        patch.setattr("i3_pyserini.encode.job.Job.missing", missing)
        with pytest.raises(I3Error, match=r"part-00003\.safetensors: damaged; run the same"):
            go_on(hundred, tmp_path / ".index.partial")
    assert not (tmp_path / "index").exists()
    assert go_on(hundred, tmp_path / ".index.partial") == 5


def test_second_process_is_refused(hundred: Corpus, begun: Path) -> None:
    with locked(begun), pytest.raises(I3Error, match="another process is working here"):
        go_on(hundred, begun)
    go_on(hundred, begun)
    with pytest.raises(I3Error, match="exists and is not empty"):
        go_on(hundred, begun)


def test_too_small_a_disk_is_said_before_anything_is_encoded(
    hundred: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 3999  # parts: 100 (2 x 4 + 16), index: 100 x 2 x 4 and 16 an id: 4,800 in all

    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage)
    encoder = LengthEncoder()
    with pytest.raises(I3Error, match=r"needs 4\.80kB of disk .* only 4\.00kB are free"):
        run_encoding(hundred, encoder, IndexOutput(tmp_path / "index"), slow_encoding())
    assert encoder.batches == []


def test_job_says_what_it_is(begun: Path) -> None:
    job = json.loads((begun / "job.json").read_text(encoding="utf-8"))
    assert job["scan"]["passages"] == 100
    assert len(job["scan"]["parts"]) == PARTS
    assert job["settings"]["corpus"]["files"] == ["a.jsonl", "b.jsonl"]


def test_parts_that_cannot_be_removed(begun: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "unlink", failing)
    with pytest.raises(
        I3Error, match=r"\.index\.partial: cannot be written \(Input/output error\)"
    ):
        drop_job(begun, {}, overwrite=True)


def failing(*_: Any, **__: Any) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))
