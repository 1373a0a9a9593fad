"""What made runs, in a line each; what they share; and what of them does not go together."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from i3_pyserini.formats.index import LINES, IndexManifest
from i3_pyserini.formats.records import write_record
from i3_pyserini.formats.run_metadata import CollectionRecord, RunMetadata

NONE = "no provenance"
COMMAND = "cmd"  # of the section `implementation`
# An absolute path, as it is or behind `NAME=`, `ENGINE:`, a quote or `file://`; not an address.
PLACE = re.compile(r"((?:[^/\s]*[=:'\"])?(?://(?=/))?)(/(?!/).*)", re.DOTALL)
DIGITS = 8  # of a hash in a message
# Collections with the same ids, passages and queries, but other texts.
TITLED = frozenset({"msmarco-passage-official", "msmarco-passage-titled"})


class HasMetadata(Protocol):
    """A run, read or not."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def metadata(self) -> RunMetadata | None:
        """What made it; None if that is unknown."""
        ...


def in_words(metadata: RunMetadata | None) -> str:
    """What made a run, in a line: the last stage of retrieval, the version and the date."""
    if metadata is None:
        return NONE
    how = stage_words(metadata.stages[-1]) if metadata.stages else metadata.tag or "unknown method"
    toolkits = _get(metadata.platform, "software", "retrieval toolkit")
    first = toolkits[0] if isinstance(toolkits, list | tuple) and toolkits else ""
    by = str(first).replace("==", " ")
    date = (metadata.run.date if metadata.run else None) or ""
    return "; ".join(part for part in (how, ", ".join(filter(None, (by, date[:10])))) if part)


def stage_words(stage: Mapping[str, Any]) -> str:
    """A stage of retrieval, in words."""
    method = str(stage.get("method") or stage.get("name") or "unknown method")
    model = stage.get("model")
    name = model.get("name") if isinstance(model, Mapping) else model
    if stage.get("reranks"):
        words = [f"{method} {short_path(name)}" if name else method]
        words += [f"first {stage['depth']}"] if stage.get("depth") else []
        return f"{', '.join(words)}, of {stage['reranks']}"
    if isinstance(stage.get("interpolates"), list | tuple):
        return _fusion_words(method, stage)
    words = [f"{short_path(name)} ({_encoder_words(model)})" if name else method]
    words += [_index_words(stage)] if name else []
    words += [f"{key} {stage[key]:g}" for key in ("k1", "b") if _is_number(stage.get(key))]
    words += [str(stage["analysis"])] if stage.get("analysis") else []
    words += ["tuned"] if stage.get("tuned") else []
    words += [f"feedback of {_get(stage, 'feedback', 'prf_depth')}"] if "feedback" in stage else []
    words += [f"documents ({stage['documents']})"] if stage.get("documents") else []
    words += [key for key in ("max passage", "remove query") if stage.get(key)]
    words += [f"filter {stage['filter']}"] if stage.get("filter") else []
    words += [f"{stage['hits']:,} hits"] if isinstance(stage.get("hits"), int) else []
    return ", ".join(word for word in words if word)


def _fusion_words(method: str, stage: Mapping[str, Any]) -> str:
    how = f" (k {stage['k']:g})" if _is_number(stage.get("k")) else ""
    runs = " and ".join(map(str, stage["interpolates"]))
    weights = stage.get("weight")
    shown = ""
    if isinstance(weights, list | tuple):
        shown = ", weights " + " and ".join(f"{w:g}" if _is_number(w) else str(w) for w in weights)
    return f"{method}{how} of {runs}{shown}{', tuned' if stage.get('tuned') else ''}"


def _encoder_words(model: Any) -> str:
    words = [str(_get(model, "pooling") or "pooling unknown")]
    words += ["unit length"] if _get(model, "normalize") else []
    return ", ".join(words)


