"""Whoever searches an index encodes its queries as its passages were: every route, every index."""

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer, BertConfig

from i3_pyserini import cli
from i3_pyserini.encode.query_encoders import load_query_encoder
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.hits import Scores
from i3_pyserini.model.settings import EncoderSettings
from i3_pyserini.search.searcher import Searcher
from i3_pyserini.serve.passages import Passages
from tests.conftest import WORDS, tiny_bert_config
from tests.model.st_models import st_model

PASSAGES, TOPICS, HITS = 40, 3, 5
POSITIVE = "d0"  # of every topic, for mining
Ranking = dict[str, list[str]]


@dataclass(frozen=True)
class World:
    """An index, how its vectors were made, and what its flags would be.

    Attributes:
        folder: with `corpus.jsonl`, `topics.tsv`, `qrels.txt`, `model` and `index`.
        flags: of encoding.
        settings: what decides its vectors.
        prefix: `--query-prefix` of its queries, where the manifest does not say it.
    """

    folder: Path
    flags: tuple[str, ...]
    settings: EncoderSettings
    prefix: str | None = None


KINDS = {
    "cls": ((), EncoderSettings()),
    "mean": (("--pooling", "mean"), EncoderSettings("mean")),
    "mean and unit length": (("--pooling", "mean", "--l2-norm"), EncoderSettings("mean", True)),
    "prefixes": (
        ("--pooling", "mean", "--prefix", "hot water :", "--query-prefix", "what is"),
        EncoderSettings("mean", query_prompt="what is ", passage_prompt="hot water : "),
    ),
    "declared": (
        (),
        EncoderSettings("mean", True, query_prompt="what is ", passage_prompt="hot water : "),
    ),
    "declared, other flags": (
        ("--pooling", "cls", "--no-l2-norm"),
        EncoderSettings("cls", False, query_prompt="what is ", passage_prompt="hot water : "),
    ),
}


def call(module: str, *arguments: object) -> None:
    """What `python -m MODULE ARGUMENTS` does, in this process."""
    if module == "i3_pyserini":
        cli.run([str(argument) for argument in arguments])
        return
    package = importlib.util.find_spec(module)
    is_folder = package is not None and package.submodule_search_locations is not None
    run = import_module(f"{module}.__main__" if is_folder else module)
    with mock.patch.object(sys, "argv", [module, *map(str, arguments)]):
        run.main()


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory, tiny_bert: str) -> Callable[[str], World]:
    """Makes each world once."""
    made: dict[str, World] = {}

    def world(kind: str) -> World:
        if kind not in made:
            flags, settings = KINDS[kind]
            made[kind] = World(tmp_path_factory.mktemp("world"), flags, settings)
            _make(made[kind], tiny_bert, kind.startswith("declared"))
        return made[kind]

    return world


def _make(world: World, tiny_bert: str, declares: bool) -> None:
    folder, random = world.folder, np.random.default_rng(0)
    prompts = {"query": "what is ", "document": "hot water : "}
    if declares:
        st_model(tiny_bert, folder / "model", prompts=prompts)
    else:
        (folder / "model").symlink_to(tiny_bert)
    texts = [" ".join(random.choice(WORDS, random.integers(3, 12))) for _ in range(PASSAGES)]
    rows = [f'{{"id": "d{n}", "text": "{text}"}}\n' for n, text in enumerate(texts)]
    (folder / "corpus.jsonl").write_text("".join(rows))
    topics = {f"q{n}": " ".join(random.choice(WORDS, 3 + n)) for n in range(TOPICS)}
    (folder / "topics.tsv").write_text("".join(f"{q}\t{text}\n" for q, text in topics.items()))
    (folder / "qrels.txt").write_text("".join(f"{qid} 0 {POSITIVE} 1\n" for qid in topics))
    call(
        "i3_pyserini.encode",
        *("input", "--corpus", folder / "corpus.jsonl", "--fields", "text"),
        *("output", "--embeddings", folder / "index", "--to-faiss"),
        *("encoder", "--encoder", folder / "model", "--encoder-class", "auto"),
        *("--fields", "text", "--device", "cpu", *world.flags),
    )


