"""Query encoders for search: NumPy for BERT, onnxruntime for exported models, else transformers."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from tqdm import tqdm

from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.hits import Scores
from i3_pyserini.formats.paths import at_revision
from i3_pyserini.formats.records import read_object
from i3_pyserini.model.declared import declared
from i3_pyserini.model.exported import is_exported, read_export, settings_of_export
from i3_pyserini.model.fingerprint import fingerprint
from i3_pyserini.model.numpy_bert import NumpyBert, load_numpy_bert
from i3_pyserini.model.settings import (
    NO_LIMIT,
    QUERY_ENCODER,
    EncoderSettings,
    check_length,
    resolve,
)
from i3_pyserini.model.texts import TokenIds, lowercase_first, padded_batch, query_texts
from i3_pyserini.model.tokenizer_file import TokenizerFile, read_tokenizer_file
from i3_pyserini.threads import thread_count

if TYPE_CHECKING:
    from i3_pyserini.encode.auto_encoders import AutoQueryEncoder
    from i3_pyserini.encode.encoders import I3QueryEncoder

TOKENS = 512  # tokens per batch; more does not fit the CPU cache, less makes products inefficient
TRANSFORMERS_BATCH = 64
Kind = Literal["i3", "auto"]


class QueryEncoder(Protocol):
    """The interface of a query encoder.

    Attributes:
        name: the model directory or hub name, for messages.
        fingerprint: fingerprint of the model; None for a hub name.
        dimension: the vectors' dimension, H.
        settings: pooling, prompts, lengths and other settings.
        cut: number of truncated queries in the last call.
    """

    name: str
    fingerprint: str | None
    dimension: int
    settings: EncoderSettings
    cut: int

    def ids(self, queries: Sequence[str]) -> TokenIds:
        """The ids of Q queries, with prompt and special tokens, truncated to the model's length."""
        ...

    def encode(self, queries: Sequence[str]) -> Scores:
        """Encodes Q queries to float32 [Q, H]."""
        ...


def kind_of(name: str) -> Kind:
    """Whether a directory is an I³ model or its query encoder ("i3"), or another model ("auto").

    Raises:
        I3Error: it looks like a directory but does not exist, or has no `config.json`.
    """
    if not Path(name).is_dir():
        return "auto" if _is_hub_name(name) else _refuse(name)
    if is_exported(name):
        return "i3" if read_export(Path(name)).kind == "i3" else "auto"
    return "i3" if _i3_directory(Path(name)) else "auto"


def load_query_encoder(
    name: str,
    kind: Kind | None = None,
    device: str | None = None,
    settings: EncoderSettings | None = None,
    threads: int | None = None,
) -> QueryEncoder:
    """Loads the query encoder of a model.

    Args:
        name: an I³ model directory or its `query_encoder` folder, any other encoder's directory,
            an exported folder, or a hub name.
        kind: "i3" or "auto", as for encoding; None to detect it from the directory.
        device: a torch device; None for NumPy if it supports the model, otherwise the CPU. An
            exported folder runs on the CPU.
        settings: settings for "auto"; None for the model's declarations, then Pyserini's defaults.
            An I³ model and an exported folder have their own.
        threads: threads for NumPy and onnxruntime; None for one on each usable CPU.

    Raises:
        I3Error: the model does not exist, or is not of this kind.
    """
    if is_exported(name):
        if device is not None and device.partition(":")[0] != "cpu":
            raise I3Error(f"{name}: exported models run on the CPU, not on {device}")
        from i3_pyserini.encode.exported_encoders import (  # noqa: PLC0415  (an extra)
            ExportedQueryEncoder,
        )

        return ExportedQueryEncoder(Path(name), threads)
    kind = kind or kind_of(name)
    folder = _i3_directory(Path(name))
    if kind == "i3" and folder is None and Path(name).is_dir():
        raise I3Error(
            f"{name}: not an I³ model directory; for other models use --encoder-class auto"
        )
    if kind == "i3" and folder is not None:
        settings = settings_of_model(name)
        weights = folder / QUERY_ENCODER
        label = str(folder)
    else:
        weights, label = Path(name), name
        if settings is None and kind == "auto":
            settings = settings_of_model(name)
    if device in (None, "cpu") and weights.is_dir() and settings is not None:
        light = _light_encoder(label, weights, settings, thread_count(threads))
        if light is not None:
            return light
    return TransformersQueryEncoder(label, kind, device, settings)