def _index_words(stage: Mapping[str, Any]) -> str:
    kind = str(_get(stage, "index", "type") or _get(stage, "index", "engine") or "")
    given = _get(stage, "index", "parameters")
    if not isinstance(given, Mapping) or not given:
        return kind
    return f"{kind} ({', '.join(f'{key} {value}' for key, value in given.items())})"


def name_of(collection: CollectionRecord) -> str | None:
    """A collection's name, or the last folders of its path; None if unknown."""
    return collection.name or (short_path(collection.source) if collection.source else None)


def collection_words(collection: CollectionRecord) -> str | None:
    """A collection's name and its size; None if unknown."""
    name = name_of(collection)
    size = "" if collection.passages is None else f" ({collection.passages:,} passages)"
    return f"{name}{size}" if name else None


def topics_words(collection: CollectionRecord) -> str | None:
    """The topics, and how many they are; None if unknown."""
    if collection.topics is None:
        return None
    count = "" if collection.queries is None else f" ({collection.queries:,} queries)"
    return f"{collection.topics}{count}"


def short_path(name: Any) -> str:
    """The last two parts of an absolute path, whose other folders are private; other names whole.

    A folder "model" or "corpus" does not say whose it is, so that the one above is shown, too.
    """
    path = Path(str(name))
    return str(Path(*path.parts[-2:])) if path.is_absolute() else str(name)


def public(value: Any) -> Any:
    """Metadata without the folders that a computer has: paths are cut to their last two parts."""
    if isinstance(value, Mapping):
        return {
            str(key): public_command(one) if key == COMMAND else public(one)
            for key, one in value.items()
        }
    if isinstance(value, list | tuple):
        return [public(one) for one in value]
    if not isinstance(value, str):
        return value
    words = [value] if PLACE.fullmatch(value) else value.split(" ")
    return " ".join(map(_public_word, words))


def public_command(command: Any) -> Any:
    """A command line without the folders that a computer has, as `public`."""
    if not isinstance(command, str):
        return public(command)
    try:
        words = shlex.split(command)
    except ValueError:  # of another shell, or cut
        return public(command)
    return shlex.join(map(_public_word, words))


def _public_word(word: str) -> str:
    found = PLACE.fullmatch(word)
    return f"{found[1]}{short_path(found[2])}" if found else word


def index_collection(manifest: IndexManifest, passages: int | None) -> CollectionRecord:
    """The collection of an index."""
    corpus = manifest.corpus
    chunks = None if corpus.chunks is None else write_record(corpus.chunks)
    return CollectionRecord(
        name=corpus.name,
        source=corpus.path,
        sha256=corpus.extra.get(LINES, corpus.sha256),
        passages=passages,
        chunks=chunks,
    )


def shared_collection(runs: Sequence[HasMetadata]) -> CollectionRecord | None:
    """The collection of all runs whose collection is known; None if there is none, or several."""
    known = [one for run in runs if (one := _collection(run)) and collection_words(one)]
    if not known or any(_differ(known[0], one) for one in known[1:]):
        return None
    return known[0]


def mismatches(runs: Sequence[HasMetadata]) -> list[str]:
    """What does not go together: other collections, topics, models of a name, indexes of a path.

    Args:
        runs: runs; those without metadata are not compared.
    """
    known = [run for run in runs if run.metadata is not None]
    found = []
    for place, run in enumerate(known[1:], start=1):
        other = next((one for one in known[:place] if _notes(one, run)), None)
        found += [] if other is None else _notes(other, run)
    return list(dict.fromkeys(found))


def _notes(first: HasMetadata, second: HasMetadata) -> list[str]:
    """What differs between two runs."""
    one, other = _collection(first), _collection(second)
    found = []
    if one and other and _differ(one, other):
        found.append(
            f"{first.name} searched {_named(one)}, {second.name} {_named(other)}: values of other "
            "collections are not comparable"
        )
    topics = [known.topics_sha256 if known else None for known in (one, other)]
    if one and other and None not in topics and topics[0] != topics[1]:
        found.append(
            f"{first.name} and {second.name} were made with other topics: {topics_words(one)} and "
            f"{topics_words(other)}"
        )
    models, others = dict(_models(first)), dict(_models(second))
    found += [
        f"{first.name} and {second.name} name the {what}, which has changed between them "
        f"({models[what][:DIGITS]} and {others[what][:DIGITS]})"
        for what in models.keys() & others.keys()
        if models[what] != others[what]
    ]
    return found