def vectors_of(world: World, texts: list[str], prompt: str) -> Scores:
    """By transformers alone."""
    settings, folder = world.settings, str(world.folder / "model")
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    rows = []
    for text in texts:
        ids = tokenizer(f"{prompt}{text}", return_tensors="pt")["input_ids"]
        with torch.no_grad():
            states = model.eval()(ids).last_hidden_state[0]
        vector = states[0] if settings.pooling == "cls" else states.mean(dim=0)
        rows.append(vector / vector.norm() if settings.normalize else vector)
    vectors: Scores = torch.stack(rows).numpy()
    return vectors


def topics_of(world: World) -> dict[str, str]:
    lines = (world.folder / "topics.tsv").read_text().splitlines()
    return dict(line.split("\t") for line in lines)


def expected(world: World) -> Ranking:
    lines = (world.folder / "corpus.jsonl").read_text().splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    passages = vectors_of(world, texts, world.settings.passage_prompt)
    topics = topics_of(world)
    queries = vectors_of(world, list(topics.values()), world.settings.query_prompt)
    order = np.argsort(-(queries @ passages.T), axis=1, kind="stable")
    return {
        qid: [f"d{row}" for row in rows] for qid, rows in zip(topics, order.tolist(), strict=True)
    }


# The routes: each ranks the topics of a world with an index that only its manifest describes.


def _run_of(path: Path) -> Ranking:
    ranking: Ranking = {}
    for line in path.read_text().splitlines():
        qid, _, docid, *_ = line.split()
        ranking.setdefault(qid, []).append(docid)
    return ranking


def by_command(world: World, scratch: Path, *flags: str) -> Ranking:
    topics = ("--topics", world.folder / "topics.tsv", "--output", scratch / "run.txt")
    call("i3_pyserini.search", "--index", world.folder / "index", *topics, *flags)
    return _run_of(scratch / "run.txt")


def by_encoded_queries(world: World, scratch: Path, *flags: str) -> Ranking:
    _encode_queries(world, scratch, *flags)
    return by_command(world, scratch, "--encoded-queries", str(scratch / "queries"))


def _encode_queries(world: World, scratch: Path, *flags: str) -> None:
    topics = ("--topics", world.folder / "topics.tsv", "--output", scratch / "queries")
    flags = tuple("--model" if flag == "--encoder" else flag for flag in flags)
    call("i3_pyserini", "encode-topics", "--index", world.folder / "index", *topics, *flags)


def by_searcher(world: World, scratch: Path, *flags: str) -> Ranking:
    searcher, topics = Searcher(str(world.folder / "index")), topics_of(world)
    found = searcher.search(list(topics.values()))
    return {qid: [hit.docid for hit in hits] for qid, hits in zip(topics, found, strict=True)}


def by_torch(world: World, scratch: Path, *flags: str) -> Ranking:
    return by_command(world, scratch, "--device", "cpu:0", *flags)


def by_mining(world: World, scratch: Path, *flags: str) -> Ranking:
    """Negatives are the hits but for the positive and passages of equal text."""
    flags = tuple("--model" if flag == "--encoder" else flag for flag in flags)
    call(
        "i3_pyserini",
        *("data", "mine", world.folder / "topics.tsv", world.folder / "qrels.txt"),
        *(world.folder / "corpus.jsonl", "--index", world.folder / "index"),
        *("--output", scratch / "negatives.tsv", "--device", "cpu", "--cache", scratch, *flags),
    )
    lines = (scratch / "negatives.tsv").read_text().splitlines()
    return {qid: pids.split(",") for qid, pids in (line.split("\t") for line in lines)}


def by_page(world: World, scratch: Path, *flags: str) -> Ranking:
    shown: Ranking = {}

    def serve(passages: Passages, *_: object) -> None:
        for qid, text in topics_of(world).items():
            shown[qid] = [hit.docid for hit in passages.search(text, PASSAGES)[0]]

    with mock.patch("i3_pyserini.serve.server.serve", serve):
        call(
            "i3_pyserini",
            *("serve", world.folder / "index", world.folder / "corpus.jsonl", "--no-bm25"),
            *("--port", 0, "--cache", scratch, *in_our_words(flags)),
        )
    return shown


