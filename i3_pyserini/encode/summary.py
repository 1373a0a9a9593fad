"""The summary of an index in one line, and the stock command to search it."""

import shlex
from collections.abc import Mapping
from pathlib import Path

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.index import IndexManifest
from i3_pyserini.model.exported import is_exported
from i3_pyserini.model.settings import QUERY_ENCODER, EncoderSettings, in_words
from i3_pyserini.model.tokenizer_file import read_tokenizer_file
from i3_pyserini.stock.encoders import ALWAYS, trap_words


def holds(manifest: IndexManifest) -> str | None:
    """Summarizes how the passages of an index were encoded.

    Returns:
        Such as "mean pooling, unit length, titles: yes, 256 ids, 74% of passages are cut"; None if
        the manifest does not record it.

    Raises:
        I3Error: the manifest contains an unknown value.
    """
    settings = EncoderSettings.of_manifest(manifest.encoder)
    if settings is None:
        return None
    line = in_words(settings, manifest.titles is not False)
    cut = manifest.encoder.cut
    return line if cut is None else f"{line}, {percent(cut)} of passages are cut"


def stock_search(
    index: Path, manifest: IndexManifest, environment: Mapping[str, str]
) -> str | None:
    """The command to search an index with stock Pyserini, with the settings of its passages.

    Args:
        index: the index.
        manifest: its manifest.
        environment: environment variables for the command; see `java_environment`.

    Returns:
        `stock_commands` for a shell.

    Raises:
        I3Error: the manifest contains an unknown value.
    """
    commands = [shlex.join(words) for words in stock_commands(index, manifest)]
    if not commands:
        return None
    *before, search = commands
    variables = "".join(f"{key}={shlex.quote(value)} " for key, value in environment.items())
    return " && ".join([*before, f"{variables}{search}"])


def stock_commands(
    index: Path,
    manifest: IndexManifest,
    topics: str = "topics.tsv",
    output: str = "run.txt",
    queries: str = "queries",
    hits: int = 1000,
) -> list[list[str]]:
    """The words of the commands that search an index with stock Pyserini.

    Args:
        index: the index.
        manifest: its manifest.
        topics: the queries.
        output: the run to write.
        queries: folder for encoded queries, if they have to be encoded first.
        hits: maximum hits per query.

    Returns:
        One command; or two, the first to encode the queries, if stock Pyserini cannot encode them
        with the settings of the passages, reads the model's tokenizer differently, or truncates
        queries at another length. None at all if it is not a FAISS index, its model is unknown, or
        its vectors are shortened, since stock Pyserini cannot shorten queries.

    Raises:
        I3Error: the manifest contains an unknown value.
    """
    settings, name = EncoderSettings.of_manifest(manifest.encoder), manifest.encoder.name
    if settings is None or name is None or not (index / "index").is_file():
        return []
    if manifest.built.dimensions:
        return []
    search = ["python", "-m", "pyserini.search.faiss", "--index", str(index), "--topics", topics]
    last = ["--hits", str(hits), "--output", output]
    model = f"{name}/{QUERY_ENCODER}" if manifest.encoder.kind == "i3" else name
    plain = settings.stock_can_encode and not trap_words(model, ALWAYS) and not is_exported(name)
    if plain and not _other_ids(model, settings.query_length):
        return [[*search, "--encoder", model, *shlex.split(settings.stock_flags()), *last]]
    encode = ["i3-pyserini", "encode-topics", topics, "--index", str(index), "--output", queries]
    return [encode, [*search, "--encoded-queries", queries, *last]]


def _other_ids(model: str, query_length: int | None) -> bool:
    """Whether stock Pyserini tokenizes queries differently from this package; False if unknown."""
    from i3_pyserini.model.tokenizer_check import check_tokenizer  # noqa: PLC0415  (seconds)

    try:
        own = read_tokenizer_file(model)
        if (
            own and query_length and own.model_max_length != query_length
        ):  # where stock Pyserini truncates
            return True
        return check_tokenizer(model) is not None
    except I3Error:  # the model is on another machine; the command is for that machine
        return False


def advice(settings: EncoderSettings) -> list[str]:
    """Recommendations for encoding with these settings."""
    found = []
    if settings.passage_prompt and not settings.query_prompt:
        found.append(
            f"passages have the prompt {settings.passage_prompt.strip()!r}, queries have none; "
            "set one with --query-prefix (E5 needs 'query:')"
        )
    if settings.similarity == "cosine" and not settings.normalize:
        found.append(
            "the model declares cosine similarity, but its vectors are not normalized; use "
            "--l2-norm, so that inner product ranks like cosine"
        )
    elif settings.similarity in ("euclidean", "manhattan"):
        found.append(
            f"the model declares {settings.similarity} distance; search uses the inner product, "
            "which ranks differently"
        )
    return found


def percent(share: float) -> str:
    """A share in percent; 0% and 100% only if exact."""
    if share in (0, 1) or round(100 * share) not in (0, 100):
        return f"{100 * share:.0f}%"
    return f"{min(max(100 * share, 0.01), 99.99):.2f}%"
