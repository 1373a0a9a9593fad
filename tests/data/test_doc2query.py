"""Queries that a model writes."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from i3_pyserini.data import doc2query
from i3_pyserini.data.doc2query import Generation, QueryWriter, generate_queries
from i3_pyserini.data.queries import read_positives, read_queries
from i3_pyserini.data.query_files import Job
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.textstore import open_query_store
from tests.conftest import VOCABULARY, Run
from tests.data.conftest import FILES, collection, content


def test_files_of_a_model(tmp_path: Path, tiny_t5: str) -> None:
    job = Job(collection(tmp_path / "c.tsv", 10), tmp_path / "out")
    summary = generate_queries(job, Generation(tiny_t5, per_passage=2))
    queries = read_queries(job.output / "topics.train.tsv")
    positives = read_positives(job.output / "qrels.train.txt")
    assert sorted(content(job.output)) == FILES
    assert list(queries) == list(positives)
    assert summary.queries == len(queries) <= summary.positives <= 18
    assert list(queries)[:4] == ["p0", "p0-2", "p1", "p1-2"]
    assert not any(qid.startswith("p2") for qid in queries)  # nothing to read, nothing to write
    assert summary.left_out == "queries of fewer than 3 words (2)"
    for query in queries.values():
        assert 3 <= len(query.split()) <= 64
        assert not {"[PAD]", "[SEP]", "[CLS]"} & set(query.split())
    generated = open_query_store(job.output / "generated.tsv", tmp_path)
    first = generated.get("p0")
    assert first is not None
    assert first.text == queries["p0"]
    assert len(generated) == 9


def test_the_model_reads_title_and_text_and_samples_as_doc2query(
    tmp_path: Path, tiny_t5: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    options: list[dict[str, Any]] = []
    sample = QueryWriter._sample
    generate: Any = T5ForConditionalGeneration.generate

    def noted_sample(self: QueryWriter, texts: list[str]) -> list[str]:
        read.extend(texts)
        return sample(self, texts)

    def noted_generate(self: T5ForConditionalGeneration, **given: Any) -> Any:
        options.append(given)
        return generate(self, **given)

    monkeypatch.setattr(QueryWriter, "_sample", noted_sample)
    monkeypatch.setattr(T5ForConditionalGeneration, "generate", noted_generate)
    source = tmp_path / "c.tsv"
    source.write_text("p1\ta b\tc d e f a b c\np2\t\tegg\np3\twater\tin a b\n", encoding="utf-8")
    generate_queries(Job(source, tmp_path / "out"), Generation(tiny_t5, 3, 2, max_length=5))
    assert read == ["egg", "water in a b", "a b c d e f a b c"]  # by length
    batch = options[0]
    assert (batch["do_sample"], batch["top_k"], batch["max_new_tokens"]) == (True, 10, 64)
    assert [tuple(given["input_ids"].shape) for given in options] == [(2, 5), (1, 5)]
    assert [given["num_return_sequences"] for given in options] == [3, 3]


def test_only_the_ten_best_words_are_drawn(tiny_t5: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first ids of 300 queries for one text are the ten that the model scores best."""
    writer = QueryWriter(Generation(tiny_t5, per_passage=300))
    ids = writer.tokenizer("an egg", return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        scores = writer.model(input_ids=ids, decoder_input_ids=torch.tensor([[0]])).logits[0, -1]
    drawn: list[torch.Tensor] = []
    generate = writer.model.generate

    def noted(**given: Any) -> torch.Tensor:
        drawn.append(generate(**given))
        return drawn[-1]

    monkeypatch.setattr(writer.model, "generate", noted)
    (queries,) = writer.write(["an egg"], seed=3)
    assert set(drawn[0][:, 1].tolist()) == set(scores.topk(10).indices.tolist())
    assert len(set(queries)) > 150


def test_seeds_decide_and_nothing_else(tmp_path: Path, tiny_t5: str) -> None:
    source = collection(tmp_path / "c.tsv", 10)

    def run(name: str, seed: int) -> dict[str, bytes]:
        torch.rand(len(name))  # another state of the global generator
        before = torch.get_rng_state()
        generate_queries(Job(source, tmp_path / name, seed=seed), Generation(tiny_t5))
        assert torch.equal(before, torch.get_rng_state())
        return content(tmp_path / name)

    assert run("a", 1) == run("bcd", 1) != run("e", 2)


def test_blocks_have_seeds_of_their_own(
    tmp_path: Path, tiny_t5: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doc2query, "BLOCK", 2)
    source = tmp_path / "c.tsv"
    source.write_text("".join(f"p{n}\ta b c\n" for n in range(6)), encoding="utf-8")
    generate_queries(Job(source, tmp_path / "out"), Generation(tiny_t5))
    # One seed for all blocks would give the same two queries three times.
    assert len(read_queries(tmp_path / "out" / "topics.train.tsv")) > 2


def test_models_that_cannot_be_used(
    tmp_path: Path, tiny_t5: str, tiny_bert: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    source = collection(tmp_path / "c.tsv", 5)

    def refused(model: str | Path, **options: Any) -> str:
        with pytest.raises(I3Error) as error:
            generate_queries(Job(source, tmp_path / "out"), Generation(str(model), **options))
        assert "\n" not in str(error.value)
        return str(error.value)

    def altered(name: str, remove: str) -> Path:
        shutil.copytree(tiny_t5, tmp_path / name)
        (tmp_path / name / remove).unlink()
        return tmp_path / name

    assert "'bert' is not a sequence-to-sequence model" in refused(tiny_bert)
    assert "no such directory" in refused(tmp_path / "none")
    assert "Hugging Face hub" in refused("nobody/no-such-model")
    assert "config.json cannot be read" in refused(altered("no-config", "config.json"))
    assert "weights cannot be read" in refused(altered("no-weights", "model.safetensors"))
    assert "no tokenizer" in refused(altered("no-words", "tokenizer.json"))
    assert "--device nonsense is not usable" in refused(tiny_t5, device="nonsense")
    half = altered("half", "model.safetensors")
    whole = T5ForConditionalGeneration.from_pretrained(tiny_t5)
    weights = {name: w for name, w in whole.state_dict().items() if "decoder.block" not in name}
    whole.save_pretrained(half, state_dict=weights)
    assert "weights are missing, such as decoder.block.0" in refused(half)
    small = T5Config(
        **{**json.loads((half / "config.json").read_text(encoding="utf-8")), "vocab_size": 9}
    )
    T5ForConditionalGeneration(small).save_pretrained(half)
    assert f"has {len(VOCABULARY)} tokens but the model has only 9" in refused(half)
    assert not list((tmp_path / "out").iterdir())


def test_a_model_with_few_positions(
    tmp_path: Path, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    config = BartConfig(
        vocab_size=len(VOCABULARY),
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        max_position_embeddings=80,
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=3,
        decoder_start_token_id=3,
        forced_eos_token_id=3,
    )
    BartForConditionalGeneration(config).save_pretrained(tmp_path / "bart")
    tiny_tokenizer.save_pretrained(tmp_path / "bart")
    job = Job(collection(tmp_path / "c.tsv", 5), tmp_path / "out")
    with pytest.raises(I3Error, match=r"max_length is 384, but .* reads at most 80"):
        generate_queries(job, Generation(str(tmp_path / "bart")))
    assert generate_queries(job, Generation(str(tmp_path / "bart"), max_length=80)).queries == 4


def test_numbers_that_overflow(tmp_path: Path, tiny_t5: str) -> None:
    model = T5ForConditionalGeneration.from_pretrained(tiny_t5)
    model.shared.weight.data.fill_(torch.inf)
    model.save_pretrained(tmp_path / "broken")
    shutil.copy(Path(tiny_t5) / "tokenizer.json", tmp_path / "broken")
    shutil.copy(Path(tiny_t5) / "tokenizer_config.json", tmp_path / "broken")
    writer = QueryWriter(Generation(str(tmp_path / "broken")))
    with pytest.raises(I3Error, match="its numbers overflow in fp32; use --dtype"):
        writer.write(["an egg"], 1)


def test_half_precision(tiny_t5: str) -> None:
    writer = QueryWriter(Generation(tiny_t5, dtype="bf16"))
    assert {weight.dtype for weight in writer.model.parameters()} == {torch.bfloat16}
    assert len(writer.write(["an egg", "water"], 1)) == 2


def test_outputs_are_checked_before_the_model(tmp_path: Path, tiny_t5: str) -> None:
    source, out = collection(tmp_path / "c.tsv", 5), tmp_path / "out"
    (out / "corpus").mkdir(parents=True)

    def refused(job: Job) -> str:
        with pytest.raises(I3Error) as error:
            generate_queries(job, Generation("/no/model"))
        return str(error.value)

    (out / "generated.tsv").write_text("old", encoding="utf-8")
    assert "generated.tsv: exists" in refused(Job(source, out))
    (out / "corpus" / "corpus.jsonl").write_text("old", encoding="utf-8")
    assert "corpus.jsonl: exists" in refused(Job(source, out, overwrite=True))
    assert "no such collection" in refused(Job(tmp_path / "none.tsv", out))
    assert "cannot be written" in refused(Job(source, Path("/proc/none")))


def test_command_with_a_model_that_is_none(tmp_path: Path, tiny_bert: str, run_module: Run) -> None:
    source = collection(tmp_path / "c.tsv", 5)
    words = (source, "--output", tmp_path / "o", "--source", "model", "--model", tiny_bert)
    done = run_module("i3_pyserini", "data", "queries", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: model {tiny_bert}: 'bert' is not a sequence-to-sequence")
    assert done.stderr.count("\n") == 1
