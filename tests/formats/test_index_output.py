import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from i3_pyserini.errors import I3Error
from i3_pyserini.formats import index_output
from i3_pyserini.formats.atomic import file_hash, locked, publish_folder
from i3_pyserini.formats.index import FORMAT, EncoderRecord, IndexManifest, read_manifest
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.formats.parts import Block
from i3_pyserini.formats.vector_files import Kind, Shape

SHAPE = Shape(2, 3)
KNOWN = IndexManifest(encoder=EncoderRecord(name="m"))


def blocks() -> Iterator[Block]:
    yield Block(["a", "b"], np.ones((2, 3), dtype=np.float32), ["", ""])


def write(output: IndexOutput, manifest: IndexManifest | None = None) -> None:
    with output.work():
        output.finish(blocks(), SHAPE, manifest or IndexManifest())


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "above" / "index"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_directory_is_there_when_it_is_complete(target: Path) -> None:
    output = IndexOutput(target)
    with output.work() as folder:
        assert folder == target.with_name(".index.partial")
        assert not target.exists()
        output.finish(blocks(), SHAPE, KNOWN)
    assert names(target) == ["docid", "index", "manifest.json"]
    assert names(target.parent) == ["index"]
    hashes = {name: file_hash(target / name) for name in ("docid", "index")}
    assert read_manifest(target) == replace(
        KNOWN, format=FORMAT, dimension=3, passages=2, kind="faiss", sha256=hashes
    )