def collection_note(run: HasMetadata, given: CollectionRecord, what: str) -> list[str]:
    """A note if a run searched another collection than is given, or other topics.

    Args:
        run: the run.
        given: what is given.
        what: what that is, for messages.
    """
    searched = _collection(run)
    if searched is None:
        return []
    if _differ(searched, given):
        return [f"{run.name} searched {_named(searched)}, but {what} is {_named(given)}"]
    hashes = (searched.topics_sha256, given.topics_sha256)
    if None not in hashes and hashes[0] != hashes[1]:
        return [
            f"{run.name} was made with {topics_words(searched)}, but {topics_words(given)} is given"
        ]
    return []


def other_method(run: HasMetadata, of_dev: HasMetadata) -> Iterator[str]:
    """A note if the run of dev queries was not made as the run of the queries to report.

    Compared are the fingerprint of the model, and k1 and b, of the last stage.
    """
    stages = [one.metadata.stages[-1:] if one.metadata else () for one in (run, of_dev)]
    if not all(stages):
        return
    (one,), (other,) = stages
    for what, keys in (("model", ("model", "fingerprint")), ("k1", ("k1",)), ("b", ("b",))):
        values = _get(one, *keys), _get(other, *keys)
        if None not in values and values[0] != values[1]:
            shown = [f"{value:.{DIGITS}}" if isinstance(value, str) else value for value in values]
            yield (
                f"{run.name} was made with {what} {shown[0]}, {of_dev.name}, which the weights are "
                f"tuned on, with {shown[1]}"
            )


def mixed(runs: Sequence[HasMetadata]) -> str | None:
    """Names the two collections of MS MARCO if runs of both are among these."""
    names = {run.name: found.name for run in runs if (found := _collection(run))}
    if not set(names.values()) >= TITLED:
        return None
    return ", ".join(f"{run} searched {name}" for run, name in names.items() if name in TITLED)


def _collection(run: HasMetadata) -> CollectionRecord | None:
    return run.metadata.collection if run.metadata else None


def _differ(one: CollectionRecord, other: CollectionRecord) -> bool:
    """Whether two collections are known to be different; windows are of their documents."""
    hashes = [_get(known.chunks, "sha256") or known.sha256 for known in (one, other)]
    if None not in hashes:
        return hashes[0] != hashes[1]
    if one.chunks or other.chunks:
        return bool(one.name and other.name and one.name != other.name)
    names, sizes = (one.name, other.name), (one.passages, other.passages)
    pairs = (names, sizes)
    return any(None not in pair and pair[0] != pair[1] for pair in pairs)


def _named(collection: CollectionRecord) -> str:
    known = collection_words(collection) or "a collection without a name"
    return f"{known}, sha256 {collection.sha256[:DIGITS]}" if collection.sha256 else known


def _models(run: HasMetadata) -> Iterator[tuple[str, str]]:
    """The models and indexes of a run, and what tells each from others of its name."""
    for stage in run.metadata.stages if run.metadata else ():
        name, known = _get(stage, "model", "name"), _get(stage, "model", "fingerprint")
        if isinstance(name, str) and isinstance(known, str):
            yield f"model {short_path(name)}", known
        path, index = _get(stage, "index", "path"), _get(stage, "index", "manifest.json sha256")
        if isinstance(path, str) and isinstance(index, str):
            yield f"index {short_path(path)}", index


def _get(found: Any, *keys: str) -> Any:
    """A value inside of objects; None where there is none, or something else is in its way."""
    for key in keys:
        if not isinstance(found, Mapping):
            return None
        found = found.get(key)
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
