"""What is recorded of a run that was searched: the stage of retrieval, and what was searched."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from i3_pyserini.encode.scan import Shard, hash_of
from i3_pyserini.formats.atomic import file_hash
from i3_pyserini.formats.environment import without_login
from i3_pyserini.formats.folder_manifest import chunks_of
from i3_pyserini.formats.index import EncoderRecord, IndexManifest, read_manifest
from i3_pyserini.formats.passages import Corpus, collection_name
from i3_pyserini.formats.records import MANIFEST, write_record
from i3_pyserini.formats.run_metadata import CollectionRecord, InputRecord, Origin
from i3_pyserini.formats.runs import Run
from i3_pyserini.search.options import Feedback

Stage = dict[str, Any]
# Of an encoder's record: what decides a query's vector, and what a passage's.
MODEL = (
    *("name", "fingerprint", "pooling", "normalize", "dense", "query_prompt", "passage_prompt"),
    *("query_length", "passage_length", "lowercase", "similarity", "dtype"),
)


def queries_of(
    topics: Mapping[str, str], source: str, searched: CollectionRecord | None = None
) -> CollectionRecord:
    """The record of a collection with its queries.

    Args:
        topics: query text by query id.
        source: their file or name.
        searched: what else is known of the collection.
    """
    lines = "".join(f"{qid}\t{text}\n" for qid, text in topics.items())
    known = {} if searched is None else write_record(searched)
    known |= {"topics": Path(source).name if Path(source).exists() else source}
    known["topics sha256"] = hashlib.sha256(lines.encode("utf-8", "surrogatepass")).hexdigest()
    known["queries"] = len(topics)
    return CollectionRecord.of(known)


def of_corpus(corpus: Corpus) -> CollectionRecord:
    """The collection of a corpus; reads it once for its hash."""
    return CollectionRecord(
        name=collection_name(corpus.path),
        source=str(corpus.path.resolve()),
        sha256=hash_of(corpus, Shard()),
        chunks=None if (chunks := chunks_of(corpus.path)) is None else write_record(chunks),
    )


def index_record(
    path: Path, manifest: IndexManifest, given: Mapping[str, int], parts: Sequence[Path] = ()
) -> Stage:
    """An index: where it is, what tells it from others, its type and parameters.

    Args:
        path: its directory, or the pattern of its shards.
        manifest: an empty one if it has none.
        given: parameters of this search.
        parts: the directories of its shards; empty for one of its own.
    """
    files = [identifying_file(part) for part in parts or [path]]
    hashes = [file_hash(file) for file in files]
    whole = hashlib.sha256("".join(hashes).encode()).hexdigest()
    built = manifest.built
    parameters = {**(built.parameters or {}), **given}
    return {
        "path": str(path),
        f"{files[0].name} sha256": hashes[0] if len(files) == 1 else whole,
        "type": built.type or "flat",
        **({"shards": len(files)} if len(files) > 1 else {}),
        **({"dimensions": built.dimensions} if built.dimensions else {}),
        **({"factory": built.factory} if built.factory else {}),
        **({"parameters": parameters} if parameters else {}),
    }


def identifying_file(index: Path) -> Path:
    """The file that tells an index from others: its manifest, or its ids if it has none.

    Args:
        index: its directory.
    """
    manifest = index / MANIFEST
    return manifest if manifest.is_file() else index / "docid"


def engine_record(address: str, collection: str) -> Stage:
    """A collection of a vector engine, without user and password."""
    return {"engine": without_login(address), "collection": collection}


def dense_stage(name: str, queries: EncoderRecord, passages: EncoderRecord) -> Stage:
    """A search with vectors.

    Args:
        name: of the stage.
        queries: the encoder of the queries.
        passages: the encoder of the passages.
    """
    own, other = write_record(queries), write_record(passages)
    found = {key: own.get(key, other.get(key)) for key in MODEL}
    known = {key: value for key, value in found.items() if value not in (None, "", [], ())}
    if "fingerprint" in other and other["fingerprint"] != known.get("fingerprint"):
        known["passages fingerprint"] = other["fingerprint"]
    return {"name": name, "method": "dense retrieval", "model": known}


def bm25_stage(name: str, index: Path, how: Mapping[str, Any]) -> Stage:
    """A search with BM25.

    Args:
        name: of the stage.
        index: its directory.
        how: its options.
    """
    record = index_record(index, read_manifest(index), {})
    given = {key: value for key, value in how.items() if value != ""}
    return {"name": name, "method": "BM25", "index": record, **given}


def feedback_record(feedback: Feedback) -> Stage:
    """The options of feedback that were used; empty without feedback."""
    if not feedback.prf_depth:
        return {}
    known = asdict(feedback)
    if feedback.prf_method == "avg":
        known = {key: value for key, value in known.items() if key.startswith("prf")}
    return {"feedback": known}


def origin_of_fusion(runs: list[Run], how: Stage) -> Origin:
    """What is recorded of a fused run: the stages of its runs, then the fusion.

    Args:
        runs: the runs.
        how: the stage of the fusion, with the weights in their order.
    """
    stages, last = joined(runs)
    collection = next((one.metadata.collection for one in runs if one.metadata), None)
    stages.append({**how, "interpolates": last})
    return Origin(
        tuple(stages), collection or CollectionRecord(), tuple(input_of(run) for run in runs)
    )


def origin_of_reranking(run: Run, how: Stage, collection: CollectionRecord) -> Origin:
    """What is recorded of a reranked run: the stages of the run, then the reranking.

    Args:
        run: the run.
        how: the stage of reranking.
        collection: the corpus and the queries whose texts were scored.
    """
    stages, (last,) = joined([run])
    names = {str(one.get("name")) for one in stages}
    stages.append({**how, "name": _free(str(how["name"]), names), "reranks": last})
    searched = run.metadata.collection if run.metadata else CollectionRecord()
    if searched.sha256 == collection.sha256:
        collection = replace(collection, passages=searched.passages)
    return Origin(tuple(stages), collection, (input_of(run),))


def input_of(run: Run) -> InputRecord:
    """The record of a run that another one is made of."""
    known = run.metadata.run if run.metadata else None
    sha256 = known.sha256 if known else None
    if sha256 is None and run.path is not None and run.path.is_file():  # not a pipe
        sha256 = file_hash(run.path)
    return InputRecord(file=str(run.path or run.name), sha256=sha256, metadata=run.metadata)


def joined(runs: list[Run]) -> tuple[list[Stage], list[str]]:
    """The stages of several runs, with names that are unique, and the last of each run.

    Args:
        runs: the runs; one without metadata is a stage of its file's name.
    """
    stages: list[Stage] = []
    last = []
    for run in runs:
        known = [dict(one) for one in run.metadata.stages] if run.metadata else []
        known = known or [{"name": run.name, "method": "unknown"}]
        taken = {str(one.get("name")) for one in stages}
        renamed = {str(one.get("name")): _free(str(one.get("name")), taken) for one in known}
        stages += [_renamed(one, renamed) for one in known]
        last.append(list(renamed.values())[-1])
    return stages, last


def _free(name: str, taken: set[str]) -> str:
    number = 2
    found = name
    while found in taken:
        found, number = f"{name} {number}", number + 1
    return found


def _renamed(stage: Stage, names: Mapping[str, str]) -> Stage:
    """A stage with other names of stages."""
    known = {**stage, "name": names.get(str(stage.get("name")), stage.get("name"))}
    if "reranks" in known:
        known["reranks"] = names.get(str(known["reranks"]), known["reranks"])
    if isinstance(known.get("interpolates"), list):
        known["interpolates"] = [names.get(str(one), one) for one in known["interpolates"]]
    return known
