"""Whoever searches an index encodes its queries as its passages were: every route, every index."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from i3_pyserini.errors import I3Error
from tests.search.routes import (
    FLAGGED,
    KINDS,
    POSITIVE,
    ROUTES,
    World,
    by_command,
    expected,
    make_world,
)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("kind", KINDS)
def test_routes_rank_as_the_passages_were_encoded(
    kind: str, route: str, worlds: Callable[[str], World], tmp_path: Path
) -> None:
    world = worlds(kind)
    ranking, reference = ROUTES[route](world, tmp_path), expected(world)
    if route == "mine":
        reference = {q: [d for d in docids if d != POSITIVE] for q, docids in reference.items()}
    assert ranking == reference


@pytest.mark.parametrize("route", FLAGGED)
def test_a_flag_that_repeats_the_manifest_is_taken(
    route: str, worlds: Callable[[str], World], tmp_path: Path
) -> None:
    world = worlds("prefixes")
    flags = ("--pooling", "mean", "--query-prefix", "what is")
    assert ROUTES[route](world, tmp_path, *flags) == expected(world)


@pytest.fixture
def unknown(worlds: Callable[[str], World], tmp_path: Path) -> Callable[[str], World]:
    """A world whose index has no manifest, as stock Pyserini makes it."""

    def world(kind: str) -> World:
        known = worlds(kind)
        (tmp_path / "world").mkdir()
        for name in ("model", "corpus.jsonl", "topics.tsv"):
            (tmp_path / "world" / name).symlink_to(known.folder / name)
        (tmp_path / "world" / "index").mkdir()
        for name in ("index", "docid"):
            path = tmp_path / "world" / "index" / name
            path.symlink_to(known.folder / "index" / name)
        return replace(known, folder=tmp_path / "world")

    return world


@pytest.mark.parametrize(
    ("kind", "flags", "said"),
    [
        ("cls", (), "first token, not normalized (Pyserini's defaults)"),
        ("mean", ("--pooling", "mean"), "mean pooling, not normalized (your flags, then Pyserini"),
        ("declared", (), "mean pooling, unit length, prompt 'what is ' (as "),
        (
            "declared, other flags",
            ("--pooling", "cls", "--no-l2-norm"),
            "first token, not normalized, prompt 'what is ' (your flags, then as ",
        ),
    ],
)
@pytest.mark.parametrize("route", FLAGGED)
def test_without_a_manifest_the_model_decides_and_it_is_said(
    kind: str,
    flags: tuple[str, ...],
    said: str,
    route: str,
    unknown: Callable[[str], World],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    world, encoder = unknown(kind), ("--encoder", str(tmp_path / "world" / "model"))
    with pytest.raises(I3Error, match="its manifest names no model"):
        ROUTES[route](world, tmp_path, *flags)
    capsys.readouterr()
    assert ROUTES[route](world, tmp_path, *encoder, *flags) == expected(world)
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    assert said in notes[0] and str(world.folder / "index") in notes[0]
    overruled = [line for line in notes[1:] if "declared" in line]
    assert len(overruled) == (2 if kind == "declared, other flags" else 0)


def test_a_prefix_of_passages_only_is_noted(
    worlds: Callable[[str], World], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mean = worlds("mean")
    world = replace(mean, folder=tmp_path / "world", flags=("--prefix", "hot water :"))
    world.folder.mkdir()
    make_world(world, str((mean.folder / "model").resolve()), declares=False)
    capsys.readouterr()
    by_command(world, tmp_path)
    said = capsys.readouterr().err
    assert said.count("note: ") == 1
    assert "have the prefix 'hot water : '" in said
    assert "query_prefix" in said
    for prefix in ("what is", ""):
        by_command(world, tmp_path, "--query-prefix", prefix, "--overwrite")
        assert capsys.readouterr().err == ""


@pytest.mark.parametrize("kind", ["cls", "declared"])
def test_a_search_needs_no_torch(kind: str, worlds: Callable[[str], World]) -> None:
    index = worlds(kind).folder / "index"
    code = (
        "import sys; from i3_pyserini.search.searcher import Searcher\n"
        f"assert len(Searcher({str(index)!r}).search(['hot eggs'], k=2)[0]) == 2\n"
        "print([m for m in ('torch', 'transformers', 'pandas', 'pyserini') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout.strip() == "[]"