def settings_of_model(name: str) -> EncoderSettings:
    """The settings of a model without flags.

    Args:
        name: see `load_query_encoder`; not a hub name of an I³ model.

    Raises:
        I3Error: the model does not exist, or it declares an unsupported feature.
    """
    if is_exported(name):
        return settings_of_export(read_export(Path(name)))
    folder = _i3_directory(Path(name))
    if folder is not None:
        return EncoderSettings.of_i3(read_object(folder / "config.json"))
    return resolve({}, declared(name), EncoderSettings())[0]


class NumpyQueryEncoder:
    """A BERT query encoder without torch.

    Args:
        name: see `QueryEncoder`.
        bert: the encoder.
        tokenizer: its tokenizer.
        length: maximum ids of a query.
        settings: encoder settings; only those that `_is_light` accepts.
        threads: number of parallel batches.
    """

    def __init__(
        self,
        name: str,
        bert: NumpyBert,
        tokenizer: TokenizerFile,
        length: int,
        settings: EncoderSettings,
        threads: int,
    ) -> None:
        self.cut = 0
        # Kept: new threads for each call made a process of many calls some 60 MB larger.
        self._pool = ThreadPoolExecutor(threads, "encode")
        self.name, self.dimension = name, bert.hidden_size
        self.fingerprint = fingerprint(Path(name))
        self._bert, self.settings = bert, settings
        self._tokenizer, self._length = tokenizer, length

    def ids(self, queries: Sequence[str]) -> TokenIds:
        """See `QueryEncoder`."""
        return self._tokenizer.ids(query_texts(queries, self.settings.query_prompt), self._length)

    def encode(self, queries: Sequence[str]) -> Scores:
        """Encodes Q queries to float32 [Q, H], in batches of similar length."""
        ids = self.ids(queries)
        self.cut = ids.cut
        vectors = np.empty((len(ids), self.dimension), dtype=np.float32)

        def encode(rows: Sequence[int]) -> None:
            vectors[rows] = self._vectors([ids[row] for row in rows])

        # One batch per core is faster than all cores on one batch: only products use several cores.
        from threadpoolctl import threadpool_limits  # noqa: PLC0415  (BLAS is found by then)

        batches = _batches([len(one) for one in ids])
        with threadpool_limits(1):
            done = self._pool.map(encode, batches)
            list(tqdm(done, total=len(batches), desc="encode", unit=" batches", delay=2))
        return vectors

    def _vectors(self, ids: Sequence[Sequence[int]]) -> Scores:
        padded, mask = padded_batch(ids, 0)
        states = self._bert(padded, mask)
        if self.settings.pooling == "cls":
            vectors = states[:, 0]
        else:
            weights = mask[:, :, None].astype(np.float32)
            vectors = (states * weights).sum(axis=1) / weights.sum(axis=1)
        if self.settings.normalize:
            vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors


