"""What an index is compared with: the model that its manifest names, and a collection."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from i3_pyserini.encode.flags import names_of
from i3_pyserini.encode.scan import Shard
from i3_pyserini.encode.spec import EncoderSource, EncoderSpec
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.index import (
    CorpusRecord,
    EncoderRecord,
    IndexDirectory,
    IndexManifest,
    ShardRecord,
)
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.records import write_record
from i3_pyserini.model.config import is_i3_model
from i3_pyserini.model.declared import declared
from i3_pyserini.model.settings import EncoderSettings, resolve

UNIT_TOLERANCE = 1e-3
HALF_UNIT_TOLERANCE = 1e-2  # bf16 has 8 bits of precision, and lengths are computed in it too


@dataclass(frozen=True)
class Flags:
    """What the user says of it.

    Attributes:
        collection: a corpus; None to look at the index alone.
        model: None for the one that the manifest names.
        passages: how many passages of the collection to encode again.
        seed: of the choice of these.
        encoder_class: with `fields` and `options`, for an index whose manifest does not say how it
            was encoded.
        fields: the collection's fields; titles are encoded if "title" is one of them.
        options: values by field of `EncoderSettings` that are given.
        reading: how the collection is read, where the manifest does not say; see
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
        """Names of the options that a manifest makes needless."""
        names = names_of(self.options)
        names += ["--fields"] if self.fields else []
        return [*names, *(["--encoder-class"] if self.encoder_class else [])]


@dataclass(frozen=True)
class Reference:
    """What to compare an index with.

    Attributes:
        corpus: the collection; None to look at the index alone.
        shard: the shard of it.
        source: the encoder; None where there is none to be had.
        with_titles: whether titles are given to the encoder.
        unit_tolerance: how far from 1 lengths may be; None if the encoder does not scale vectors.
        passages: how many passages of the collection to encode again.
        seed: of the choice of these.
    """

    corpus: Corpus | None = None
    shard: Shard = field(default_factory=Shard)
    source: EncoderSource | None = None
    with_titles: bool = True
    unit_tolerance: float | None = None
    passages: int = 100
    seed: int = 0


def reference_of(index: Path, flags: Flags) -> Reference:
    """Puts together what the manifest of an index and the user say.

    Raises:
        I3Error: index, collection or model are not there, or flags contradict the manifest.
    """
    manifest = IndexDirectory.open(index).manifest
    model = manifest.encoder
    if model.kind in ("i3", "auto"):
        if flags.given:
            raise I3Error(f"{flags.given[0]}: the manifest of {index} says it; leave it out")
        spec = _known_spec(model, flags.model)
        with_titles = manifest.titles is not False
    else:
        spec = _told_spec(flags)
        kind = spec.kind if spec else None
        with_titles = "title" in flags.fields or (not flags.fields and kind == "i3")
    if spec is None and flags.collection and flags.passages:
        name = f"its model {model.name} is not here" if model.name else "of what model?"
        raise I3Error(f"{index}: {name}; give --model, or --check 0 to compare the ids alone")
    return Reference(
        _corpus(manifest, flags),
        _shard(manifest),
        spec,
        with_titles,
        _unit_tolerance(model, spec),
        flags.passages,
        flags.seed,
    )


def _known_spec(model: EncoderRecord, name: str | None) -> EncoderSpec | None:
    """The encoder of a manifest, in full precision; None if its folder is not here."""
    if name is None:
        name = str(model.name)
        if model.fingerprint and not Path(name).is_dir():
            return None
    if model.kind == "i3":
        return EncoderSpec(name, "i3")
    return EncoderSpec(name, "auto", settings=EncoderSettings.of_manifest(model))


def _told_spec(flags: Flags) -> EncoderSpec | None:
    if flags.model is None:
        if flags.given and flags.given != ["--fields"]:
            raise I3Error(f"{flags.given[0]}: says how a model encodes; name it with --model")
        return None
    if flags.encoder_class == "i3" or (not flags.encoder_class and is_i3_model(flags.model)):
        return EncoderSpec(flags.model, "i3")
    settings, _ = resolve(flags.options, declared(flags.model), EncoderSettings())
    return EncoderSpec(flags.model, "auto", settings=settings)


def _corpus(manifest: IndexManifest, flags: Flags) -> Corpus | None:
    if flags.collection is None:
        return None
    known = {} if manifest.corpus == CorpusRecord() else write_record(manifest.corpus)
    known = known or {"fields": flags.fields}
    return Corpus.from_options(flags.collection, {**known, **flags.reading})


def _shard(manifest: IndexManifest) -> Shard:
    known = manifest.shard or ShardRecord()
    return Shard(known.id, known.number)


def _unit_tolerance(model: EncoderRecord, spec: EncoderSpec | None) -> float | None:
    known = EncoderSettings.of_manifest(model) if spec is None else spec.resolved()
    if known is None or not known.normalize:
        return None
    return HALF_UNIT_TOLERANCE if model.dtype in ("bf16", "fp16") else UNIT_TOLERANCE
