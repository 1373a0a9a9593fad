"""The model and collection to compare an index with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from i3_pyserini.encode.flags import names_of
from i3_pyserini.encode.scan import Shard
from i3_pyserini.encode.spec import EncoderSource, EncoderSpec, known_spec
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.folder_manifest import chunks_of
from i3_pyserini.formats.index import CorpusRecord, EncoderRecord, IndexManifest, ShardRecord
from i3_pyserini.formats.index_directory import IndexDirectory
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.records import write_record
from i3_pyserini.model.config import is_i3_model
from i3_pyserini.model.declared import declared
from i3_pyserini.model.exported import is_exported
from i3_pyserini.model.settings import EncoderSettings, resolve

UNIT_TOLERANCE = 1e-3
LEAST_COSINE = 0.999
LEAST_COSINE_INT8 = 0.97  # 8-bit vectors depend on the other texts of a batch
HALF_UNIT_TOLERANCE = 1e-2  # bf16 has 8 bits of precision, and lengths are computed in bf16 too


@dataclass(frozen=True)
class Flags:
    """The user's options.

    Attributes:
        collection: a corpus; None to check only the index.
        model: the model; None for the one in the manifest.
        passages: number of passages to encode again.
        seed: random seed for the choice of passages.
        encoder_class: like `fields` and `options`, for an index whose manifest has no encoder
            settings.
        fields: fields of the collection; titles are encoded if "title" is among them.
        options: given values, by field of `EncoderSettings`.
        reading: how to read the collection, if the manifest does not record it; see
            `Corpus.from_options`.
    """

    collection: Path | None = None
    model: str | None = None
    passages: int = 100
    seed: int = 0
    encoder_class: Literal["i3", "auto"] | None = None
    fields: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    reading: Mapping[str, Any] = field(default_factory=dict)

    @property
    def given(self) -> list[str]:
        """Names of given options that a manifest already determines."""
        names = names_of(self.options)
        names += ["--fields"] if self.fields else []
        return [*names, *(["--encoder-class"] if self.encoder_class else [])]


@dataclass(frozen=True)
class Reference:
    """The model and collection to compare an index with.

    Attributes:
        corpus: the collection; None to check only the index.
        shard: the shard of it.
        source: the encoder; None if it is not available.
        with_titles: whether titles are passed to the encoder.
        unit_tolerance: allowed deviation of vector norms from 1; None if the encoder does not
            normalize.
        passages: number of passages to encode again.
        seed: random seed for the choice of passages.
        least_cosine: lowest cosine of a vector and the passage encoded again.
    """

    corpus: Corpus | None = None
    shard: Shard = field(default_factory=Shard)
    source: EncoderSource | None = None
    with_titles: bool = True
    unit_tolerance: float | None = None
    passages: int = 100
    seed: int = 0
    least_cosine: float = LEAST_COSINE


def reference_of(index: Path, flags: Flags) -> Reference:
    """Combines the manifest of an index with the user's options.

    Raises:
        I3Error: index, collection or model do not exist, or flags contradict the manifest.
    """
    manifest = IndexDirectory.open(index).manifest
    model = manifest.encoder
    if model.kind in ("i3", "auto"):
        if flags.given:
            raise I3Error(
                f"{flags.given[0]}: the manifest of {index} already determines it; omit it"
            )
        spec = _known_spec(model, flags.model)
        with_titles = manifest.titles is not False
    else:
        spec = _told_spec(flags)
        kind = spec.kind if spec else None
        with_titles = "title" in flags.fields or (not flags.fields and kind == "i3")
    if spec is None and flags.collection and flags.passages:
        name = f"its model {model.name} does not exist here" if model.name else "unknown model"
        raise I3Error(f"{index}: {name}; give --model, or --check 0 to compare the ids alone")
    return Reference(
        _corpus(manifest, flags),
        _shard(manifest),
        spec,
        with_titles,
        _unit_tolerance(model, spec),
        flags.passages,
        flags.seed,
        LEAST_COSINE_INT8 if model.dtype == "int8" else LEAST_COSINE,
    )


def _known_spec(model: EncoderRecord, name: str | None) -> EncoderSpec | None:
    """The encoder of a manifest, in full precision; None if its folder does not exist here."""
    if name is None:
        name = str(model.name)
        if model.fingerprint and not Path(name).is_dir():
            return None
    if model.kind == "i3":
        return known_spec(name, "i3")
    return known_spec(name, "auto", EncoderSettings.of_manifest(model))


def _told_spec(flags: Flags) -> EncoderSpec | None:
    if flags.model is None:
        if flags.given and flags.given != ["--fields"]:
            raise I3Error(f"{flags.given[0]}: applies to a model; give it with --model")
        return None
    if is_exported(flags.model):
        return known_spec(flags.model, "auto")
    if flags.encoder_class == "i3" or (not flags.encoder_class and is_i3_model(flags.model)):
        return EncoderSpec(flags.model, "i3")
    settings, _ = resolve(flags.options, declared(flags.model), EncoderSettings())
    return EncoderSpec(flags.model, "auto", settings=settings)


def _corpus(manifest: IndexManifest, flags: Flags) -> Corpus | None:
    if flags.collection is None:
        return None
    known = {} if manifest.corpus == CorpusRecord() else write_record(manifest.corpus)
    known = known or {"fields": flags.fields}
    if manifest.corpus.chunks and not chunks_of(flags.collection):
        raise I3Error(
            f"{flags.collection}: its documents were cut into windows before they were encoded; "
            f"give these ({manifest.corpus.path})"
        )
    return Corpus.from_options(flags.collection, {**known, **flags.reading})


def _shard(manifest: IndexManifest) -> Shard:
    known = manifest.shard or ShardRecord()
    return Shard(known.id, known.number)


def _unit_tolerance(model: EncoderRecord, spec: EncoderSpec | None) -> float | None:
    known = EncoderSettings.of_manifest(model) if spec is None else spec.resolved()
    if known is None or not known.normalize:
        return None
    return HALF_UNIT_TOLERANCE if model.dtype in ("bf16", "fp16") else UNIT_TOLERANCE
