"""What is fuzzed: the readers of `tests.formats.readers`, and those of settings, models, archives.

Every target reads one file that somebody else may have made. What it may do is in `check`.
"""

import io
import json
import pickle
import tarfile
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import torch
import yaml

from i3_pyserini.data.archive import extract_members
from i3_pyserini.data.candidates import NegativesFile
from i3_pyserini.data.catalog import load_catalog
from i3_pyserini.data.pairs.files import sources_of
from i3_pyserini.encode.merge import load_shard
from i3_pyserini.eval.groups import read_groups
from i3_pyserini.eval.report.costs import read_costs
from i3_pyserini.experiments.plan import load_plan
from i3_pyserini.formats.content_hashes import HASH_BYTES, HASHES, read_hashes
from i3_pyserini.formats.index import (
    CorpusRecord,
    EncoderRecord,
    IndexManifest,
    ShardRecord,
    read_manifest,
)
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.qrels import read_qrels
from i3_pyserini.formats.runs import read_run
from i3_pyserini.formats.tables import Table
from i3_pyserini.formats.topics import read_topics
from i3_pyserini.formats.vector_files import FILES
from i3_pyserini.model.exported import RECORD, read_export
from i3_pyserini.model.original import read_checkpoint
from i3_pyserini.model.tokenizer_file import read_tokenizer_file
from i3_pyserini.search.fusion_file import read_fusion
from i3_pyserini.search.speed import read_queries_per_second
from i3_pyserini.train.mixture import read_sources
from i3_pyserini.train.recipe_file import load_recipe
from tests.formats.damage import result_or_one_line
from tests.formats.readers import READERS, Reader

MANIFEST = "manifest.json"
OUT = "out"  # the folder that an archive is extracted into


