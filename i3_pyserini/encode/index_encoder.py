"""Selects the query encoder for an index: the model in its manifest, with the same settings."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from i3_pyserini.encode.flags import OPTIONS, QueryFlags, overruled
from i3_pyserini.encode.query_encoders import (
    Kind,
    QueryEncoder,
    kind_of,
    load_query_encoder,
)
from i3_pyserini.errors import I3Error, note
from i3_pyserini.faiss_library import faiss
from i3_pyserini.formats.first_dimensions import whole_dimension
from i3_pyserini.formats.index import EncoderRecord
from i3_pyserini.formats.index_directory import IndexDirectory
from i3_pyserini.model.declared import declared
from i3_pyserini.model.exported import is_exported
from i3_pyserini.model.fingerprint import tokenizer_fingerprint
from i3_pyserini.model.settings import (
    POOLING_WORDS,
    EncoderSettings,
    prompt_of,
    resolve,
    shown,
)
from i3_pyserini.system import may_have_gpu

SAME = ("pooling", "normalize", "dense", "lowercase")  # the same for queries and passages


def encoder_for(
    made_by: EncoderRecord,
    place: str | None,
    flags: QueryFlags | None = None,
    threads: int | None = None,
) -> QueryEncoder:
    """The encoder named by the user, or else by the manifest, with the passages' settings.

    Settings missing in the manifest are taken from the user, then from the model's declarations,
    then from Pyserini's defaults; a note lists them.

    Args:
        made_by: the encoder described in the index manifest; an empty record if there is none.
        place: name of the index in messages; None if there is no index.
        flags: settings given by the user.
        threads: threads for encoding without torch; None for one on each usable CPU.

    Raises:
        I3Error: no model is named, it cannot be loaded, or its settings differ from those of the
            passages.
    """
    flags = flags or QueryFlags()
    name = flags.encoder or made_by.name
    if not name or (not flags.encoder and made_by.kind == "imported"):
        raise I3Error(f"{place}: its manifest names no model; give the model that encoded it")
    kind = flags.kind or kind_for(name, made_by)
    if kind == "auto" and made_by.kind == "i3" and kind_of(name) == "i3":
        # The flags of stock search: --encoder MODEL/query_encoder --encoder-class auto --pooling …;
        # they must not contradict the manifest.
        _settings(name, made_by, place, flags)
        kind, flags = "i3", replace(flags, pooling=None, l2_norm=None, prefix=None)
    own = kind == "i3" or is_exported(name)
    if own and (flags.pooling or flags.l2_norm is not None or flags.prefix is not None):
        raise I3Error(f"pooling, l2_norm and query_prefix are in the files of {name}; omit them")
    settings = None if own else _settings(name, made_by, place, flags)
    encoder = load_query_encoder(name, kind, flags.device, settings, threads)
    refuse_other_encoder(record_of(encoder), encoder.name, made_by, place or "")
    return encoder


def kind_for(name: str, made_by: EncoderRecord) -> Kind:
    """The kind in the manifest; it is the only source for a hub name.

    Raises:
        I3Error: the model does not exist.
    """
    seen = kind_of(name)
    if name == made_by.name and made_by.kind in ("i3", "auto"):
        return "i3" if made_by.kind == "i3" else "auto"
    return seen


def record_of(encoder: QueryEncoder) -> EncoderRecord:
    """The manifest record of a query encoder."""
    return EncoderRecord(
        name=encoder.name,
        fingerprint=encoder.fingerprint,
        dimension=encoder.dimension,
        **encoder.settings.as_manifest(),
        tokenizer=tokenizer_fingerprint(Path(encoder.name)),
    )


def refuse_other_encoder(
    queries: EncoderRecord, what: str, made_by: EncoderRecord, place: str
) -> None:
    """Raises if queries and the passages of an index were encoded differently.

    Args:
        queries: the encoder of the queries; unknown values are not compared.
        what: its name in messages: a model or a file.
        made_by: the encoder described in the index manifest.
        place: name of the index in messages.

    Raises:
        I3Error: they differ; names the setting and both values.
    """
    if queries.fingerprint and made_by.fingerprint and queries.fingerprint != made_by.fingerprint:
        if what == made_by.name:
            raise I3Error(
                f"{place}: the weights of {what} have changed since it was encoded; restore them, "
                "or encode the corpus again"
            )
        raise I3Error(
            f"{place}: encoded by another model ({made_by.name}) than {what}; their vectors "
            "cannot be compared"
        )
    if queries.tokenizer and made_by.tokenizer and queries.tokenizer != made_by.tokenizer:
        raise I3Error(
            f"{place}: the tokenizer of {what} is not the one that it was encoded with; restore "
            "the model's files, or encode the corpus again"
        )
    known, own = EncoderSettings.of_manifest(made_by), EncoderSettings.of_manifest(queries)
    if known is None or own is None:
        return
    compared = [*SAME]
    compared += ["query_length"] if known.query_length else []
    compared += ["query_prompt", "include_prompt"] if known.query_prompt else []
    for field in compared:
        held, value = getattr(known, field), getattr(own, field)
        if held != value:
            raise I3Error(
                f"{place}: its manifest says {field} {shown(held)}, but the queries of {what} have "
                f"{field} {shown(value)}; leave the encoder's settings to the manifest"
            )


def _settings(
    name: str, made_by: EncoderRecord, place: str | None, flags: QueryFlags
) -> EncoderSettings:
    """The settings of the index's passages, or else those of the user and the model."""
    given = {
        "pooling": flags.pooling,
        "normalize": flags.l2_norm,
        "query_prompt": None if flags.prefix is None else prompt_of(flags.prefix),
    }
    known = EncoderSettings.of_manifest(made_by)
    if known is None:
        return _settings_of_model(name, place, given)
    for field, value in given.items():
        held = getattr(known, field)
        if value not in (None, held) and (held or field != "query_prompt"):
            raise I3Error(
                f"{OPTIONS[field]} {shown(value)} contradicts the manifest of {place}, which says "
                f"{shown(held)}; omit it to encode queries like the passages"
            )
    if known.passage_prompt and not known.query_prompt and given["query_prompt"] is None:
        note(
            f"the passages of {place} have the prefix {known.passage_prompt!r}, the queries have "
            "none; set one with query_prefix"
        )
    prompt = given["query_prompt"]
    return known if prompt is None else replace(known, query_prompt=str(prompt))


