"""Readers of settings: manifests, recipes, plans, catalogues, and what tools store for others.

What is accepted is kept: each value of a file is in what was read, or it was refused.
"""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from i3_pyserini.data.catalog import load_catalog
from i3_pyserini.encode.merge import load_shard
from i3_pyserini.experiments.plan import Plan, choose_steps, commands, load_plan
from i3_pyserini.formats.folder_manifest import Manifest, named_collection
from i3_pyserini.formats.index import (
    CorpusRecord,
    EncoderRecord,
    IndexManifest,
    ShardRecord,
    read_manifest,
)
from i3_pyserini.formats.journal import open_journal
from i3_pyserini.formats.made import made_of
from i3_pyserini.formats.records import MANIFEST
from i3_pyserini.formats.vector_files import FILES
from i3_pyserini.formats.yaml_files import parse_yaml
from i3_pyserini.search.fusion_file import read_fusion
from i3_pyserini.search.speed import read_queries_per_second
from i3_pyserini.train.recipe_file import load_recipe
from tests.fuzz.target import Target, fixed

RENAMED = frozenset({"l2_norm", "max_length", "prefix", "format"})  # of older manifests
CHANGED = frozenset({"normalize", "passage_length", "passage_prompt", "prompt_behind_title"})
DATA = {"collection": "corpus", "queries": "topics.tsv", "qrels": "qrels.txt"}
FILE = {"size": 3, "sha256": "ab", "source": "s", "licence": "l", "mine": [1]}
CATALOG = {
    "about": "b",
    "terms": "t",
    "groups": {"g": "h"},
    "files": [{"path": "a", "group": "g", "licence": "l", "purpose": "p", "url": "https://x/a"}],
}