def _json(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def _yaml(**fields: object) -> bytes:
    return yaml.safe_dump(fields).encode()


def _archive(*, hostile: bool) -> bytes:
    """Files and a folder; a hostile one has a path upwards and a link, too."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        files = [("a.tsv", b"1\ta\n"), ("b/c.tsv", b"2\tb\n")]
        for name, content in [*files, *([("../d.tsv", b"3")] if hostile else [])]:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        if hostile:
            link = tarfile.TarInfo("e.tsv")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(link)
    return target.getvalue()


def _extract(path: Path) -> object:
    folder = path.parent / OUT
    folder.mkdir()
    return extract_members(path, ["a.tsv", "b/c.tsv"], folder)


def _checkpoint() -> bytes:
    target = io.BytesIO()
    torch.save({"module.a": torch.ones(2), "b": torch.zeros(1, dtype=torch.int64)}, target)
    return target.getvalue()


def _hashes() -> bytes:
    target = io.BytesIO()
    np.save(target, np.zeros((3, HASH_BYTES), dtype=np.uint8))
    return target.getvalue()


@cache
def _tokenizer() -> bytes:
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece

    words = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "egg": 3}
    return str(Tokenizer(WordPiece(words, unk_token="[UNK]")).to_str()).encode()


def _pairs(path: Path) -> object:
    (source,) = sources_of([str(path)], "train", Table())
    return list(source.rows())


def _negatives(path: Path) -> object:
    found = NegativesFile(path, {"q1": "an egg", "q2": "hot"}, {"q1": ["1"], "q2": ["2"]})
    return [found.ids(), list(found)]


def _counted_corpus(path: Path) -> object:
    """No line is left out in silence."""
    lines = [line for line in path.read_bytes().split(b"\n") if line.strip()]
    found = list(Corpus(path))
    assert len(found) == len(lines), f"{len(found)} passages of {len(lines)} lines"
    return found


def _counted_run(path: Path) -> object:
    """As for a corpus; the first line may be a header."""
    lines = [line for line in path.read_bytes().split(b"\n") if line.strip()]
    found = read_run(path)
    assert len(lines) - 1 <= len(found.lines) <= len(lines), f"{len(found.lines)} hits"
    return found


def _counted_topics(path: Path) -> object:
    lines = [line for line in path.read_bytes().split(b"\n") if line.strip()]
    found = read_topics(str(path))
    assert len(lines) - 1 <= len(found) <= len(lines), f"{len(found)} topics"
    return found


def _shard() -> bytes:
    manifest = IndexManifest(
        version="0.1.0",
        encoder=EncoderRecord(kind="auto", name="m", dimension=3),
        corpus=CorpusRecord(name="c", passages=4),
        shard=ShardRecord(id=0, number=2),
        store_dtype="float32",
        kind="faiss",
        passages=2,
        dimension=3,
    )
    with tempfile.TemporaryDirectory() as folder:
        manifest.write(Path(folder))
        return Path(folder, MANIFEST).read_bytes()


def _load_shard(path: Path) -> object:
    for name in FILES["faiss"]:  # only whether they are there is looked at
        (path.parent / name).touch()
    return load_shard(path.parent)


RECIPE_DATA = {"collection": "corpus", "queries": "topics.tsv", "qrels": "qrels.txt"}
CATALOG = {
    "about": "b",
    "terms": "t",
    "groups": {"g": "h"},
    "files": [{"path": "a", "group": "g", "licence": "l", "purpose": "p", "url": "https://x/a"}],
}
SETTINGS = [
    Reader(
        MANIFEST,
        _json(version="0.1.0", encoder={"kind": "auto", "name": "m", "dimension": 3}, titles=True),
        lambda path: read_manifest(path.parent),
    ),
    Reader(
        MANIFEST,
        _shard(),
        _load_shard,
    ),
    Reader(
        "recipe.yaml",
        _yaml(output="out", model={"init": "x"}, data=RECIPE_DATA, loss={"temperature": 0.1}),
        load_recipe,
    ),
    Reader(
        "plan.yaml",
        _yaml(
            about="a",
            settings={"a": "c"},
            steps={"one": {"about": "b", "commands": [{"run": "echo {a}"}]}},
        ),
        lambda path: load_plan(path, {"a": "b"}),
    ),
    Reader("catalog.json", _json(a=CATALOG), load_catalog),
    Reader(RECORD, _json(kind="auto", dimension=3, settings={}), lambda p: read_export(p.parent)),
    Reader("tokenizer.json", _tokenizer(), lambda path: read_tokenizer_file(str(path.parent))),
    Reader(
        "fusion.json",
        _json(method="rrf", weights=[1, 0.5], k=60, normalization="none", tuned={"queries": ["q"]}),
        read_fusion,
    ),
    Reader("speed.json", _json(queries_per_second=12.5), read_queries_per_second),
    Reader(
        "costs.tsv",
        b"run\tqueries_per_second\tindex_bytes\na\t10\t1000\n",
        lambda path: read_costs(path, ["a"]),
    ),
    Reader(
        "groups.tsv",
        b"q1\tshort\nq2\tlong\n",
        lambda path: read_groups(path, _judged(path.parent)),
    ),
    Reader("sources.tsv", b"q1\ta\nq2\tb\n", lambda path: read_sources(path, ["q1", "q2"])),
]
OTHERS = [
    Reader("archive.tar", _archive(hostile=False), _extract),
    Reader("archive.tar", _archive(hostile=True), _extract),
    Reader("model.p", _checkpoint(), read_checkpoint),
    Reader("model.p", pickle.dumps({"a": 1}), read_checkpoint),
    Reader(HASHES, _hashes(), lambda path: read_hashes(path.parent, 3)),
    Reader("pairs.csv", b"query,positive,negative\nan egg,boil it,no\n", _pairs),
    Reader("pairs.jsonl", b'{"query": "a", "positive": ["b"], "negative": "c"}\n', _pairs),
    Reader("negatives.tsv", b"q1\t3,4\nq2\t5\n", _negatives),
    Reader("counted.jsonl", b'{"id": 1, "text": "a"}\n{"id": 2, "text": "b"}\n', _counted_corpus),
    Reader("counted.run", b"q1 Q0 d1 1 2.5 x\nq2 Q0 d1 1 1 x\n", _counted_run),
    Reader("counted.tsv", b"q1\tan egg\nq2\thot\n", _counted_topics),
]
TARGETS = {f"{n:02}-{one.name}": one for n, one in enumerate([*READERS, *SETTINGS, *OTHERS])}


def _judged(folder: Path) -> pl.DataFrame:
    path = folder / "qrels.txt"
    path.write_text("q1 0 d1 1\nq2 0 d1 1\n")
    return read_qrels(str(path))


def check(target: Reader, content: bytes) -> None:
    """Reads content: a result, or one error line; no file outside the folder.

    Raises:
        Exception: whatever else the reader raises.
    """
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        folder = Path(name) / "inside"
        folder.mkdir()
        path = folder / target.name
        path.write_bytes(content)
        try:
            result_or_one_line(lambda: target.read(path), folder.parent.name)
        finally:
            assert [one.name for one in Path(name).iterdir()] == ["inside"], "a file outside"
