from pathlib import Path

import pytest

from i3_pyserini.formats.index import CorpusRecord, EncoderRecord, IndexManifest
from i3_pyserini.formats.index_state import stale, state_of


def manifest(model: str | None = "f", corpus: str | None = "c") -> IndexManifest:
    return IndexManifest(
        encoder=EncoderRecord(fingerprint=model), corpus=CorpusRecord(sha256=corpus), passages=3
    )


def test_state_is_that_of_model_and_corpus() -> None:
    states = {state_of(manifest()), state_of(manifest("g")), state_of(manifest(corpus="d"))}
    assert len(states) == 3 and None not in states
    assert state_of(manifest(None)) is None and state_of(manifest(corpus=None)) is None
    shards = IndexManifest(
        encoder=EncoderRecord(fingerprint="f"), corpus=CorpusRecord(shards=("a", "b"))
    )
    assert state_of(shards) not in (None, state_of(manifest()))


@pytest.mark.parametrize("damaged", [True, False])
def test_only_a_known_change_is_said(tmp_path: Path, damaged: bool) -> None:
    source, before = str(tmp_path), state_of(manifest())
    assert stale("HNSW", source, before, "build it") is None  # there is no index any more
    manifest().write(tmp_path)
    assert stale("HNSW", source, before, "build it") is None
    manifest(corpus="d").write(tmp_path)
    said = stale("HNSW", source, before, "build it") or ""
    assert said.startswith("HNSW: ") and source in said and "build it" in said
    assert stale("HNSW", None, before, "") is stale("HNSW", source, None, "") is None
    (tmp_path / "manifest.json").write_text("{" if damaged else "{}", encoding="utf-8")
    assert stale("HNSW", source, before, "build it") is None
