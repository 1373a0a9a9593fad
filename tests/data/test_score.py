import gzip
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.processors import TemplateProcessing
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertForSequenceClassification,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2Tokenizer,
)

from i3_pyserini.data import score_pairs
from i3_pyserini.data.candidates import TeacherFile
from i3_pyserini.data.scoring import BLOCK, Scoring, score
from i3_pyserini.data.unscored import Mined, UnscoredQueries
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.search.pair_scorer import PairOptions, PairScorer
from tests.conftest import tiny_bert_config

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Make = Callable[..., str]

COLLECTION = (
    "p1\teggs\tboil an egg in hot water\n"
    "p2\t\tplace the plant in cold light\n"
    "p3\tlight\tphotosynthesis\n"
    "p4\tNone\ta b c d e f a b c d e f a b c d e f a b c d e f a b c d e f\n"
)
READ = {  # what the teacher is to read of them, by the default template
    "p1": "eggs boil an egg in hot water",
    "p2": "place the plant in cold light",
    "p3": "light photosynthesis",
    "p4": "None a b c d e f a b c d e f a b c d e f a b c d e f a b c d e f",
}
QUERIES = {"q1": "how long to boil an egg", "q2": "what is photosynthesis"}
OPTIONS = PairOptions(max_length=24, batch_size=3, device="cpu")


@pytest.fixture(scope="session")
def make_teacher(
    tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer: PreTrainedTokenizerFast
) -> Make:
    """Writes a random cross-encoder whose tokenizer joins pairs as BERT's does."""
    core = Tokenizer.from_str(tiny_tokenizer.backend_tokenizer.to_str())
    core.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    special = {name: getattr(tiny_tokenizer, name) for name in ("pad_token", "unk_token")}
    special |= {name: getattr(tiny_tokenizer, name) for name in ("cls_token", "sep_token")}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        **special,
    )

    def make(labels: int = 1, bias: float = 0.0) -> str:
        torch.manual_seed(labels)
        config = tiny_bert_config()
        config.num_labels = labels
        model = BertForSequenceClassification(config)
        torch.nn.init.constant_(model.classifier.bias, bias)
        directory = tmp_path_factory.mktemp(f"teacher{labels}-")
        model.save_pretrained(directory)
        tokenizer.save_pretrained(directory)
        return str(directory)

    return make


@pytest.fixture(scope="session")
def teacher(make_teacher: Make) -> str:
    return make_teacher()


@pytest.fixture
def task(tmp_path: Path) -> Path:
    (tmp_path / "c.tsv").write_text(COLLECTION)
    (tmp_path / "q.tsv").write_text("".join(f"{qid}\t{text}\n" for qid, text in QUERIES.items()))
    (tmp_path / "r.txt").write_text("q1 0 p1 1\nq1 0 p3 2\nq2 0 p3 1\n")
    (tmp_path / "n.tsv").write_text("q2\tp4,p1\nq1\tp2,p4\n")
    return tmp_path


def scoring(task: Path, teacher: str, options: PairOptions = OPTIONS, **mined: Any) -> Scoring:
    named = {"negatives": task / "n.tsv", "queries": task / "q.tsv", "qrels": task / "r.txt"}
    return Scoring(teacher, options, Mined(**{**named, **mined}), task / "c.tsv")


def by_hand(teacher: str, query: str, passage: str, length: int = 24) -> list[float]:
    model = AutoModelForSequenceClassification.from_pretrained(teacher, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(teacher)
    pair = tokenizer(query, passage, truncation=True, max_length=length, return_tensors="pt")
    assert pair["token_type_ids"].sum() > 0
    with torch.no_grad():
        logits: list[float] = model(**pair).logits[0].tolist()
    return logits


def written(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.read_bytes().splitlines()]


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if "partial" in path.name)


def many(task: Path, count: int) -> None:
    """Queries enough for several blocks, of many lengths."""
    words = COLLECTION.split()
    texts = [" ".join(words[n % 7 : n % 7 + 1 + n % 11]) for n in range(count)]
    (task / "q.tsv").write_text("".join(f"q{n}\t{text}\n" for n, text in enumerate(texts)))
    (task / "r.txt").write_text("".join(f"q{n} 0 p{1 + n % 4} 1\n" for n in range(count)))
    (task / "n.tsv").write_text("".join(f"q{n}\tp{1 + n % 3},p2,p4\n" for n in range(count)))


