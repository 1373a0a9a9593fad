"""Writes and checks exported folders; see `i3_pyserini.model.exported`."""

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig

from i3_pyserini.encode.auto_encoders import AutoDocumentEncoder, AutoQueryEncoder
from i3_pyserini.encode.compute import Backend, Ids, PassageFunction, Vectors
from i3_pyserini.encode.encoders import I3DocumentEncoder, I3QueryEncoder, padding_id
from i3_pyserini.encode.exported_encoders import ExportedDocumentEncoder, ExportedQueryEncoder
from i3_pyserini.encode.onnx_graph import quantize, write_graph
from i3_pyserini.encode.spec import EncoderSpec
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import file_hash
from i3_pyserini.formats.records import write_object, write_record
from i3_pyserini.model.exported import GRAPH, RECORD, SIDES, ExportRecord, Side, SideRecord
from i3_pyserini.model.fingerprint import fingerprint, tokenizer_fingerprint
from i3_pyserini.model.retriever import I3Retriever
from i3_pyserini.model.texts import PassageTemplate
from i3_pyserini.model.tokenizer_file import CONFIG, PLAIN_CLASSES

LIBRARIES = ("torch", "transformers", "tokenizers", "onnx", "onnxscript", "onnxruntime")
TOLERANCE = 1e-5  # of a number in a vector, relative to the largest one if that is above 1
LEAST_COSINE = 0.8  # of an 8-bit vector and its original; below, something is broken
# Texts on which tokenizers, lengths and padding differ.
TEXTS = (
    "",
    " ",
    "a",
    "How long do I boil an egg?",
    "ÉGGS naïve café — “quoted”…",
    "植物は光からエネルギーを得る。 광합성은 빛을 이용한다",
    "[CLS] [MASK] [SEP] <s> </s> [UNK]",
    "emoji 🌱, a zero\u200bwidth space,\ttabs\nand lines",
    "x" * 300,
    "boil an egg in hot water " * 12,
    "photosynthesis turns light into sugar " * 300,
)
TITLES = (None, "", "Eggs", "NA", "葉")
BATCHES = (1, 2, 5)  # sizes of batches, besides one of all texts


@dataclass(frozen=True)
class _Half:
    """One side of a model in torch, whose graph was written.

    Attributes:
        side: which.
        ids: the ids of texts; of passages, with titles.
        vectors: their vectors.
        tokenizer: its Hugging Face tokenizer.
        length: maximum ids of a text.
        config: the configuration of its backbone.
        template: how an I³ model joins title and text.
    """

    side: Side
    ids: Callable[..., Sequence[Sequence[int]]]
    vectors: Callable[[Sequence[Sequence[int]]], Vectors]
    tokenizer: Any
    length: int
    config: PreTrainedConfig
    template: PassageTemplate | None = None


def write_folder(spec: EncoderSpec, folder: Path, int8: bool) -> str:
    """Writes an exported folder, and checks it.

    Args:
        spec: the model.
        folder: an empty folder.
        int8: whether to store 8-bit weights.

    Returns:
        A summary.

    Raises:
        I3Error: the model cannot be exported, or onnxruntime computes other vectors.
    """
    halves = [_write_half(spec, side, folder / side) for side in SIDES]
    record = _record(spec, folder, halves)
    write_object(folder / RECORD, write_record(record))
    difference = max(_difference(folder, half) for half in halves)
    said = f"largest difference from torch {difference:.0e}"
    if int8:
        for side in SIDES:
            quantize(folder / side / GRAPH)
        record = replace(_with_files(record, folder), dtype="int8")
        write_object(folder / RECORD, write_record(record))
        said = f"lowest cosine with fp32 {min(_cosine(folder, half) for half in halves):.4f}"
    sizes = ", ".join(f"{side} {_megabytes(folder / side):,.0f} MB" for side in SIDES)
    return f"{record.dtype}, {record.dimension} dimensions, {sizes}; {said}"


class _Queries(nn.Module):
    """The query encoder of an I³ model, with pooling and normalization."""

    def __init__(self, model: I3Retriever) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return self.model.encode_queries(input_ids, attention_mask)


def _write_half(spec: EncoderSpec, side: Side, folder: Path) -> _Half:
    """Writes everything of one side but the record."""
    path = folder / GRAPH
    path.parent.mkdir(parents=True)
    half = (_i3 if spec.kind == "i3" else _auto)(spec, side, _writing(path))
    half.config.save_pretrained(folder)
    _save_tokenizer(spec.name, half, folder)
    return half


def _i3(spec: EncoderSpec, side: Side, write: Callable[[nn.Module], PassageFunction]) -> _Half:
    encoder: I3QueryEncoder | I3DocumentEncoder
    if side == "query":
        encoder = I3QueryEncoder(spec.name, "cpu")
        write(_Queries(encoder.model))
    else:
        encoder = I3DocumentEncoder(spec.name, "cpu", backend=write)
    own, config = encoder.tokenizer, encoder.tokenizer.config
    length = config.query_length if side == "query" else config.passage_length
    functions = encoder.ids, encoder.vectors
    return _Half(side, *functions, own.tokenizer, length, config.encoder, own.template)