def _json(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def _yaml(**fields: object) -> bytes:
    return yaml.safe_dump(fields).encode()


def lost(before: Any, after: Any, place: str = "") -> list[str]:
    """Values of a JSON object that are not in another one; null and empty ones may be absent."""
    if isinstance(before, dict) and isinstance(after, dict):
        older = RENAMED & before.keys()
        skipped = RENAMED | (CHANGED if older else frozenset())
        return [
            found
            for key, value in before.items()
            if key not in skipped and value not in (None, {})
            for found in lost(value, after.get(key), f"{place}.{key}")
        ]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = zip(before, after, strict=True)
        return [found for one, other in pairs for found in lost(one, other, f"{place}[]")]
    if before in (None, {}) and after is None:
        return []
    if isinstance(before, float) and before != before:  # noqa: PLR0124  (nan)
        return []
    same = before == after and isinstance(before, bool) == isinstance(after, bool)
    return [] if same else [f"{place}: {before!r:.60} -> {after!r:.60}"]


def _manifest(path: Path) -> object:
    found = read_manifest(path.parent)
    written = found.to_json()
    assert not (gone := lost(json.loads(path.read_bytes()), written)), gone
    found.write(path.parent)
    assert read_manifest(path.parent).to_json() == written, "not the same again"
    return found


def _shard(path: Path) -> object:
    for name in FILES["faiss"]:  # only whether they are there is looked at
        (path.parent / name).touch()
    found = load_shard(path.parent)
    assert found.shard.number > 1 and 0 <= found.shard.id < found.shard.number, found.shard
    return found


def _shards() -> list[bytes]:
    encoder = EncoderRecord(kind="auto", name="m", dimension=3)
    manifest = IndexManifest(
        version="0.1.0",
        encoder=encoder,
        corpus=CorpusRecord(name="c", passages=4),
        shard=ShardRecord(id=0, number=2),
        store_dtype="float32",
        kind="faiss",
        passages=2,
        dimension=3,
    )
    with tempfile.TemporaryDirectory() as folder:
        manifest.write(Path(folder))
        return [Path(folder, MANIFEST).read_bytes()]


def _data_folder(path: Path) -> object:
    """Every file that is recorded is checked; what is saved again says the same."""
    found = Manifest.load(path.parent)
    own = json.loads(path.read_bytes())
    assert list(found.files) == list(own["files"]), "files"
    states = dict(found.check())
    assert states.keys() == found.files.keys() and "ok" not in states.values(), states
    assert named_collection(path.parent) == own.get("collection"), "collection"
    for name, record in own["files"].items():
        read = found.files[name]
        kept = {"size": read.size, "sha256": read.sha256, "source": read.source, **read.extra}
        kept |= {"licence": read.licence, "collection": read.collection, "part_of": read.part_of}
        made = record.pop("made", None)
        assert (made is None) == (read.made is None), "a mark was lost"
        given = {key: value for key, value in record.items() if value is not None}
        assert not (gone := lost(given, kept)), gone
        if "/" not in name and read.made is not None:
            assert made_of(path.parent / name) is not None, "a mark was lost"
    return found


def _recipe(path: Path) -> object:
    found = load_recipe(path)
    own = parse_yaml(path.read_text(encoding="utf-8"), "")
    assert not (gone := _unread(own, found)), gone
    again = path.with_name("again.yaml")
    again.write_text(found.as_yaml(), encoding="utf-8")
    assert load_recipe(again) == found, "not the same again"
    return found


def _unread(given: Mapping[str, Any], model: BaseModel, place: str = "") -> list[str]:
    """Keys of a file that a model lacks; all known ones have their values."""
    gone: list[str] = []
    for key, value in given.items():
        own = getattr(model, str(key), None)
        known = {**type(model).model_fields, **(model.model_extra or {})}
        if key not in known:
            gone.append(f"{place}{key}")
        elif isinstance(own, BaseModel) and isinstance(value, dict):
            gone += _unread(value, own, f"{place}{key}.")
        elif isinstance(value, str | int | float) and isinstance(own, str | int | float):
            same = str(own) == str(value) or own == value or float(own) == float(value)
            gone += [] if same else [f"{place}{key}: {value!r} -> {own!r}"]
    return gone


def _plan(path: Path) -> object:
    found = load_plan(path, {})
    own = parse_yaml(path.read_text(encoding="utf-8"), "")
    assert isinstance(found, Plan) and list(found.steps) == list(own["steps"]), "steps"
    for step in choose_steps(found, []):
        expected = len(own["steps"][step]["commands"]) * len(own["steps"][step].get("each") or [1])
        made = list(commands(found, step)) if "{" not in path.read_text("utf-8") else None
        assert made is None or len(made) == expected, "commands were lost"
    return found


def _catalog(path: Path) -> object:
    found = load_catalog(path)
    own = json.loads(path.read_bytes())
    assert list(found) == list(own), "data sets"
    for name, one in found.items():
        assert len(one.files) == len(own[name]["files"]), "files"
        for file in one.files:
            inside = Path(file.path)
            assert not inside.is_absolute() and ".." not in inside.parts, f"{inside} is outside"
    return found


def _fusion(path: Path) -> object:
    found = read_fusion(path)
    own = json.loads(path.read_bytes())
    assert list(found.fusion.weights) == [float(one) for one in own["weights"]], "weights"
    assert found.fusion.method == own["method"] and found.fusion.k == float(own["k"])
    assert found.fusion.k >= 0, found.fusion.k
    return found


def _speed(path: Path) -> object:
    found = read_queries_per_second(path)
    assert found is not None and found > 0, found
    return found


def _journal(path: Path) -> object:
    """Whole lines are kept, a torn one is not; other settings are refused."""
    output = path.parent / "out.jsonl"
    with open_journal(output, {"a": 1}) as journal:
        journal.append("kept\n")
    content = path.read_bytes()
    partial = output.with_name(f".{output.name}.partial")
    partial.write_bytes(content)
    with open_journal(output, {"a": 1}) as journal:
        whole = content[: content.rfind(b"\n") + 1]
        lines = list(journal.lines())
        assert b"".join(lines) == whole, "other lines"
        journal.cut(len(whole))
        journal.append("more\n")
        journal.finish()
    assert output.read_bytes() == whole + b"more\n", "other lines"
    assert not partial.exists(), "left behind"
    return lines


def _yaml_file(path: Path) -> object:
    """As JSON: nothing else comes of it, and no reference grows."""
    found = parse_yaml(path.read_text(encoding="utf-8", errors="replace"), str(path), as_json=True)
    size = len(json.dumps(found, default=_refuse))
    assert size <= 40 * (1 + path.stat().st_size), f"{size} of {path.stat().st_size}"
    return found


def _refuse(value: object) -> object:
    raise AssertionError(f"YAML made a {type(value).__name__}")


STEPS = {"one": {"about": "b", "commands": [{"run": "echo a"}, {"run": "b", "makes": "c"}]}}
TARGETS = [
    Target(
        "index-manifest",
        MANIFEST,
        _manifest,
        lambda: [
            *_shards(),
            _json(version="0.1.0", encoder={"name": "m"}, titles=True, mine={"a": [1]}),
            _json(format=1, model={"class": "auto", "l2_norm": True, "prefix": "p"}),
        ],
        fixed(
            b"[]",
            b'{"format": 9}',
            b'{"titles": 1}',
            b'{"model": {"cut": "x"}}',
            b'{"passages": true}',
        ),
    ),
    Target("shard", MANIFEST, _shard, _shards, fixed(_json(i3_pyserini="1"), b"{}")),
    Target(
        "data-manifest",
        MANIFEST,
        _data_folder,
        lambda: [
            _json(
                dataset="d",
                collection="c",
                files={"a": FILE, "corpus/b": FILE},
                metadata={"p": "text"},
            )
        ],
        fixed(b"{}", _json(dataset="d"), _json(dataset="d", files={"a": {"size": "3"}})),
    ),
    Target(
        "recipe",
        "recipe.yaml",
        _recipe,
        lambda: [
            _yaml(output="out", model={"init": "x"}, data=DATA, loss={"temperature": 0.1}),
            _yaml(
                output="o",
                model={"init": "x", "pooling": "mean"},
                data=DATA,
                training={"max_steps": 9},
            ),
        ],
        fixed(
            b"[]",
            _yaml(output="out", model={"init": "x"}, data=DATA, lost=1),
            _yaml(output="out", model={"init": "x"}, data=DATA, loss={"temperatur": 1}),
            _yaml(output="out", model={"init": "x"}, data=DATA, loss={"temperature": -1}),
            b"a: !!python/object/apply:os.mkdir [x]",
            *(b"output: 2020-13-01", b"output: !!bool x", b"a: " + b"[" * 9999, b"a: *b", b"\xff"),
        ),
    ),
    Target(
        "plan",
        "plan.yaml",
        _plan,
        lambda: [_yaml(about="a", settings={"a": "c"}, steps=STEPS)],
        fixed(
            b"a",
            _yaml(about="a", steps={"one": {"about": "b"}}),
            _yaml(about="a", steps=STEPS, x=1),
            _yaml(about="a", steps={"one": {"about": "b", "commands": [{"run": "echo \\"}]}}),
        ),
    ),
    Target(
        "catalog",
        "catalog.json",
        _catalog,
        lambda: [_json(a=CATALOG)],
        lambda: (
            [
                _json(a={**CATALOG, "files": [{**CATALOG["files"][0], "path": path}]})  # type: ignore[index]  # of JSON
                for path in ("/a", "../a", "b/../../a")
            ]
            + [b"[" * 100_000]
        ),
    ),
    Target(
        "fusion",
        "fusion.json",
        _fusion,
        lambda: [
            _json(
                method="rrf", weights=[1, 0.5], k=60, normalization="none", tuned={"queries": ["q"]}
            )
        ],
        fixed(
            *(b"[]", b"{}"),
            *(
                _json(
                    **{"method": "rrf", "weights": [1], "k": 60, "normalization": "none", **wrong}
                )
                for wrong in ({"method": "x"}, {"k": 10**400}, {"weights": [10**400]})
            ),
            _json(method="rrf", weights=[1], k=60, normalization="x" * 100_000),
        ),
    ),
    Target("speed", "speed.json", _speed, lambda: [_json(queries_per_second=12.5)], fixed(b"{}")),
    Target("journal", "lines", _journal, fixed(b"a\nb\n", b"a\nb", b"")),
    Target(
        "yaml",
        "a.yaml",
        _yaml_file,
        fixed(b"a: [1, 2.5, true, null]\nb: {c: '2020-01-01', d: 2020-01-01}\n"),
        fixed(
            b"a: &a [1]\nb: *a\n",
            b"!!binary aGk=",
            b"!!set {a}",
            b"!!bool x",
            b"!!int x",
            b"[" * 9999,
            b"a: [",
            b"!!timestamp 2020-01-01",
        ),
    ),
]
