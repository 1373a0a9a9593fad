"""What contradicts an index is refused, by whatever route it comes."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from transformers import BertConfig

from i3_pyserini.encode.query_encoders import load_query_encoder
from i3_pyserini.errors import I3Error
from i3_pyserini.search.searcher import Searcher
from tests.conftest import tiny_bert_config
from tests.search.routes import (
    FLAGGED,
    KINDS,
    ROUTES,
    World,
    by_command,
    call,
    encode_queries,
    expected,
)


@pytest.mark.parametrize("route", FLAGGED)
@pytest.mark.parametrize(
    ("kind", "flags", "both"),
    [
        ("cls", ("--pooling", "mean"), ("--pooling mean", "cls")),
        ("mean", ("--pooling", "cls"), ("--pooling cls", "mean")),
        ("mean", ("--l2-norm",), ("--l2-norm yes", "no")),
        ("mean and unit length", ("--no-l2-norm",), ("--l2-norm no", "yes")),
        ("prefixes", ("--query-prefix", "hot"), ("--query-prefix 'hot '", "'what is '")),
        ("declared", ("--query-prefix", ""), ("--query-prefix ''", "'what is '")),
        ("declared, other flags", ("--pooling", "mean"), ("--pooling mean", "cls")),
    ],
)
def test_a_flag_against_the_manifest_is_refused(
    kind: str,
    flags: tuple[str, ...],
    both: tuple[str, str],
    route: str,
    worlds: Callable[[str], World],
    tmp_path: Path,
) -> None:
    world = worlds(kind)
    with pytest.raises(I3Error) as raised:
        ROUTES[route](world, tmp_path, *flags)
    flag, held = both
    said = str(raised.value)
    assert f"{flag} contradicts the manifest of {world.folder / 'index'}" in said
    assert f"which says {held};" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "changed",
    [{"pooling": "max"}, {"normalize": None}, {"query_prompt": "how to "}, {"lowercase": True}],
    ids=str,
)
def test_an_encoder_with_other_settings_is_refused(
    kind: str, changed: dict[str, Any], worlds: Callable[[str], World]
) -> None:
    world = worlds(kind)
    searcher = Searcher(world.folder / "index")
    held = searcher.encoder.settings
    (name, value), *_ = changed.items()
    value = not held.normalize if name == "normalize" else value
    model = str(world.folder / "model")
    fields: dict[str, Any] = {name: value}
    other = replace(held, **fields)
    encoder = load_query_encoder(model, settings=other)
    if name == "query_prompt" and not held.query_prompt:  # nobody said what queries begin with
        searcher.use(encoder)
        return
    for use in (searcher.use, lambda one: Searcher(world.folder / "index", one)):
        with pytest.raises(I3Error, match=f"its manifest says {name} .*, but the queries of"):
            use(encoder)


@pytest.mark.parametrize(
    "route", ["command", "torch", "searcher", "mine", "page", "encoded queries"]
)
@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("tokenizer.json", '"lowercase": true', '"lowercase": false'),
        ("tokenizer_config.json", '"model_max_length": 64', '"model_max_length": 63'),
    ],
)
def test_another_tokenizer_is_refused(
    file: str, old: str, new: str, route: str, worlds: Callable[[str], World], tmp_path: Path
) -> None:
    mean = worlds("mean")
    world, scratch = replace(mean, folder=tmp_path / "world"), tmp_path / "scratch"
    scratch.mkdir()
    shutil.copytree(mean.folder, world.folder)  # the model, too, which the manifest names elsewhere
    manifest = world.folder / "index" / "manifest.json"
    manifest.write_text(
        manifest.read_text(encoding="utf-8").replace(str(mean.folder), str(world.folder)),
        encoding="utf-8",
    )
    assert ROUTES[route](world, tmp_path)
    text = (world.folder / "model" / file).read_text(encoding="utf-8")
    assert old in text
    (world.folder / "model" / file).write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(I3Error, match=r": the tokenizer of .* is not the one that it was"):
        ROUTES[route](world, scratch)


def test_encoded_queries_of_another_index_are_refused(
    worlds: Callable[[str], World], tmp_path: Path
) -> None:
    mean, cls = worlds("mean"), worlds("cls")
    encode_queries(mean, tmp_path)
    queries = ("--encoded-queries", str(tmp_path / "queries"))
    assert by_command(mean, tmp_path, *queries) == expected(mean)
    with pytest.raises(I3Error, match=r"manifest says pooling cls, but the queries of .* mean"):
        by_command(cls, tmp_path, *queries, "--overwrite")
    lists = tmp_path / "lists"
    build = ("build", cls.folder / "index", "--output", lists, "--type", "IVF4,Flat")
    call("i3_pyserini", "index", *build)
    with pytest.raises(I3Error, match=r"manifest says pooling cls, but the queries of .* mean"):
        call(
            "i3_pyserini",
            *(
                "index",
                "tune",
                lists,
                "--queries",
                tmp_path / "queries",
                "--target-recall",
                0.5,
                "--k",
                5,
            ),
        )


@pytest.mark.parametrize("route", ["engine", "command", "page", "mine"])
def test_another_model_is_refused(
    route: str, worlds: Callable[[str], World], tmp_path: Path, make_backbone: Callable[..., str]
) -> None:
    world, other = worlds("mean"), make_backbone(one_layer_less())
    with pytest.raises(I3Error, match="encoded by another model"):
        ROUTES[route](world, tmp_path, "--encoder", other)


def one_layer_less() -> BertConfig:
    """The tiny backbone's configuration with one layer less."""
    config = tiny_bert_config()
    config.num_hidden_layers -= 1
    return config