class TransformersQueryEncoder:
    """Runs any query encoder with transformers, on any device.

    Args:
        name: see `QueryEncoder`.
        kind: see `load_query_encoder`.
        device: a torch device; None for the CPU.
        settings: settings for "auto".
    """

    def __init__(
        self, name: str, kind: Kind, device: str | None, settings: EncoderSettings | None
    ) -> None:
        from i3_pyserini.encode import auto_encoders, encoders  # noqa: PLC0415  (seconds)
        from i3_pyserini.model.devices import limit_torch  # noqa: PLC0415  (torch)

        limit_torch()
        self.name, self.fingerprint, self.cut = name, fingerprint(Path(name)), 0
        self._encoder: I3QueryEncoder | AutoQueryEncoder
        if kind == "i3":
            self._encoder = encoders.I3QueryEncoder(name, device or "cpu")
        else:
            self._encoder = auto_encoders.AutoQueryEncoder(name, device or "cpu", settings=settings)
        self.dimension, self.settings = self._encoder.dimension, self._encoder.settings

    def ids(self, queries: Sequence[str]) -> TokenIds:
        """See `QueryEncoder`."""
        return self._encoder.ids(queries)

    def encode(self, queries: Sequence[str]) -> Scores:
        """Encodes Q queries to float32 [Q, H], in batches of similar length."""
        order = sorted(range(len(queries)), key=lambda row: len(queries[row]))
        vectors = np.empty((len(queries), self.dimension), dtype=np.float32)
        self.cut = 0
        for start in range(0, len(order), TRANSFORMERS_BATCH):
            rows = order[start : start + TRANSFORMERS_BATCH]
            ids = self._encoder.ids([queries[row] for row in rows])
            vectors[rows] = self._encoder.vectors(ids)
            self.cut += ids.cut
        return vectors


def note_cut(encoder: QueryEncoder, queries: int) -> None:
    """Prints a note with the number of queries truncated in the last call, if any."""
    if encoder.cut:
        length = encoder.settings.query_length
        limit = f"{length} ids" if length else "the tokenizer's maximum"
        note(f"{encoder.cut:,} of {queries:,} queries are truncated to {limit}")


def _light_encoder(
    name: str, folder: Path, settings: EncoderSettings, threads: int
) -> NumpyQueryEncoder | None:
    """The encoder without torch; None if the model or tokenizer needs transformers."""
    if not _is_light(settings):
        return None
    bert = load_numpy_bert(folder)
    tokenizer = read_tokenizer_file(str(folder)) if bert else None
    if bert is None or tokenizer is None or tokenizer.highest_id >= bert.vocabulary:
        return None
    special = tokenizer.core.num_special_tokens_to_add(is_pair=False)
    if not special:
        return None  # an empty query would have no tokens
    length = min(settings.query_length or _tokenizer_length(folder) or NO_LIMIT, bert.positions)
    check_length(length, special, name)
    if settings.lowercase:
        lowercase_first(tokenizer.core)
    return NumpyQueryEncoder(name, bert, tokenizer, length, settings, threads)


def _is_light(settings: EncoderSettings) -> bool:
    """Whether `NumpyQueryEncoder` supports these settings."""
    all_pooled = settings.include_prompt or not settings.query_prompt
    return settings.pooling in ("cls", "mean") and not settings.dense and all_pooled


def _batches(lengths: Sequence[int]) -> list[list[int]]:
    """Positions, shortest first, in batches of about `TOKENS` ids."""
    batches: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: lengths[row]):
        if not batches or (len(batches[-1]) + 1) * lengths[row] > TOKENS:
            batches.append([])
        batches[-1].append(row)
    return batches


def _i3_directory(folder: Path) -> Path | None:
    """The I³ model directory for a folder, which is either that directory or its query encoder."""
    for directory in (folder, *([folder.parent] if folder.name == QUERY_ENCODER else [])):
        config = directory / "config.json"
        if config.is_file() and read_object(config).get("model_type") == "i3":
            return directory
    return None


def _tokenizer_length(folder: Path) -> int | None:
    """Where stock Pyserini truncates queries; None if the tokenizer does not declare it."""
    file = folder / "tokenizer_config.json"
    length = read_object(file).get("model_max_length") if file.is_file() else None
    return int(length) if isinstance(length, (int, float)) and length < NO_LIMIT else None


def _is_hub_name(name: str) -> bool:
    path = Path(at_revision(name)[0])
    return not (path.is_absolute() or name.startswith((".", "~")) or path.exists()) and (
        len(path.parts) <= 2 and not (len(path.parts) > 1 and path.parent.exists())  # noqa: PLR2004
    )


def _refuse(name: str) -> Kind:
    raise I3Error(f"encoder {name}: no such directory")
