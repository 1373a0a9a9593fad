"""What `encode` says of an index: pooling, titles, lengths, what is cut, and stock's command."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.encode.auto_encoders import AutoDocumentEncoder, AutoQueryEncoder
from i3_pyserini.encode.batches import Batching
from i3_pyserini.encode.query_encoders import load_query_encoder
from i3_pyserini.encode.runner import Encoding, StopRequest, run_encoding
from i3_pyserini.encode.spec import EncoderSpec
from i3_pyserini.encode.summary import advice, holds, percent, stock_commands, stock_search
from i3_pyserini.errors import I3Error, StoppedError
from i3_pyserini.formats.index import CorpusRecord, EncoderRecord, IndexManifest, read_manifest
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.model.settings import EncoderSettings
from i3_pyserini.model.texts import token_ids
from i3_pyserini.model.tokenizer_check import check_tokenizer
from tests.model.odd_tokenizers import KINDS, make_odd_model
from tests.model.st_models import st_model

Run = Callable[..., Any]
LONG, SHORT = "a b c d e f " * 5, "boil an egg"


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    lines = [
        {
            "id": f"d{n}",
            "text": LONG if n % 4 == 0 else None if n == 9 else SHORT,
            **({"title": "eggs"} if n < 3 else {}),
        }
        for n in range(10)
    ]
    path = tmp_path / "corpus.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return Corpus(path)


def manifest(settings: EncoderSettings, kind: str = "auto", name: str = "M") -> IndexManifest:
    encoder = EncoderRecord(kind=kind, name=name, **settings.as_manifest())
    return IndexManifest(encoder=encoder, corpus=CorpusRecord(), titles=True)


def test_the_line_and_the_share_that_is_cut(
    tiny_bert: str, corpus: Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = st_model(tiny_bert, tmp_path / "m", transformer={"max_seq_length": 20})
    how = Encoding(Batching(with_titles=False), part_passages=4)
    run_encoding(corpus, EncoderSpec(model, "auto"), IndexOutput(tmp_path / "ix"), how)
    said = capsys.readouterr().err
    assert "mean pooling, unit length, titles: no, 20 ids, 30% of passages are cut" in said
    assert "3 of 10 passages have a title" in said and "--fields title text" in said
    assert "1 of 10 passages have no text" in said
    found = read_manifest(tmp_path / "ix")
    assert found.encoder.cut == pytest.approx(0.3)
    assert EncoderSettings.of_manifest(found.encoder) == EncoderSpec(model, "auto").resolved()


def test_the_share_survives_an_interruption(
    tiny_bert: str, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = EncoderSpec(tiny_bert, "auto", settings=EncoderSettings(passage_length=20))
    how = Encoding(part_passages=4)
    asked = iter([False, True])
    with monkeypatch.context() as patch, pytest.raises(StoppedError):
        patch.setattr(StopRequest, "asked", lambda _: next(asked, True))
        patch.setattr(
            StopRequest,
            "raise_if_asked",
            lambda _, message: (_ for _ in ()).throw(StoppedError(15, message)),
        )
        run_encoding(corpus, spec, IndexOutput(tmp_path / "ix"), how)
    assert len(list((tmp_path / ".ix.partial").glob("part-*"))) in (1, 2)
    run_encoding(corpus, spec, IndexOutput(tmp_path / "ix"), how)
    assert read_manifest(tmp_path / "ix").encoder.cut == pytest.approx(0.3)


@pytest.mark.parametrize("add_sep", [False, True])
@pytest.mark.parametrize("length", [4, 5, 6, 7, 30])
def test_cut_is_what_is_longer_than_allowed(tiny_bert: str, length: int, add_sep: bool) -> None:
    texts, titles = [SHORT, LONG, "", "a b c"], ["eggs", "eggs", None, "a"]
    settings = EncoderSettings(passage_length=length, add_sep=add_sep)
    found = AutoDocumentEncoder(tiny_bert, "cpu", settings=settings).ids(texts, titles)
    whole = EncoderSettings(passage_length=150, add_sep=add_sep)
    lengths = map(len, AutoDocumentEncoder(tiny_bert, "cpu", settings=whole).ids(texts, titles))
    assert found.cut == sum(one > length for one in lengths)


def test_tokenizers_without_encodings_count_alike(tiny_tokenizer: Any) -> None:
    class Plain:
        """As a tokenizer in Python: it gives ids only."""

        def __call__(self, *texts: Any, **how: Any) -> Any:
            batch = tiny_tokenizer(*texts, **how)
            batch._encodings = None
            return batch

    for length in (3, 5, 9):
        expected = token_ids(tiny_tokenizer, [LONG, SHORT, "a"], length)
        found = token_ids(Plain(), [LONG, SHORT, "a"], length)  # type: ignore[arg-type]
        assert (found, found.cut) == (expected, expected.cut)


@pytest.mark.parametrize(
    ("settings", "flags"),
    [
        (EncoderSettings(), "--encoder-class auto"),
        (EncoderSettings("mean", True), "--encoder-class auto --pooling mean --l2-norm"),
        (
            EncoderSettings("mean", query_prompt="what is: "),
            "--encoder-class auto --pooling mean --query-prefix 'what is:'",
        ),
        (EncoderSettings("last"), None),
        (EncoderSettings("max"), None),
        (EncoderSettings(query_prompt="query:"), None),
        (EncoderSettings(lowercase=True), None),
    ],
)
def test_stock_command(
    tmp_path: Path, settings: EncoderSettings, flags: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # M is no model there
    index = tmp_path / "an index"
    index.mkdir()
    (index / "index").touch()
    java = {"JAVA_HOME": "/opt/a b"}
    command = stock_search(index, manifest(settings, name="M"), java)
    assert command is not None
    search = command.split(" && ")[-1]
    assert search.startswith("JAVA_HOME='/opt/a b' python -m pyserini.search.faiss --index ")
    assert str(index) in shlex.split(search)
    if flags is None:
        assert "encode-topics" in command and "--encoded-queries queries" in search
    else:
        assert f"--encoder M {flags} " in command and "&&" not in command
    of_i3 = stock_search(index, manifest(EncoderSettings(), "i3", "some/MODEL"), {})
    assert of_i3 is not None and "--encoder some/MODEL/query_encoder " in of_i3
    trap = stock_search(index, manifest(EncoderSettings(), name="clipper"), {})
    assert trap is not None and "--encoded-queries" in trap
    assert stock_search(tmp_path, manifest(settings), {}) is None
    assert (
        stock_search(index, IndexManifest(encoder=EncoderRecord(), corpus=CorpusRecord()), {})
        is None
    )


def test_words_of_stock_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    (tmp_path / "index").touch()
    given = ("a topics.tsv", "{out}", "r.queries", 20)
    (search,) = stock_commands(tmp_path, manifest(EncoderSettings(), name="M"), *given)
    assert search[:3] == ["python", "-m", "pyserini.search.faiss"]
    assert search[-4:] == ["--hits", "20", "--output", "{out}"] and "a topics.tsv" in search
    encode, search = stock_commands(tmp_path, manifest(EncoderSettings("last"), name="M"), *given)
    assert encode[:3] == ["i3-pyserini", "encode-topics", "a topics.tsv"]
    assert encode[-1] == search[search.index("--encoded-queries") + 1] == "r.queries"


@pytest.mark.parametrize("kind", ["plain", "accents"])
def test_stock_command_where_transformers_reads_the_tokenizer_otherwise(
    kind: str, tmp_path: Path
) -> None:
    model = make_odd_model(KINDS[kind], tmp_path / "m")
    (tmp_path / "index").touch()
    command = stock_search(tmp_path, manifest(EncoderSettings("mean"), name=model), {})
    assert ("--encoded-queries" in str(command)) == (check_tokenizer(model) is not None)
    assert (f"--encoder {model} " in str(command)) == (kind == "plain")


@pytest.mark.parametrize("length", [None, 20, 64])
def test_stock_command_where_stock_cuts_queries_at_another_length(
    tiny_bert: str, tmp_path: Path, length: int | None
) -> None:
    (tmp_path / "index").touch()
    settings = EncoderSettings("mean", query_length=length)
    command = stock_search(tmp_path, manifest(settings, name=tiny_bert), {})
    assert ("--encoded-queries" in str(command)) == (length == 20)


def test_a_model_that_is_not_here_leaves_the_stock_command(tmp_path: Path) -> None:
    (tmp_path / "index").touch()
    gone = str(tmp_path / "gone")
    command = stock_search(tmp_path, manifest(EncoderSettings(), name=gone), {})
    assert f"--encoder {gone} " in str(command)


def test_lengths_without_room_for_special_tokens_are_refused(tiny_bert: str) -> None:
    with pytest.raises(I3Error, match="2 special tokens"):
        AutoDocumentEncoder(tiny_bert, "cpu", settings=EncoderSettings(passage_length=1))
    short = EncoderSettings(query_length=1)
    with pytest.raises(I3Error, match="2 special tokens"):
        load_query_encoder(tiny_bert, settings=short)
    with pytest.raises(I3Error, match="2 special tokens"):
        AutoQueryEncoder(tiny_bert, "cpu", settings=short)
    ids = AutoDocumentEncoder(tiny_bert, "cpu", settings=EncoderSettings(passage_length=2)).ids
    assert len(ids([LONG])[0]) == 2


def test_percentages_say_none_and_all_only_where_it_is_so() -> None:
    assert [percent(share) for share in (0, 1, 0.744, 0.0001, 0.999, 0.00000001)] == [
        *("0%", "100%", "74%", "0.01%", "99.90%", "0.01%")
    ]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (EncoderSettings(), []),
        (EncoderSettings(passage_prompt="passage: "), ["--query-prefix"]),
        (EncoderSettings(passage_prompt="passage: ", query_prompt="query: "), []),
        (EncoderSettings(similarity="cosine"), ["--l2-norm"]),
        (EncoderSettings(normalize=True, similarity="cosine"), []),
        (EncoderSettings(similarity="euclidean"), ["euclidean"]),
    ],
)
def test_advice(settings: EncoderSettings, named: list[str]) -> None:
    found = advice(settings)
    assert len(found) == len(named)
    assert all(name in line for name, line in zip(named, found, strict=True))


def test_encode_says_what_flags_overrule(
    tiny_bert: str, corpus: Corpus, tmp_path: Path, run_module: Run
) -> None:
    length = {"max_seq_length": 64}  # the tokenizer's own, at which stock search cuts queries
    prompts = {"document": "place : "}
    model = st_model(tiny_bert, tmp_path / "m", prompts=prompts, transformer=length)
    command = ("i3_pyserini.encode", "input", "--corpus", corpus.path, "output", "--embeddings")
    done = run_module(
        *command,
        *(tmp_path / "ix", "--to-faiss", "encoder", "--encoder", model, "--pooling", "cls"),
        *("--no-l2-norm", "--max-length", 64, "--query-prefix", "what :", "--device", "cpu"),
    )
    assert done.returncode == 0, done.stderr
    note = next(line for line in done.stderr.splitlines() if "override" in line)
    assert "--pooling: mean declared, cls given" in note and "--l2-norm" in note
    assert "--max-length" not in note  # as declared
    assert "--query-prefix (" not in done.stderr
    assert "--encoder-class auto --query-prefix 'what :'" in done.stderr
    found = read_manifest(tmp_path / "ix")
    assert found.encoder.contradicted is not None and len(found.encoder.contradicted) == 2
    assert (found.encoder.query_prompt, found.encoder.passage_prompt) == ("what : ", "place : ")
    assert holds(found) is not None