def by_engine(world: World, scratch: Path, *flags: str) -> Ranking:
    if any(importlib.util.find_spec(name) is None for name in ("pymilvus", "milvus_lite")):
        pytest.skip("needs an engine: pip install 'i3-pyserini[engine]'")
    engine = ("--engine", f"milvus:{scratch / 'engine.db'}", "--collection", "passages")
    call("i3_pyserini", "index", "load", world.folder / "index", *engine)
    topics = ("--topics", world.folder / "topics.tsv", "--output", scratch / "run.txt")
    call("i3_pyserini.search", *engine, *topics, "--hits", PASSAGES, *flags)
    return _run_of(scratch / "run.txt")


def by_tuned_index(world: World, scratch: Path, *flags: str) -> Ranking:
    """Tuned for all hits of exact search; its parameters are then those of a full search."""
    build = ("build", world.folder / "index", "--output", scratch / "lists", "--type", "IVF4,Flat")
    call("i3_pyserini", "index", *build)
    call(
        "i3_pyserini",
        *("index", "tune", scratch / "lists", "--topics", world.folder / "topics.tsv"),
        *("--target-recall", 1, "--k", PASSAGES, *in_our_words(flags)),
    )
    topics = ("--topics", world.folder / "topics.tsv", "--output", scratch / "run.txt")
    call("i3_pyserini.search", "--index", scratch / "lists", *topics, *flags)
    return _run_of(scratch / "run.txt")


def in_our_words(flags: Iterable[str]) -> list[str]:
    """Flags of Pyserini's as `i3-pyserini` has them."""
    return ["--model" if flag == "--encoder" else flag for flag in flags]


ROUTES = {
    "command": by_command,
    "torch": by_torch,
    "encoded queries": by_encoded_queries,
    "searcher": by_searcher,
    "mine": by_mining,
    "page": by_page,
    "engine": by_engine,
    "tuned index": by_tuned_index,
}


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


# What contradicts the manifest is refused, by whatever route it comes.

FLAGGED = ("command", "torch", "encoded queries")


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


@pytest.mark.parametrize("route", FLAGGED)
def test_a_flag_that_repeats_the_manifest_is_taken(
    route: str, worlds: Callable[[str], World], tmp_path: Path
) -> None:
    world = worlds("prefixes")
    flags = ("--pooling", "mean", "--query-prefix", "what is")
    assert ROUTES[route](world, tmp_path, *flags) == expected(world)


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
    manifest.write_text(manifest.read_text().replace(str(mean.folder), str(world.folder)))
    assert ROUTES[route](world, tmp_path)
    text = (world.folder / "model" / file).read_text()
    assert old in text
    (world.folder / "model" / file).write_text(text.replace(old, new))
    with pytest.raises(I3Error, match=r": the tokenizer of .* is not the one that it was"):
        ROUTES[route](world, scratch)


def test_encoded_queries_of_another_index_are_refused(
    worlds: Callable[[str], World], tmp_path: Path
) -> None:
    mean, cls = worlds("mean"), worlds("cls")
    _encode_queries(mean, tmp_path)
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


# What the manifest does not say is taken from the model, and said.


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
        ("cls", (), "first token, not normalised (Pyserini's defaults)"),
        ("mean", ("--pooling", "mean"), "mean pooling, not normalised (your flags, then Pyserini"),
        ("declared", (), "mean pooling, unit length, prompt 'what is ' (as "),
        (
            "declared, other flags",
            ("--pooling", "cls", "--no-l2-norm"),
            "first token, not normalised, prompt 'what is ' (your flags, then as ",
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
    with pytest.raises(I3Error, match="its manifest names no model; name the one that"):
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
    _make(world, str((mean.folder / "model").resolve()), declares=False)
    capsys.readouterr()
    by_command(world, tmp_path)
    said = capsys.readouterr().err
    assert said.count("note: ") == 1
    assert "have the prefix 'hot water : ', the queries none; query_prefix" in said
    for prefix in ("what is", ""):
        by_command(world, tmp_path, "--query-prefix", prefix, "--overwrite")
        assert capsys.readouterr().err == ""


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


@pytest.mark.parametrize("kind", ["cls", "declared"])
def test_a_search_needs_no_torch(kind: str, worlds: Callable[[str], World]) -> None:
    index = worlds(kind).folder / "index"
    code = (
        "import sys; from i3_pyserini.search.searcher import Searcher\n"
        f"assert len(Searcher({str(index)!r}).search(['hot eggs'], k=2)[0]) == 2\n"
        "print([m for m in ('torch', 'transformers', 'pandas', 'pyserini') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
