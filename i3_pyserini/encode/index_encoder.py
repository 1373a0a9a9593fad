"""Which encoder encodes the queries of an index: the one that its manifest names, set alike."""

from dataclasses import dataclass, replace
from pathlib import Path

import faiss

from i3_pyserini.encode.flags import OPTIONS
from i3_pyserini.encode.query_encoders import (
    Kind,
    QueryEncoder,
    kind_of,
    load_query_encoder,
)
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.index import EncoderRecord, read_manifest
from i3_pyserini.model.declared import declared
from i3_pyserini.model.settings import EncoderSettings, prompt_of, resolve, shown

GPUS = ("/dev/nvidiactl", "/dev/kfd")  # one of them is there where a driver is


@dataclass(frozen=True)
class QueryFlags:
    """What a user says of the encoder of queries; None leaves it to the manifest and the model.

    Attributes:
        encoder: a model's directory or hub name.
        kind: see `load_query_encoder`.
        device: likewise.
        pooling: of an "auto" encoder.
        l2_norm: likewise.
        prefix: likewise.
    """

    encoder: str | None = None
    kind: Kind | None = None
    device: str | None = None
    pooling: str | None = None
    l2_norm: bool | None = None
    prefix: str | None = None


def encoder_for(
    made_by: EncoderRecord,
    place: str,
    flags: QueryFlags | None = None,
    threads: int | None = None,
) -> QueryEncoder:
    """The encoder that the user names, or else the manifest; with the passages' settings.

    Args:
        made_by: what the index's manifest says of the model; an empty record if nothing.
        place: what the index is called in messages.
        flags: what the user says.
        threads: for encoding without torch; None for all cores.

    Raises:
        I3Error: no model is named, it cannot be loaded, or it encodes otherwise than the passages
            were.
    """
    flags = flags or QueryFlags()
    name = flags.encoder or made_by.name
    if not name or (not flags.encoder and made_by.kind == "imported"):
        raise I3Error(
            f"{place}: its manifest names no model; name the one that encoded it with --encoder"
        )
    kind = flags.kind or kind_of(name)
    if kind == "i3" and (flags.pooling or flags.l2_norm or flags.prefix):
        raise I3Error("--pooling, --l2-norm and --query-prefix are in an I³ model's configuration")
    settings = None if kind == "i3" else _settings(name, made_by, flags)
    encoder = load_query_encoder(name, kind, flags.device, settings, threads)
    refuse_other_model(encoder.name, encoder.fingerprint, made_by, place)
    refuse_other_settings(encoder, made_by, place)
    return encoder


def _settings(name: str, made_by: EncoderRecord, flags: QueryFlags) -> EncoderSettings:
    """Those of the index's passages, or else the model's own and the user's."""
    given = {
        "pooling": flags.pooling,
        "normalize": flags.l2_norm,
        "query_prompt": None if flags.prefix is None else prompt_of(flags.prefix),
    }
    known = EncoderSettings.of_manifest(made_by)
    if known is None:
        return resolve(given, declared(name), EncoderSettings())[0]
    for field, value in given.items():
        held = getattr(known, field)
        if value not in (None, held) and (held or field != "query_prompt"):
            raise I3Error(
                f"{OPTIONS[field]} {shown(value)}: the index's passages have {shown(held)}; leave "
                "it out to encode queries alike"
            )
    prompt = given["query_prompt"]
    return known if prompt is None else replace(known, query_prompt=str(prompt))


def refuse_other_settings(encoder: QueryEncoder, made_by: EncoderRecord, place: str) -> None:
    """Raises if an encoder pools or scales otherwise than an index's passages were.

    Args:
        encoder: the encoder of queries.
        made_by: see `encoder_for`.
        place: likewise.

    Raises:
        I3Error: names what differs.
    """
    known = EncoderSettings.of_manifest(made_by)
    if known is None:
        return
    for field in ("pooling", "normalize", "dense"):
        held, own = getattr(known, field), getattr(encoder.settings, field)
        if held != own:
            raise I3Error(
                f"{place}: its passages have {field} {shown(held)}, but {encoder.name} encodes "
                f"with {shown(own)}; let the index's manifest choose the encoder"
            )


def refuse_other_model(
    name: str, fingerprint: str | None, made_by: EncoderRecord, place: str
) -> None:
    """Raises if queries come from another model than an index's passages.

    Args:
        name: of the model of the queries, or of the file that they are in.
        fingerprint: of that model; None if it is not known.
        made_by: see `encoder_for`.
        place: likewise.

    Raises:
        I3Error: the fingerprints differ.
    """
    known = made_by.fingerprint
    if known and fingerprint and known != fingerprint:
        raise I3Error(
            f"{place}: encoded by another model ({made_by.name}) than {name}; their vectors "
            "cannot be compared"
        )


def check_index(index: Path, encoder: QueryEncoder) -> None:
    """Compares an index with an encoder of queries, without reading its vectors.

    Raises:
        I3Error: there is no index, or it is of another dimension or another model.
    """
    if not (index / "index").is_file() or not (index / "docid").is_file():
        raise I3Error(f"{index}: no index here (files 'index' and 'docid')")
    try:
        dimension = faiss.read_index(str(index / "index"), faiss.IO_FLAG_MMAP).d
    except RuntimeError as error:
        raise I3Error(f"{index}/index: FAISS cannot read it; encode the corpus again") from error
    refuse_other_dimension(encoder, dimension, str(index))
    made_by = read_manifest(index).encoder
    refuse_other_model(encoder.name, encoder.fingerprint, made_by, str(index))
    refuse_other_settings(encoder, made_by, str(index))


def refuse_other_dimension(encoder: QueryEncoder, dimension: int, place: str) -> None:
    """Raises if an encoder's vectors cannot be multiplied with an index's.

    Raises:
        I3Error: names both dimensions.
    """
    if encoder.dimension != dimension:
        raise I3Error(
            f"{place}: vectors of {dimension} dimensions, but those of {encoder.name} have "
            f"{encoder.dimension}"
        )


def quickest_device(device: str | None) -> str | None:
    """The device for many thousand queries: the one that is named, or else the first GPU.

    Returns:
        None if there is no GPU, which leaves the choice to `load_query_encoder`.
    """
    if device is not None or not any(Path(path).exists() for path in GPUS):
        return device
    import torch  # noqa: PLC0415  (seconds, and not needed without a GPU)

    return "cuda:0" if torch.cuda.is_available() else None
