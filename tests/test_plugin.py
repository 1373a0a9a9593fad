"""What the plug-in refuses before Pyserini starts; it needs no Java for that."""

from collections.abc import Callable
from pathlib import Path

import pytest

from i3_pyserini.errors import I3Error
from i3_pyserini.plugin import check_search
from tests.search.conftest import place, worlds
from tests.search.routes import World, call

__all__ = ["place", "worlds"]  # fixtures


def checked(index: Path, encoder: Path, *flags: str) -> None:
    check_search(["--index", str(index), "--encoder", str(encoder), "--topics", "x", *flags])


@pytest.mark.parametrize(
    ("kind", "right", "wrong", "said"),
    [
        ("cls", (), ("--pooling", "mean"), "pooling cls, but the queries of .* pooling mean"),
        ("mean", ("--pooling", "mean"), (), "pooling mean, but the queries of .* pooling cls"),
        ("mean", ("--pooling", "mean"), ("--pooling", "mean", "--l2-norm"), "normalize no"),
        ("mean and unit length", ("--pooling", "mean", "--l2-norm"), (), "pooling mean"),
        (
            "prefixes",
            ("--pooling", "mean", "--query-prefix", "what is"),
            ("--pooling", "mean"),
            "query_prompt 'what is ', but the queries of",
        ),
    ],
)
def test_flags_of_stock_search(
    kind: str,
    right: tuple[str, ...],
    wrong: tuple[str, ...],
    said: str,
    worlds: Callable[[str], World],
) -> None:
    folder = worlds(kind).folder
    checked(folder / "index", folder / "model", "--encoder-class", "auto", *right)
    with pytest.raises(I3Error, match=f"its manifest says .*{said}"):
        checked(folder / "index", folder / "model", "--encoder-class", "auto", *wrong)


def test_i3_models(place: Path) -> None:
    for flags in (("model", "i3"), ("model/query_encoder", "i3"), ("model/query_encoder", "auto")):
        checked(place / "index", place / flags[0], "--encoder-class", flags[1])
    query_encoder = place / "model" / "query_encoder"
    with pytest.raises(I3Error, match="its manifest says normalize no"):
        checked(place / "index", query_encoder, "--encoder-class", "auto", "--l2-norm")


def test_encoded_queries(worlds: Callable[[str], World], tmp_path: Path) -> None:
    mean, cls = worlds("mean").folder, worlds("cls").folder
    topics = ("--topics", mean / "topics.tsv", "--output", tmp_path)
    call("i3_pyserini", "encode-topics", "--index", mean / "index", *topics)
    check_search(["--index", str(mean / "index"), "--encoded-queries", str(tmp_path)])
    with pytest.raises(I3Error, match="its manifest says pooling cls"):
        check_search(["--index", str(cls / "index"), "--encoded-queries", str(tmp_path)])


def test_what_is_not_known_is_left_to_pyserini(tmp_path: Path) -> None:
    check_search(["--topics", "x"])
    check_search(["--index", "msmarco-v1-passage.bge", "--encoder", "some/model"])
    with pytest.raises(I3Error, match="not an I³ model directory"):
        checked(tmp_path / "absent", tmp_path, "--encoder-class", "i3")