def test_the_same_content_is_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(IndexOutput(tmp_path / name), IndexManifest(extra={"z": 1, "a": [2]}))
    for file in ("docid", "index", "manifest.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_what_is_there_is_replaced_only_if_told(target: Path) -> None:
    write(IndexOutput(target))
    before = (target / "index").read_bytes()
    with pytest.raises(I3Error, match="exists and is not empty; choose another name"):
        IndexOutput(target)
    assert (target / "index").read_bytes() == before
    write(IndexOutput(target, "npy", overwrite=True))
    assert names(target) == ["docid", "embeddings.npy", "manifest.json"]
    assert names(target.parent) == ["index"]


def test_what_a_process_left_that_was_killed_when_all_was_written(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = publish_folder

    def killed(partial: Path, name: Path) -> None:
        publish(partial, name)
        raise KeyboardInterrupt

    output = IndexOutput(target)
    with (
        monkeypatch.context() as patched,
        pytest.raises(KeyboardInterrupt),
        output.work() as folder,
    ):
        (folder / "part-00000.safetensors").write_bytes(b"1")
        patched.setattr(index_output, "publish_folder", killed)
        output.finish(blocks(), SHAPE, KNOWN)
    assert names(folder) == ["part-00000.safetensors", "published"]
    with locked(folder), pytest.raises(I3Error, match="exists and is not empty"):
        IndexOutput(target)  # another process is at work there
    assert names(folder) == ["part-00000.safetensors", "published"]
    with pytest.raises(I3Error, match="exists and is not empty"):
        IndexOutput(target)
    assert names(target.parent) == ["index"]


def test_a_directory_that_is_moved_away_while_it_is_written(target: Path) -> None:
    def write_and_move(folder: Path) -> None:
        (folder / "docid").touch()
        target.parent.rename(target.parent.with_name("moved"))

    output = IndexOutput(target)
    with pytest.raises(I3Error, match="moved or removed meanwhile"), output.work():
        output.publish(write_and_move, KNOWN, SHAPE)
    assert not target.exists()


def test_parts_of_a_directory_that_is_replaced_are_kept(target: Path) -> None:
    write(IndexOutput(target))
    output = IndexOutput(target, overwrite=True)
    with output.work() as folder:
        (folder / "part-00000.safetensors").write_bytes(b"1")
        (folder / "published").write_text("of another one", encoding="utf-8")
    with pytest.raises(I3Error, match="exists and is not empty"):
        IndexOutput(target)
    assert names(folder) == ["part-00000.safetensors", "published"]


def test_an_empty_directory_is_no_obstacle(target: Path) -> None:
    target.mkdir(parents=True)
    write(IndexOutput(target))
    assert names(target) == ["docid", "index", "manifest.json"]


def test_foreign_files_are_never_replaced(target: Path) -> None:
    target.mkdir(parents=True)
    (target / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(I3Error, match=r"contains other files \(notes.txt\)"):
        IndexOutput(target, overwrite=True)
    with pytest.raises(I3Error, match=r"notes\.txt: is a file; expected a directory"):
        IndexOutput(target / "notes.txt", overwrite=True)


def test_an_index_that_appears_meanwhile_is_not_replaced(target: Path) -> None:
    late = IndexOutput(target)
    write(IndexOutput(target), IndexManifest(extra={"first": True}))
    with pytest.raises(I3Error, match="exists and is not empty"):
        write(late)
    assert read_manifest(target).extra["first"]
    assert names(target.parent) == ["index"]


@pytest.mark.parametrize("part", ["part-00000.safetensors", "corpus"])
def test_one_process_at_a_time(target: Path, part: str) -> None:
    with IndexOutput(target).work() as folder:
        (folder / part).touch()
        for _ in range(2):  # the refused one takes nothing away, nor the lock
            with (
                pytest.raises(I3Error, match=r"\.index\.partial: another process is working here"),
                IndexOutput(target).work(),
            ):
                pass
            assert (folder / part).exists()


def test_failure_leaves_nothing_but_parts(target: Path) -> None:
    def fail() -> Iterator[Block]:
        yield from blocks()
        raise I3Error("a mistake")

    output = IndexOutput(target)
    with pytest.raises(I3Error, match="a mistake"), output.work():
        output.finish(fail(), SHAPE, IndexManifest())
    assert names(target.parent) == []
    with pytest.raises(I3Error, match="a mistake"), output.work() as folder:
        (folder / "part-00000.safetensors").touch()
        output.finish(fail(), SHAPE, IndexManifest())
    assert (target.parent / ".index.partial" / "part-00000.safetensors").exists()
    assert not target.exists()


def test_an_interrupted_encoding_is_not_thrown_away(target: Path) -> None:
    output = IndexOutput(target)
    with output.work() as folder:
        output.refuse_interrupted()
        (folder / "part-00000.safetensors").touch()
    with pytest.raises(I3Error, match="an interrupted encoding can be resumed here"), output.work():
        output.refuse_interrupted()
    assert (folder / "part-00000.safetensors").exists()
    bold = IndexOutput(target, overwrite=True)
    with bold.work():
        bold.refuse_interrupted()


def test_a_full_disk_is_one_line(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def disk_full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("i3_pyserini.formats.index_output.write_files", disk_full)
    with pytest.raises(I3Error, match=r"index: cannot be written \(No space left on device\)"):
        write(IndexOutput(target))
    assert names(target.parent) == []


@pytest.mark.parametrize(("kind", "numbers"), [("faiss", 4), ("npy", 2), ("jsonl", 22)])
def test_bytes_needed(tmp_path: Path, kind: Kind, numbers: int) -> None:
    found = IndexOutput(tmp_path / "i", kind).bytes_needed(
        Shape(1000, 768), contents=5000, itemsize=2
    )
    assert found == 1000 * 768 * numbers + 1000 * 16 + (5000 if kind == "jsonl" else 0)


@pytest.mark.parametrize("kind", ["faiss", "npy", "jsonl"])
def test_bytes_needed_are_not_fewer_than_written(tmp_path: Path, kind: Kind) -> None:
    output = IndexOutput(tmp_path / "i", kind)
    ids = [f"passage-{number:06}" for number in range(1000)]
    vectors = np.random.default_rng(0).normal(size=(1000, 32)).astype(np.float32)
    with output.work():
        output.finish([Block(ids, vectors)], Shape(1000, 32), IndexManifest())
    size = sum(path.stat().st_size for path in (tmp_path / "i").iterdir())
    overhead = 1000 * 40 + 1000  # of JSON's names a line, or of headers and the manifest
    assert size <= output.bytes_needed(Shape(1000, 32)) + overhead


def test_a_disk_that_is_too_small(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 3_000_000_000

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    output = IndexOutput(target)
    with output.work():
        assert output.check_space(3_000_000_000) == 3_000_000_000
        with pytest.raises(I3Error, match=r"needs 3.1\d? ?GB of disk .* only 3.0\d? ?GB are free"):
            output.check_space(3_100_000_000)


@pytest.mark.parametrize("content", ["{", "[1]", "3", json.dumps("text")])
def test_damaged_manifest(tmp_path: Path, content: str) -> None:
    assert read_manifest(tmp_path) == IndexManifest()
    (tmp_path / "manifest.json").write_text(content, encoding="utf-8")
    with pytest.raises(I3Error, match=r"manifest\.json: cannot be read"):
        read_manifest(tmp_path)