def test_scores_are_the_models_logits_in_the_order_of_the_input(task: Path, teacher: str) -> None:
    output = task / "kd.jsonl"
    done = score(scoring(task, teacher), output)
    assert (done.queries, done.pairs, done.resumed) == (2, 7, 0)
    lines = written(output)
    assert [(line["qid"], line["query"]) for line in lines] == [
        ("q2", "what is photosynthesis"),
        ("q1", "how long to boil an egg"),
    ]
    assert [(line["positives"]["doc_id"], line["negatives"]["doc_id"]) for line in lines] == [
        (["p3"], ["p4", "p1"]),
        (["p1", "p3"], ["p2", "p4"]),
    ]
    for line in lines:
        for part in (line["positives"], line["negatives"]):
            expected = [by_hand(teacher, line["query"], READ[pid])[0] for pid in part["doc_id"]]
            assert part["score"] == pytest.approx(expected, abs=1e-5)
    spread = [value for line in lines for value in line["negatives"]["score"]]
    assert max(spread) - min(spread) > 0.01  # else the order would not show
    assert leftovers(task) == []


def test_two_labels_give_the_log_odds(task: Path, make_teacher: Make) -> None:
    two = make_teacher(2)
    score(scoring(task, two), task / "kd.jsonl")
    first = written(task / "kd.jsonl")[0]
    no, yes = by_hand(two, QUERIES["q2"], READ["p3"])
    assert first["positives"]["score"] == pytest.approx([yes - no], abs=1e-5)


def test_a_causal_model_gives_the_log_odds_of_yes_against_no(tmp_path: Path) -> None:
    letters = ["<|endoftext|>", *sorted(ByteLevel.alphabet()), "ye", "yes", "no"]
    ids = {token: number for number, token in enumerate(letters)}
    merges: Any = [("y", "e"), ("ye", "s"), ("n", "o")]  # declared as strings, joined as pairs
    tokenizer = Qwen2Tokenizer(vocab=ids, merges=merges)
    config = Qwen2Config(
        vocab_size=len(ids),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=99,
        initializer_range=0.2,
    )
    model = Qwen2ForCausalLM(config).eval()
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    pairs = [("a b", "what is"), ("how", "x" * 400)]
    expected = []
    for query, passage in pairs:
        batch = tokenizer(query, passage, truncation=True, max_length=50, return_tensors="pt")
        with torch.no_grad():
            logits = model(**batch).logits[0, -1]
        expected.append(float(logits[ids["yes"]] - logits[ids["no"]]))
    options = replace(OPTIONS, max_length=50)
    teacher = PairScorer(str(tmp_path), options)
    assert teacher.score(pairs) == pytest.approx(expected, abs=1e-5)
    teacher.encoder.save_pretrained(str(tmp_path / "saved"))  # with modules, in their folders
    saved = PairScorer(str(tmp_path / "saved"), options)
    assert saved.score(pairs) == pytest.approx(expected, abs=1e-5)
    assert "model 1_LogitScore/config.json" in saved.describe()


def test_the_training_reader_reads_it(task: Path, teacher: str) -> None:
    (task / "q.tsv").write_text("q1\tnaïve \u2028 egg\nq2\twhat\n", encoding="utf-8")
    (task / "n.tsv").write_text("q1\tp2,p4\nq2\n")
    score(scoring(task, teacher), task / "kd.jsonl")
    first, second = TeacherFile(task / "kd.jsonl")
    assert (first.query, first.positives, first.negatives) == (
        "naïve \u2028 egg",
        ["p1", "p3"],
        ["p2", "p4"],
    )
    assert first.positive_scores is not None
    assert first.negative_scores == written(task / "kd.jsonl")[0]["negatives"]["score"]
    assert (second.positives, second.negatives, second.negative_scores) == (["p3"], [], [])


def test_batches_do_not_change_scores(task: Path, teacher: str) -> None:
    many(task, BLOCK + 6)
    runs = []
    for size in (1, 7, 64):
        output = task / f"{size}.jsonl"
        score(scoring(task, teacher, replace(OPTIONS, batch_size=size)), output)
        runs.append(
            [
                x
                for row in written(output)
                for k in ("positives", "negatives")
                for x in row[k]["score"]
            ]
        )
    assert len(runs[0]) == 4 * (BLOCK + 6)
    assert runs[1] == pytest.approx(runs[0], abs=1e-5)
    assert runs[2] == pytest.approx(runs[0], abs=1e-5)


