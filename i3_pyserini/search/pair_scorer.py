"""A cross-encoder that scores pairs of query and passage."""

import logging
import string
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from sentence_transformers import CrossEncoder

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import file_hash
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.model.backbone import position_limit
from i3_pyserini.model.devices import note_slow_bf16, torch_device
from i3_pyserini.model.loading import check_name, quiet_transformers, unreadable
from i3_pyserini.model.tokenizer_loading import VOCABULARY_FILES

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
MODEL_FILES = (".json", ".safetensors", ".bin", ".txt", ".model", ".jinja")
PROBE = [("a", "a"), ("a", "a b c d e f g h")]
Pair = tuple[str, str]


@dataclass(frozen=True)
class PairOptions:
    """Options of a cross-encoder.

    Attributes:
        template: template for passages with `{text}`, and optionally `{title}` (empty if missing)
            and `{sep}` (the model's separator token).
        max_length: maximum ids of query and passage together; the longer one is truncated.
        batch_size: pairs per batch.
        dtype: precision of weights and computation.
        device: such as "cuda:0"; None for the first GPU, or the CPU if there is none.
    """

    template: str = "{title} {text}"
    max_length: int = 512
    batch_size: int = 64
    dtype: Literal["fp32", "bf16", "fp16"] = "fp32"
    device: str | None = None


class PairScorer:
    """A cross-encoder of sentence-transformers, with raw scores.

    With one label the score is its logit; with two labels, the log odds of the second (logit 1 -
    logit 0, as in monoBERT). For a causal model it is the log odds of "yes" against "no", or as its
    `modules.json` declares. No sigmoid is applied, and no code from the model is executed.

    Args:
        name: a directory or a hub name with owner.
        options: see `PairOptions`.

    Raises:
        I3Error: it cannot be read, weights are missing (its scores would be random), or it does not
            score pairs.
    """

    def __init__(self, name: str, options: PairOptions) -> None:
        _check_template(options.template)
        check_name(name, "cross-encoder")
        self.name, self.options = name, options
        device = torch_device(options.device)
        note_slow_bf16(options.dtype, device)
        self.encoder = _load(name, options, device)
        self.sep = self.encoder.tokenizer.sep_token
        if self.sep is None and "{sep}" in options.template:
            raise I3Error(f"model {name}: has no separator token; remove {{sep}} from template")
        self._check_lengths()
        self._check_probe()

    def text(self, passage: Passage) -> str:
        """The model's input for a passage."""
        title = passage.title or ""
        return self.options.template.format(title=title, sep=self.sep, text=passage.text).strip()

    def score(self, pairs: Sequence[Pair]) -> list[float]:
        """Scores pairs in batches of similar length.

        Args:
            pairs: queries and passages' texts. The same pairs in the same order get bit-identical
                scores on the same device.

        Returns:
            Their scores in order; may contain NaN or infinite values.

        Raises:
            I3Error: a batch does not fit in memory.
        """
        try:
            # sorts by length itself, and returns scores in the order of the pairs
            scores = self.encoder.predict(
                list(pairs), batch_size=self.options.batch_size, show_progress_bar=False
            )
        except torch.OutOfMemoryError as error:
            raise I3Error(
                f"the device has not enough memory for batch_size {self.options.batch_size}; "
                "repeat the call with a smaller one to resume"
            ) from error
        one_each = np.asarray(scores, dtype=np.float32)
        if one_each.ndim > 1:
            one_each = one_each[:, 1] - one_each[:, 0]
        return [float(score) for score in one_each]

    def describe(self) -> dict[str, str | int | None]:
        """Everything that affects scores, except rounding.

        For a directory, the hashes of its files, so that it may be moved; for a hub name, its
        commit.
        """
        options = self.options
        how: dict[str, str | int | None] = {
            "template": options.template,
            "max length": options.max_length,
            "dtype": options.dtype,
        }
        directory = Path(self.name)
        if not directory.is_dir():
            commit = getattr(self.encoder.config, "_commit_hash", None)
            return {**how, "model": f"{self.name}@{commit}"}
        files = sorted(file for file in _files(directory) if file.suffix in MODEL_FILES)
        names = [file.relative_to(directory).as_posix() for file in files]
        hashes = {
            f"model {name}": file_hash(file)[:16] for name, file in zip(names, files, strict=True)
        }
        return {**how, **hashes}

    def _check_lengths(self) -> None:
        model: Any = self.encoder.model
        base = model.base_model
        limit = (
            position_limit(base)
            if hasattr(base, "embeddings")
            else getattr(model.config, "max_position_embeddings", None)
        )
        if limit and 0 < limit < self.options.max_length:  # XLNet uses -1 for no limit
            raise I3Error(
                f"max_length is {self.options.max_length}, but model {self.name} has only "
                f"{limit} positions"
            )

    def _check_probe(self) -> None:
        """Scores two pairs, to detect errors early."""
        labels = self.encoder.num_labels
        if labels not in (1, 2):
            raise I3Error(f"model {self.name}: has {labels} labels; expected one or two")
        try:
            self.score(PROBE)
        except Exception as error:  # a mismatch of model and tokenizer can raise anything
            detail = next(iter(str(error).splitlines()), type(error).__name__)
            raise I3Error(f"model {self.name}: cannot score a pair of texts: {detail}") from error