def _settings_of_model(
    name: str, place: str | None, given: Mapping[str, str | bool | None]
) -> EncoderSettings:
    """The settings of the user and the model, with a note that lists them."""
    declares = declared(name)
    settings, against = resolve(given, declares, EncoderSettings())
    words = [POOLING_WORDS[settings.pooling]]
    words.append("unit length" if settings.normalize else "not normalized")
    words += [f"prompt {settings.query_prompt!r}"] if settings.query_prompt else []
    source = f"as {name} declares" if declares else "Pyserini's defaults"
    if any(value is not None for value in given.values()):
        source = f"your flags, then {source}"
    subject = f"{place} does not say how its passages were encoded; queries have" if place else ""
    note(f"{subject or 'queries have'} {', '.join(words)} ({source})")
    for text in overruled(against):
        note(text)
    return settings


def check_index(index: Path, encoder: QueryEncoder) -> None:
    """Compares an index with an encoder of queries, without reading its vectors.

    Raises:
        I3Error: the index does not exist, or it has another dimension or another model.
    """
    manifest = IndexDirectory.open(index, "faiss").manifest
    made_by = manifest.encoder
    try:
        dimension = faiss.read_index(str(index / "index"), faiss.IO_FLAG_MMAP).d
    except RuntimeError as error:
        raise I3Error(f"{index}/index: FAISS cannot read it; encode the corpus again") from error
    refuse_other_dimension(encoder, whole_dimension(manifest, dimension), str(index))
    refuse_other_encoder(record_of(encoder), encoder.name, made_by, str(index))


def refuse_other_dimension(encoder: QueryEncoder, dimension: int, place: str) -> None:
    """Raises if the vectors of an encoder and an index have different dimensions.

    Raises:
        I3Error: names both dimensions.
    """
    if encoder.dimension != dimension:
        raise I3Error(
            f"{place}: vectors of {dimension} dimensions, but those of {encoder.name} have "
            f"{encoder.dimension}"
        )


def quickest_device(device: str | None) -> str | None:
    """The device for thousands of queries: the given one, or the first GPU.

    Returns:
        None if there is no GPU; `load_query_encoder` then chooses.
    """
    if device is not None or not may_have_gpu():
        return device
    from i3_pyserini.model.devices import first_gpu  # noqa: PLC0415  (torch: seconds)

    return first_gpu()