def test_mined_jsonl_gives_the_same_as_tsv(task: Path, teacher: str) -> None:
    record = {"query": QUERIES["q2"], "positives": {"doc_id": ["p3"]}}
    negatives = {"doc_id": ["p4", "p1"], "rank": [2, 5]}
    second = {"qid": "q1", "query": QUERIES["q1"], "positives": {"doc_id": ["p1", "p3"]}}
    (task / "n.jsonl").write_text(
        json.dumps({"qid": "q2", **record, "negatives": negatives})
        + "\n\n"
        + json.dumps({**second, "negatives": {"doc_id": ["p2", "p4"], "rank": [1, 2]}})
    )
    score(scoring(task, teacher), task / "tsv")
    (task / "n.jsonl.gz").write_bytes(gzip.compress((task / "n.jsonl").read_bytes()))
    for name in ("n.jsonl", "n.jsonl.gz"):
        mined = scoring(task, teacher, negatives=task / name, queries=None, qrels=None)
        score(mined, task / f"of {name}")
        assert (task / f"of {name}").read_bytes() == (task / "tsv").read_bytes()


def test_only_the_first_negatives(task: Path, teacher: str) -> None:
    done = score(scoring(task, teacher, max_negatives=1), task / "kd.jsonl")
    assert [line["negatives"]["doc_id"] for line in written(task / "kd.jsonl")] == [["p4"], ["p2"]]
    assert done.pairs == 5


def test_an_input_is_never_the_output(task: Path, teacher: str) -> None:
    before = (task / "c.tsv").read_bytes()
    with pytest.raises(I3Error, match="is named twice"):
        score(scoring(task, teacher), task / "c.tsv", overwrite=True)
    assert (task / "c.tsv").read_bytes() == before


def test_only_the_first_positives(task: Path, teacher: str) -> None:
    score(scoring(task, teacher), task / "all.jsonl")
    assert max(len(line["positives"]["doc_id"]) for line in written(task / "all.jsonl")) > 1
    score(scoring(task, teacher, max_positives=1), task / "kd.jsonl")
    for line, whole in zip(written(task / "kd.jsonl"), written(task / "all.jsonl"), strict=True):
        assert line["positives"]["doc_id"] == whole["positives"]["doc_id"][:1]
        assert line["negatives"]["doc_id"] == whole["negatives"]["doc_id"]


def test_min_relevance(task: Path, teacher: str) -> None:
    (task / "n.tsv").write_text("q1\tp2\n")
    score(scoring(task, teacher, min_relevance=2), task / "kd.jsonl")
    assert written(task / "kd.jsonl")[0]["positives"]["doc_id"] == ["p3"]


def test_templates(teacher: str) -> None:
    def text(template: str, title: str | None) -> str:
        return PairScorer(teacher, replace(OPTIONS, template=template)).text(
            Passage("", title, "a {b}")
        )

    assert text("{title} {text}", None) == "a {b}"
    assert text("{title} {text}", "") == "a {b}"
    assert text("{title}{sep}{text}", "t") == "t[SEP]a {b}"
    assert text("{text}", "t") == "a {b}"
    for template in ("{title}", "{text} {url}", "{text!r}", "{text", "{text:5}", "{}"):
        with pytest.raises(I3Error, match=r"template .*(must use|malformed)"):
            text(template, "t")


def test_a_resumed_run_is_the_same_to_the_byte(task: Path, teacher: str) -> None:
    """Every place at which a run can be torn off, at and around the ends of lines and blocks."""
    many(task, 2 * BLOCK + 9)
    score(scoring(task, teacher), task / "whole")
    whole = (task / "whole").read_bytes()
    ends = [n for n, byte in enumerate(whole, start=1) if byte == ord("\n")]
    cuts = {
        ends[BLOCK - 1] - 1: 0,
        ends[BLOCK - 1]: BLOCK,
        ends[BLOCK - 1] + 1: BLOCK,
        ends[BLOCK + 3]: BLOCK,
        ends[2 * BLOCK - 1]: 2 * BLOCK,
        ends[-1] - 1: 2 * BLOCK,
        ends[-1]: 2 * BLOCK + 9,
    }
    for cut, resumed in cuts.items():
        output = task / "torn"
        begin(task, teacher, whole[:cut])
        assert score(scoring(task, teacher), output).resumed == resumed
        assert output.read_bytes() == whole
        output.unlink()
    assert leftovers(task) == []