def _load(name: str, options: PairOptions, device: torch.device) -> CrossEncoder:
    directory = Path(name)
    if directory.is_dir() and not any(file.name in VOCABULARY_FILES for file in _files(directory)):
        raise I3Error(
            f"model {name}: no tokenizer (none of {', '.join(VOCABULARY_FILES)}); expected the "
            "directory of a cross-encoder"
        )
    try:
        with _quiet():
            encoder: CrossEncoder = CrossEncoder(
                name,
                device=str(device),
                max_length=options.max_length,
                activation_fn=torch.nn.Identity(),
                trust_remote_code=False,
                model_kwargs={"dtype": DTYPES[options.dtype]},
            )
            missing = _missing_weights(encoder)
    except Exception as error:  # a damaged file raises almost anything
        raise unreadable(name, "cross-encoder", "model", error) from error
    if missing:
        raise I3Error(
            f"model {name}: weights are missing ({', '.join(missing)}), so its scores would be "
            "random; expected a cross-encoder, not a bi-encoder or a pre-trained model"
        )
    return encoder


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences messages about converting a model, since our own checks are more precise."""
    logger = logging.getLogger("sentence_transformers")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with quiet_transformers():
            yield
    finally:
        logger.setLevel(level)


def _missing_weights(encoder: CrossEncoder) -> list[str]:
    """Names of the weights that the checkpoint lacks; transformers only warns of them.

    Reads the checkpoint again without its values, since sentence-transformers keeps no report.
    """
    model: Any = encoder.model
    _, report = type(model).from_pretrained(
        model.name_or_path, config=model.config, output_loading_info=True, device_map="meta"
    )
    # the pooler of a plain encoder is not used
    return sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))


def _files(directory: Path) -> list[Path]:
    """The files of a model: those in its directory and in the directories of its modules."""
    patterns = ("*", "*/*") if (directory / "modules.json").exists() else ("*",)
    return [file for pattern in patterns for file in directory.glob(pattern) if file.is_file()]


def _check_template(template: str) -> None:
    try:
        parts = [part for part in string.Formatter().parse(template) if part[1] is not None]
    except ValueError as error:
        raise I3Error(f"template {template!r} is malformed ({error})") from error
    fields = {name for _, name, _, _ in parts}
    plain = not any(spec or conversion for _, _, spec, conversion in parts)
    if not plain or "text" not in fields or not fields <= {"title", "sep", "text"}:
        raise I3Error(
            f"template {template!r} must contain {{text}} and may contain {{title}} and {{sep}}, "
            "no other names"
        )
