"""The benchmark of training: both libraries start from the same loss, and its table adds up."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.train_sides import WARM_UP, Measured, Piece, measure, pairs
from benchmarks.train_speed import CACHED, I3, PLAIN, SIDES, THEIRS, table
from i3_pyserini.errors import I3Error
from tests.conftest import WORDS, tiny_bert_config
from tests.model.st_models import st_model

QUERIES = 24


@pytest.fixture
def piece(
    make_backbone: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Piece:
    monkeypatch.setattr("benchmarks.bounds.SIZES", (256,))
    config = tiny_bert_config()
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
    collection = tmp_path / "collection"
    (collection / "corpus").mkdir(parents=True)
    words = [WORDS[number % len(WORDS)] for number in range(3 * QUERIES)]
    passages = [
        {"id": f"p{n}", "title": words[n], "text": " ".join(words[n : 2 * n + 3])}
        for n in range(QUERIES)
    ]
    files = {
        "corpus/corpus.jsonl": [json.dumps(one) for one in passages],
        "topics.train.tsv": [f"q{n}\t{' '.join(words[n : n + 3])}" for n in range(QUERIES)],
        "qrels.train.txt": [f"q{n} 0 p{n} 1" for n in range(QUERIES)],
    }
    for name, lines in files.items():
        (collection / name).write_text("".join(f"{one}\n" for one in lines), encoding="utf-8")
    return Piece(
        side="plain",
        collection=str(collection),
        backbone=st_model(make_backbone(config), tmp_path / "backbone"),
        output=str(tmp_path / "plain"),
        steps=WARM_UP + 2,
        batch=4,
        length=16,
        precision="fp32",
        buckets=2,
    )


@pytest.mark.slow
def test_plain_and_i3(piece: Piece, tmp_path: Path) -> None:
    plain = measure(piece)
    assert len(plain.losses) == piece.steps
    assert plain.seconds > 0
    assert plain.peak > 1e8
    counted = measure(replace(piece, output=str(tmp_path / "counted"), count=True))
    i3 = measure(replace(piece, side="i3", output=str(tmp_path / "i3"), count=True))
    assert i3.parameters > plain.parameters == counted.parameters
    # Two layers of 32 dimensions: 6 operations a weight and id, forward and backward, and more for
    # attention; without padding at least 4 ids a text.
    weights, ids = 2 * (4 * 32 * 32 + 2 * 32 * 64), 2 * piece.batch * piece.length
    assert 6 * weights * ids / 4 < counted.flops < 2 * 6 * weights * ids
    assert i3.flops > counted.flops
    assert plain.flops == counted.seconds == 0


def test_the_same_batches(piece: Piece) -> None:
    queries, passages = pairs(piece)
    assert len(queries) == len(passages) == piece.steps * piece.batch
    assert len(set(passages)) == len(passages)
    with pytest.raises(I3Error, match="24 training queries are fewer than 7 batches of 4"):
        pairs(replace(piece, steps=7))


@pytest.mark.slow
@pytest.mark.parametrize("chunk", [None, 2])
def test_both_libraries_start_from_the_same_loss(
    piece: Piece, tmp_path: Path, chunk: int | None
) -> None:
    pytest.importorskip("sentence_transformers", reason="needs sentence-transformers")
    ours = measure(replace(piece, chunk=chunk))
    theirs = measure(
        replace(piece, side="theirs", chunk=chunk, output=str(tmp_path / "theirs"), keep=True)
    )
    assert len(theirs.losses) == piece.steps
    assert theirs.losses[0] == pytest.approx(ours.losses[0], rel=1e-3)  # logged to 4 digits
    assert 0.4 < theirs.parameters / ours.parameters < 0.6  # one encoder, and a pooler
    assert (tmp_path / "theirs" / "last" / "modules.json").exists()


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    seconds = {THEIRS: 3.0, PLAIN: 2.0, I3: 2.5, CACHED: 4.0, "plain, in chunks": 5.0}
    found = {
        name: [Measured(factor * one, 0.0, 1e11, 0, ()) for factor in (1, 2, 3)]
        for name, one in seconds.items()
    }
    flops = {name: 1.2e11 if name == I3 else 1e11 for name in seconds}
    counted = {name: Measured(0.0, one, 0.0, 45_000_000, ()) for name, one in flops.items()}
    figures = {one.name: one for one in table(found, counted, "bf16")}
    assert len(figures) == 5 * len(SIDES) + 3
    assert figures["bf16, plain, speed"].value == 1.5
    assert figures["bf16, plain, in chunks, speed"].value == 0.8
    assert figures["bf16, plain, of the peak"].values == [25, 17, 50]
    assert figures["bf16, I³ beyond plain, measured"].value == 25
    assert figures["bf16, I³ beyond plain, counted"].value == 20
    shown = capsys.readouterr().out
    assert (
        "| plain | 45.0 | 4.00 (2.00 to 6.00) | 1.50 (1.50 to 1.50) | 100 | 25 (17 to 50) |"
        in shown
    )
    assert "I³ beyond plain: 25 (25 to 25)% measured, 20% counted" in shown
