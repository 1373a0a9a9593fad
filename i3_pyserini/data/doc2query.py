"""Generates training queries for passages with a sequence-to-sequence model (doc2query)."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm
from transformers import AutoConfig, AutoModelForSeq2SeqLM, AutoTokenizer
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from i3_pyserini.data.own_words import choose
from i3_pyserini.data.query_files import (
    Job,
    Pairs,
    Summary,
    digest,
    enough_room,
    prepared,
    write_queries,
)
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.journal import Journal, Settings, open_journal
from i3_pyserini.formats.made import Made
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.formats.textstore import TextStore, open_store
from i3_pyserini.model.devices import note_slow_bf16, torch_device
from i3_pyserini.model.fingerprint import fingerprint
from i3_pyserini.model.loading import check_name, quiet_transformers, unreadable
from i3_pyserini.model.tokenizer_loading import VOCABULARY_FILES

# Sampling as in docTTTTTquery (github.com/castorini/docTTTTTquery; Nogueira and Lin 2019, "From
# doc2query to docTTTTTquery"), whose queries have at most 64 tokens.
TOP_K = 10
QUERY_LENGTH = 64
WRITTEN = "queries"  # the journal's name in the output folder
BLOCK = 256  # passages per block, the work lost by an interruption
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Generation:
    """Options for generating queries.

    Attributes:
        model: directory or hub name of a sequence-to-sequence model such as T5.
        per_passage: queries per passage.
        batch_size: passages per batch, at most `BLOCK`.
        max_length: maximum ids of a passage, special tokens included.
        device: such as "cuda:0"; None for the first GPU, or the CPU if there is none.
        dtype: one of `DTYPES`.
    """

    model: str
    per_passage: int = 1
    batch_size: int = 32
    max_length: int = 384
    device: str | None = None
    dtype: str = "fp32"


class QueryWriter:
    """Samples queries for passages.

    Args:
        how: see `Generation`.

    Raises:
        I3Error: the model cannot be read or is of another kind, or the device does not exist.
    """

    def __init__(self, how: Generation) -> None:
        self.how, self.device = how, torch_device(how.device)
        note_slow_bf16(how.dtype, self.device)
        check_name(how.model, "model")
        self.model = _load_model(how)
        self.tokenizer = _load_tokenizer(
            how.model, self.model.get_input_embeddings().weight.size(0)
        )
        self.model.to(self.device).eval()

    def write(self, texts: Sequence[str], seed: int) -> list[list[str]]:
        """Samples queries, in batches of similar length.

        Args:
            texts: N texts.
            seed: random seed; with the texts it determines the queries.

        Returns:
            The queries of each text, on one line with single spaces; empty for a text without
            letters.

        Raises:
            I3Error: memory is exhausted, or numbers overflow.
        """
        queries = [[""] * self.how.per_passage for _ in texts]
        order = sorted((row for row, text in enumerate(texts) if text), key=lambda i: len(texts[i]))
        with torch.random.fork_rng(self._gpus()), quiet_transformers(), _explained(self.how):
            torch.manual_seed(seed)
            for start in range(0, len(order), self.how.batch_size):
                rows = order[start : start + self.how.batch_size]
                written = iter(self._sample([texts[row] for row in rows]))
                for row in rows:
                    queries[row] = list(islice(written, self.how.per_passage))
        return queries

    def _gpus(self) -> list[torch.device]:
        return [self.device] if self.device.type == "cuda" else []

    @torch.inference_mode()
    def _sample(self, texts: list[str]) -> list[str]:
        batch = self.tokenizer(
            texts,
            padding=True,
            truncation=True,
            max_length=self.how.max_length,
            return_token_type_ids=False,
            return_tensors="pt",
        ).to(self.device)
        ids = self.model.generate(
            **batch,
            do_sample=True,
            num_beams=1,
            top_k=TOP_K,
            max_new_tokens=QUERY_LENGTH,
            num_return_sequences=self.how.per_passage,
        )
        queries = self.tokenizer.batch_decode(ids, skip_special_tokens=True)
        return [" ".join(query.split()) for query in queries]


def generate_queries(job: Job, how: Generation) -> Summary:
    """Generates queries with a model; the same call resumes an interrupted one.

    Args:
        job: see `Job`.
        how: see `Generation`.

    Raises:
        I3Error: a file or the model cannot be used, or an interrupted run had other settings.
    """
    with prepared(job, with_corpus=False), enough_room(), closing(Pairs(job.min_words)) as pairs:
        writer = QueryWriter(how)
        store = open_store(job.corpus, job.cache)
        rows = [int(row) for row in np.flatnonzero(choose(store, job))]
        count = how.per_passage
        settings = _settings(job, writer, store)
        with open_journal(job.output / WRITTEN, settings, job.overwrite) as journal:
            done = _resume(journal, BLOCK * count, len(rows) * count) // count
            with tqdm(total=len(rows), initial=done, desc="write queries", unit="passage") as shown:
                for start in range(done, len(rows), BLOCK):
                    some = [store.slice(row, row + 1)[0] for row in rows[start : start + BLOCK]]
                    texts = [_input(passage) for passage in some]
                    written = writer.write(texts, _block_seed(job.seed, start))
                    journal.append("".join(f"{query}\n" for own in written for query in own))
                    shown.update(len(some))
            lines = (line.decode("utf-8").removesuffix("\n") for line in journal.lines())
            for row in rows:
                pairs.add(store.pid(row), islice(lines, count))
            made = Made(source="model", model=Path(how.model).name, passages=len(rows))
            summary = write_queries(pairs, job, store, made)
            journal.discard()
    return summary


def _resume(journal: Journal, block: int, total: int) -> int:
    """Keeps complete blocks and returns their number of lines."""
    size = whole = kept = 0
    for number, line in enumerate(islice(journal.lines(), total), start=1):
        size += len(line)
        if number % block == 0 or number == total:
            whole, kept = number, size
    journal.cut(kept)
    return whole


def _settings(job: Job, writer: QueryWriter, store: TextStore) -> Settings:
    """Everything that affects the queries; the store's name includes its collection's size."""
    return {
        **asdict(writer.how),
        "device": str(writer.device),
        "fingerprint": fingerprint(Path(writer.how.model)),
        "seed": job.seed,
        "limit": job.limit,
        "collection": store.path.name,
        "block": BLOCK,
    }


def _block_seed(seed: int, start: int) -> int:
    """The seed for the block that starts with passage `start`."""
    return int.from_bytes(digest(f"{seed} {start}", 8), "big")


def _input(passage: Passage) -> str:
    return " ".join(part for part in (passage.title, passage.text) if part and part.strip())


def _load_model(how: Generation) -> Any:
    try:
        with quiet_transformers():
            config = AutoConfig.from_pretrained(how.model, trust_remote_code=False)
    except Exception as error:  # a damaged file raises almost anything
        raise unreadable(how.model, "model", "config.json", error) from error
    if not config.is_encoder_decoder:
        raise I3Error(
            f"model {how.model}: {config.model_type!r} is not a sequence-to-sequence model; "
            "expected one such as T5 or BART that was trained to generate queries"
        )
    longest = getattr(config, "max_position_embeddings", None)
    if longest and how.max_length > longest:
        raise I3Error(f"max_length is {how.max_length}, but {how.model} reads at most {longest}")
    try:
        with quiet_transformers():
            model, report = AutoModelForSeq2SeqLM.from_pretrained(
                how.model,
                dtype=DTYPES[how.dtype],
                output_loading_info=True,
                trust_remote_code=False,
            )
    except Exception as error:  # a damaged file raises almost anything
        raise unreadable(how.model, "model", "weights", error) from error
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])
        raise I3Error(
            f"model {how.model}: {len(missing)} weights are missing, such as {missing[0]}"
        )
    return model


def _load_tokenizer(name_or_dir: str, vocabulary: int) -> PreTrainedTokenizerBase:
    directory = Path(name_or_dir)
    if directory.is_dir() and not any((directory / name).is_file() for name in VOCABULARY_FILES):
        raise I3Error(f"model {name_or_dir}: no tokenizer; copy its files to the folder")
    try:
        with quiet_transformers():
            tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
                name_or_dir, trust_remote_code=False
            )
    except Exception as error:  # the tokenizers library raises bare Exception for broken files
        raise unreadable(name_or_dir, "model", "tokenizer files", error) from error
    if tokenizer.pad_token_id is None:
        raise I3Error(f"model {name_or_dir}: the tokenizer has no pad_token")
    if len(tokenizer) > vocabulary:
        raise I3Error(
            f"model {name_or_dir}: the tokenizer has {len(tokenizer)} tokens but the model has "
            f"only {vocabulary} embeddings; they do not match"
        )
    tokenizer.padding_side = tokenizer.truncation_side = "right"
    return tokenizer


@contextmanager
def _explained(how: Generation) -> Iterator[None]:
    """Adds advice to errors of memory and numeric overflow."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        reason = (str(error) or "no memory").splitlines()[0]
        if isinstance(error, MemoryError | torch.OutOfMemoryError) or "memory" in reason:
            raise I3Error(f"out of memory ({reason:.100}); lower --batch-size") from error
        if "probability tensor" in reason:
            raise I3Error(
                f"model {how.model}: its numbers overflow in {how.dtype}; use --dtype bf16 or fp32"
            ) from error
        raise
