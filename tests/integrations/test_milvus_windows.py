"""Documents ranked by their windows in a vector engine."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("milvus_lite")

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.runs import read_run
from i3_pyserini.integrations.loading import load_index
from i3_pyserini.search.topics import search_topics
from tests.search.test_documents import DOCUMENTS, world

__all__ = ["world"]


@pytest.mark.slow
def test_documents_of_an_engine(world: Any, tmp_path: Path, capsys: Any) -> None:
    place, *_ = world
    engine = f"milvus:{tmp_path}/engine.db"
    load_index(place / "index", engine=engine, collection="windows")
    runs: list[dict[str, list[str]]] = []
    places: list[tuple[Any, dict[str, Any]]] = [
        (place / "index", {}),
        (engine, {"collection": "windows"}),
    ]
    for index, options in places:
        output = tmp_path / f"run{len(runs)}.txt"
        search_topics(
            index,
            place / "topics.tsv",
            encoded_queries=place / "queries",
            output=output,
            hits=DOCUMENTS // 2,
            **options,
        )
        run = read_run(output)
        runs.append(dict(run.hits(run.queries)))
    assert runs[0] == runs[1] and {len(own) for own in runs[1].values()} == {DOCUMENTS // 2}
    assert capsys.readouterr().err.count("(MaxP)") == 2
    with pytest.raises(I3Error, match="mean3"):
        search_topics(
            engine,
            place / "topics.tsv",
            encoded_queries=place / "queries",
            output=tmp_path / "run.txt",
            collection="windows",
            documents="mean3",
        )