def begin(task: Path, teacher: str, content: bytes, **mined: Any) -> None:
    """Leaves what an interrupted run to the output "torn" would leave."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("i3_pyserini.formats.journal.Journal.finish", lambda _: None)
        score(scoring(task, teacher, **mined), task / "torn")
    (task / ".torn.partial").write_bytes(content)


def test_what_is_no_line_of_the_run_is_scored_again(task: Path, teacher: str) -> None:
    many(task, 2 * BLOCK)
    score(scoring(task, teacher), task / "whole")
    whole = (task / "whole").read_bytes()
    lines = whole.splitlines(keepends=True)
    for bad in (b"\0" * 80 + b"\n", b"[]\n", lines[0], b'{"positives": 1, "negatives": 2}\n'):
        begin(task, teacher, b"".join([*lines[: BLOCK + 1], bad, *lines[BLOCK + 2 :]]))
        assert score(scoring(task, teacher), task / "torn").resumed == BLOCK
        assert (task / "torn").read_bytes() == whole
        (task / "torn").unlink()


def test_a_killed_command_goes_on(task: Path, teacher: str) -> None:
    many(task, 6 * BLOCK)
    options = replace(OPTIONS, batch_size=1)
    whole, output = task / "whole", task / "kd.jsonl"
    score(scoring(task, teacher, options), whole)
    flags = f"--teacher {teacher} --max-length 24 --batch-size 1 --device cpu --output {output}"
    files = f"--negatives {task}/n.tsv --topics {task}/q.tsv --qrels {task}/r.txt"
    command = f"-m i3_pyserini data score {flags} {files} --corpus {task}/c.tsv"
    partial = task / ".kd.jsonl.partial"
    with subprocess.Popen([sys.executable, *command.split()], stderr=subprocess.PIPE) as process:
        while not (partial.exists() and partial.stat().st_size):
            assert process.poll() is None
            time.sleep(0.005)
        with pytest.raises(I3Error, match="another process is writing it"):
            score(scoring(task, teacher, options), output)
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not output.exists()
    done = score(scoring(task, teacher, options), output)
    assert 0 < done.resumed < 6 * BLOCK
    assert done.resumed % BLOCK == 0
    assert output.read_bytes() == whole.read_bytes()
    assert leftovers(task) == []


def test_other_settings_do_not_resume(task: Path, teacher: str, make_teacher: Make) -> None:
    many(task, BLOCK + 1)
    score(scoring(task, teacher), task / "whole")
    first = (task / "whole").read_bytes().splitlines(keepends=True)[:BLOCK]
    begin(task, teacher, b"".join(first))
    same = scoring(task, teacher)

    def refused(other: Scoring) -> str:
        with pytest.raises(I3Error, match="begun with other settings") as error:
            score(other, task / "torn")
        return str(error.value)

    for setting, said in (
        ({"template": "{text}"}, r"(template: {title} {text} -> {text})"),
        ({"max_length": 20}, "(max length: 24 -> 20)"),
        ({"dtype": "bf16"}, "(dtype: fp32 -> bf16)"),
    ):
        options = replace(OPTIONS, **setting)
        assert said in refused(replace(same, options=options))
    assert "(max negatives: None -> 2)" in refused(scoring(task, teacher, max_negatives=2))
    assert "(min relevance: 1 -> 0)" in refused(scoring(task, teacher, min_relevance=0))
    other = refused(replace(same, teacher=make_teacher(bias=0.5)))
    assert "(model model.safetensors: " in other
    for name, kind in (("n.tsv", "negatives"), ("q.tsv", "queries"), ("c.tsv", "collection")):
        content = (task / name).read_bytes()
        (task / name).write_bytes(content + b"\n")
        assert f"({kind}: " in refused(same)
        (task / name).write_bytes(content)
    assert score(same, task / "torn").resumed == BLOCK  # by content: the files' times do not matter
    assert (task / "torn").read_bytes() == (task / "whole").read_bytes()


def test_another_batch_size_resumes(task: Path, teacher: str) -> None:
    """Whoever runs out of memory after hours must be able to go on."""
    many(task, BLOCK + 1)
    score(scoring(task, teacher), task / "whole")
    first = (task / "whole").read_bytes().splitlines(keepends=True)[:BLOCK]
    begin(task, teacher, b"".join(first))
    smaller = scoring(task, teacher, replace(OPTIONS, batch_size=1))
    assert score(smaller, task / "torn").resumed == BLOCK


def test_overwrite_begins_anew_with_other_settings(task: Path, teacher: str) -> None:
    begin(task, teacher, b"{}\n")
    (task / "torn").write_text("older")
    other = scoring(task, teacher, max_negatives=1)
    with pytest.raises(I3Error, match="torn: exists"):
        score(other, task / "torn")
    assert score(other, task / "torn", overwrite=True).resumed == 0
    assert [line["negatives"]["doc_id"] for line in written(task / "torn")] == [["p4"], ["p2"]]
    assert leftovers(task) == []


def test_scores_that_are_not_finite(task: Path, make_teacher: Make) -> None:
    large = make_teacher(bias=70000.0)  # more than fp16 can hold
    half = scoring(task, large, replace(OPTIONS, dtype="fp16"))
    said = r"n.tsv, line 1: .* query q2 and passage p3 is inf; use dtype bf16 or fp32"
    with pytest.raises(I3Error, match=said):
        score(half, task / "kd.jsonl")
    assert leftovers(task) == []
    score(replace(half, options=OPTIONS), task / "kd.jsonl")
    values = written(task / "kd.jsonl")[0]["positives"]["score"]
    assert values == pytest.approx([70000.0], abs=10)
    broken = make_teacher(bias=math.nan)
    with pytest.raises(I3Error, match=r"q2 and passage p3 is nan$"):
        score(scoring(task, broken), task / "other")


def test_too_little_memory(task: Path, teacher: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    model = PairScorer(teacher, OPTIONS)
    monkeypatch.setattr(model.encoder, "predict", full)
    with pytest.raises(I3Error, match=r"not enough memory for batch_size 3; repeat .* smaller"):
        model.score([("a", "b")])


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("n.tsv", "", r"n\.tsv: empty"),
        ("n.tsv", "q1\tp2\n\nq2\tp2,p9\n", r"n\.tsv, line 3: negative p9 is not in the collection"),
        ("r.txt", "q1 0 p9 1\nq2 0 p1 1\n", r"n\.tsv, line 2: positive p9 is not in the collect"),
        ("n.tsv", "q1\tp2\nq7\tp2\n", r"n\.tsv, line 2: query q7 has no text"),
        ("r.txt", "q1 0 p1 1\n", r"n\.tsv, line 1: query q2 has no positive"),
        ("q.tsv", "q1\t\n", r"q\.tsv, line 1: the query is empty"),
        ("c.tsv", "p1\n", r"c\.tsv, line 1: 1 fields; expected pid"),
    ],
)
def test_bad_files(task: Path, teacher: str, file: str, content: str, said: str) -> None:
    (task / file).write_text(content)
    with pytest.raises(I3Error, match=said):
        score(scoring(task, teacher), task / "kd.jsonl")
    assert leftovers(task) == []
    assert not (task / "kd.jsonl").exists()


GOOD = {"qid": 7, "query": "a", "positives": {"doc_id": [1]}, "negatives": {"doc_id": []}}


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({**GOOD, "query": " "}, "no field 'query' with a text"),
        ({**GOOD, "qid": None}, "no field 'qid'"),
        ({**GOOD, "qid": True}, "no field 'qid'"),
        ({**GOOD, "positives": {"doc_id": []}}, "the query has no positive"),
        ({**GOOD, "positives": ["p1"]}, "no field 'positives' with a list 'doc_id' of ids"),
        ({**GOOD, "negatives": {"doc_id": "p1"}}, "no field 'negatives' with a list"),
        ({**GOOD, "negatives": {"doc_id": [None]}}, "no field 'negatives' with a list"),
        ({**GOOD, "query": "\ud800"}, "a lone surrogate"),
        ({**GOOD, "negatives": {"doc_id": ["\ud800"]}}, "a lone surrogate"),
    ],
)
def test_bad_jsonl(tmp_path: Path, record: dict[str, Any], said: str) -> None:
    path = tmp_path / "n.jsonl"
    path.write_text(f"{json.dumps(GOOD)}\n{json.dumps(record)}\n")
    queries = UnscoredQueries(Mined(path))
    first = next(iter(queries))
    assert (first.qid, first.positives, first.negatives) == ("7", ["1"], [])
    with pytest.raises(I3Error, match=rf"n\.jsonl, line 2: {said}"):
        list(queries)


def test_files_that_do_not_belong_together(task: Path) -> None:
    with pytest.raises(I3Error, match=r"n\.tsv: has ids only, so that topics and qrels are n"):
        UnscoredQueries(Mined(task / "n.tsv", task / "q.tsv"))
    (task / "n.jsonl").write_text(json.dumps(GOOD))
    with pytest.raises(I3Error, match=r"n\.jsonl: has queries and .* leave out topics"):
        UnscoredQueries(Mined(task / "n.jsonl", task / "q.tsv", task / "r.txt"))
    (task / "n.jsonl").write_text("\n")
    with pytest.raises(I3Error, match=r"n\.jsonl: empty"):
        UnscoredQueries(Mined(task / "n.jsonl"))
    with pytest.raises(I3Error, match=r"none\.tsv: no such file"):
        UnscoredQueries(Mined(task / "none.tsv", task / "q.tsv", task / "r.txt"))


def test_no_classification_head(
    task: Path, tiny_bert: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    said = r"weights are missing \(classifier.bias, classifier.weight\).*not a bi-encoder"
    with pytest.raises(I3Error, match=said):
        score(scoring(task, tiny_bert), task / "kd.jsonl")
    bi_encoder = tmp_path / "bi"  # as sentence-transformers saves one
    bi_encoder.mkdir()
    for file in Path(tiny_bert).iterdir():
        (bi_encoder / file.name).write_bytes(file.read_bytes())
    module = {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}
    (bi_encoder / "modules.json").write_text(json.dumps([module]))
    with pytest.raises(I3Error, match=said):
        PairScorer(str(bi_encoder), OPTIONS)
    assert caplog.messages == []  # one line is all that a user sees


def test_teachers_that_cannot_be(make_teacher: Make, tmp_path: Path, teacher: str) -> None:
    for name, said in (
        (make_teacher(3), "has 3 labels"),
        (str(tmp_path), "no tokenizer here"),
        (str(tmp_path / "nowhere"), "no such directory"),
        ("tiny-teacher", "no such directory"),
    ):
        with pytest.raises(I3Error, match=said):
            PairScorer(name, OPTIONS)
    with pytest.raises(I3Error, match=r"max_length is 161, but .* has only 160 positions"):
        PairScorer(teacher, replace(OPTIONS, max_length=161))
    with pytest.raises(I3Error, match="--device cuda:99 is not usable here"):
        PairScorer(teacher, replace(OPTIONS, device="cuda:99"))
    broken = Path(make_teacher())
    (broken / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(I3Error, match="model cannot be read"):
        PairScorer(str(broken), OPTIONS)
    larger = Path(make_teacher())
    tokenizer = AutoTokenizer.from_pretrained(larger)
    tokenizer.add_tokens([f"a{number}" for number in range(99)] + ["h", "g"])
    tokenizer.save_pretrained(larger)
    with pytest.raises(I3Error, match="cannot score a pair of texts: index out of range"):
        PairScorer(str(larger), OPTIONS)


def test_the_command(run_module: Run, task: Path, teacher: str, tiny_bert: str) -> None:
    def command(*flags: object, model: str = teacher) -> "subprocess.CompletedProcess[str]":
        files = ["--negatives", task / "n.tsv", "--corpus", task / "c.tsv"]
        own = ["--output", task / "kd.jsonl", "--teacher", model, "--max-length", 24]
        return run_module("i3_pyserini", "data", "score", *files, *own, *flags)

    judged = ("--topics", task / "q.tsv", "--qrels", task / "r.txt")
    good = command(*judged)
    assert (good.returncode, good.stdout) == (
        0,
        f"wrote {task}/kd.jsonl: 2 queries, 7 scores\n",
    )
    score(scoring(task, teacher, replace(OPTIONS, batch_size=64)), task / "same")
    assert (task / "same").read_bytes() == (task / "kd.jsonl").read_bytes()
    (task / "kd.jsonl").unlink()
    headless = command(*judged, model=tiny_bert)
    assert headless.returncode == 2
    assert headless.stderr.startswith(f"error: model {tiny_bert}: weights are missing")
    assert headless.stderr.count("\n") == 1
    offline = command(*judged, model="nobody/nothing")
    assert offline.returncode == 2
    assert offline.stderr.startswith(
        "error: cross-encoder nobody/nothing: no such directory, and the"
    )
    assert offline.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["batch_size", "max_length", "max_negatives"])
def test_numbers_out_of_range(name: str) -> None:
    numbers: dict[str, Any] = {name: 0}
    with pytest.raises(I3Error, match=f"{name} is 0, must be at least 1"):
        score_pairs("n.tsv", "c.tsv", teacher="t", output="o", **numbers)


def test_sentence_transformers_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("i3_pyserini.data.score.find_spec", lambda _: None)
    with pytest.raises(I3Error, match=r"pip install 'i3-pyserini\[score\]'"):
        score_pairs("n.tsv", "c.tsv", teacher="t", output="o")