def _auto(spec: EncoderSpec, side: Side, write: Backend) -> _Half:
    kind = AutoQueryEncoder if side == "query" else AutoDocumentEncoder
    encoder = kind(spec.name, "cpu", backend=write, settings=spec.settings)
    return _Half(
        side,
        encoder.ids,
        encoder.vectors,
        encoder.tokenizer,
        encoder.max_length,
        encoder.config,
    )


def _writing(path: Path) -> Callable[[nn.Module], PassageFunction]:
    """A backend that writes a module as an ONNX file, and runs it with torch."""

    def prepare(module: nn.Module) -> PassageFunction:
        write_graph(module, path)

        @torch.inference_mode()
        def run(ids: Ids, mask: Ids) -> Vectors:
            vectors: Vectors = module(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()
            return vectors

        return run

    return prepare


def _save_tokenizer(name: str, half: _Half, folder: Path) -> None:
    """Saves a tokenizer so that `tokenizer.json` alone gives the ids, with length and padding."""
    own = copy.deepcopy(half.tokenizer)
    core = getattr(own, "backend_tokenizer", None)
    if core is None:
        raise I3Error(f"{name}: its tokenizer has no form for tokenizer.json")
    pad = padding_id(own)
    own.model_max_length, own.padding_side = half.length, "right"
    core.enable_truncation(half.length, direction=own.truncation_side)
    core.enable_padding(pad_id=pad, pad_token=core.id_to_token(pad))
    own.save_pretrained(folder)
    fields = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    fields.pop("max_length", None)  # of an earlier call; some tools cut at it
    fields |= {"tokenizer_class": PLAIN_CLASSES[0], "model_max_length": half.length}
    fields |= {"split_special_tokens": True} if own.split_special_tokens else {}
    text = json.dumps(fields, indent=2, ensure_ascii=False) + "\n"
    (folder / CONFIG).write_text(text, encoding="utf-8", newline="\n")


def _record(spec: EncoderSpec, folder: Path, halves: Sequence[_Half]) -> ExportRecord:
    template = halves[0].template
    query, passage = (SideRecord(half.length, padding_id(half.tokenizer)) for half in halves)
    known = spec.describe()
    record = ExportRecord(
        kind=spec.kind,
        model=spec.name,
        fingerprint=fingerprint(Path(spec.name)),
        tokenizer=tokenizer_fingerprint(Path(spec.name)),
        dimension=known.dimension or 0,
        settings=spec.resolved().as_manifest(),
        template=None if template is None else asdict(template),
        query=query,
        passage=passage,
        libraries={name: version(name) for name in LIBRARIES},
    )
    return _with_files(record, folder)


def _with_files(record: ExportRecord, folder: Path) -> ExportRecord:
    """The record with the hashes of the present files."""

    def files(side: Side) -> dict[str, str]:
        there = sorted((folder / side / GRAPH).parent.iterdir(), key=lambda path: path.name)
        return {path.relative_to(folder / side).as_posix(): file_hash(path) for path in there}

    return replace(
        record,
        query=replace(record.query, files=files("query")),
        passage=replace(record.passage, files=files("passage")),
    )


def _compared(folder: Path, half: _Half) -> Iterator[tuple[Vectors, Vectors]]:
    """Vectors of torch and of the folder, for batches of several sizes."""
    ours: Any = ExportedQueryEncoder if half.side == "query" else ExportedDocumentEncoder
    exported = ours(folder, threads=1)
    titles = list(islice(cycle(TITLES), len(TEXTS)))
    for size in (*BATCHES, len(TEXTS)):
        for start in range(0, len(TEXTS), size):
            rows = slice(start, start + size)
            texts = [TEXTS[rows]] if half.side == "query" else [TEXTS[rows], titles[rows]]
            expected, found = (list(map(list, one.ids(*texts))) for one in (half, exported))
            if expected != found:
                raise I3Error(
                    f"{folder.name}: the exported tokenizer splits {TEXTS[rows]!r:.80} differently"
                )
            yield half.vectors(expected), exported.vectors(found)


def _difference(folder: Path, half: _Half) -> float:
    """The largest difference of a number; relative to the largest number if that is above 1.

    Raises:
        I3Error: it is above `TOLERANCE`.
    """
    worst = float(  # of numpy, since Python's max passes over NaN
        np.max(
            [
                np.abs(found - expected).max() / max(1.0, float(np.abs(expected).max()))
                for expected, found in _compared(folder, half)
            ]
        )
    )
    if not worst <= TOLERANCE:  # also for NaN
        raise I3Error(
            f"{half.side}: onnxruntime computes other vectors than torch (difference {worst:.1e}, "
            f"at most {TOLERANCE:.0e} expected); nothing was written"
        )
    return worst


def _cosine(folder: Path, half: _Half) -> float:
    """The lowest cosine of a vector and the original.

    Raises:
        I3Error: it is below `LEAST_COSINE`.
    """
    cosines = [
        (expected * found).sum(axis=1)
        / (np.linalg.norm(expected, axis=1) * np.linalg.norm(found, axis=1))
        for expected, found in _compared(folder, half)
    ]
    lowest = float(np.concatenate(cosines).min())
    if not lowest >= LEAST_COSINE:  # also for NaN
        raise I3Error(
            f"{half.side}: 8-bit vectors have a cosine of only {lowest:.2f} with the originals; "
            "export without int8"
        )
    return lowest


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in (folder / GRAPH).parent.iterdir()) / 1e6
