"""Plans: their form, their runner, and the original's five steps on a small MS MARCO of our own.

The five steps run as the plan `msmarco` has them, on files of MS MARCO's form and
names that a server here serves; only sizes are others.
"""

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini import I3Retriever, I3Tokenizer
from i3_pyserini.data.candidates import TeacherFile
from i3_pyserini.data.queries import read_positives
from i3_pyserini.errors import I3Error
from i3_pyserini.eval.evaluation import evaluate_run
from i3_pyserini.experiments.demo.collection import write_collection
from i3_pyserini.experiments.plan import commands, load_plan
from i3_pyserini.experiments.runner import run_plan
from i3_pyserini.formats.measures import choose_measures
from i3_pyserini.formats.qrels import read_qrels
from i3_pyserini.formats.runs import read_run
from i3_pyserini.model.original import save_original
from i3_pyserini.shipped import RECIPES, shipped
from i3_pyserini.stock.java import find_java
from tests.conftest import Done, Run
from tests.data.get.conftest import tar
from tests.data.server import Site, serving
from tests.train.task import LETTERS, SIZE, query

ROOT = Path(__file__).parents[1]
PLANS = [RECIPES / "plans" / f"{name}.yaml" for name in ("msmarco", "nfcorpus")]
SMALL = (
    "--training.batch_size=4 --training.passages_per_query=3 --training.chunk_passages=null "
    "--training.precision=fp32 --training.epochs=1 --training.workers=0 --training.max_steps=2"
)


def write_plan(folder: Path, text: str) -> Path:
    path = folder / "plan.yaml"
    path.write_text(text, encoding="utf-8")
    return path


PLAN = f"""
about: a test
settings: {{word: one}}
steps:
  first:
    about: writes a word
    commands:
      - run: {sys.executable} -c "open('{{out}}', 'w').write('{{word}}')"
        makes: made/{{word}}.txt
  second:
    about: repeats
    each: [{{name: a}}, {{name: b}}]
    commands:
      - run: {sys.executable} -c "open('log', 'a').write('{{name}} {{word}};')"
"""


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_plan(tmp_path, PLAN)


def test_steps_run_in_order_and_what_is_made_is_not_made_again(plan: Path, tmp_path: Path) -> None:
    run_plan(load_plan(plan, {}), [])
    made = tmp_path / "made" / "one.txt"
    assert made.read_text(encoding="utf-8") == "one"
    assert (tmp_path / "log").read_text(encoding="utf-8") == "a one;b one;"
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["one.txt"]
    made.write_text("kept", encoding="utf-8")
    run_plan(load_plan(plan, {}), ["first"])
    assert made.read_text(encoding="utf-8") == "kept"


def test_a_dry_run_prints_real_paths_and_runs_nothing(
    plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_plan(load_plan(plan, {"word": "two"}), [], dry_run=True)
    said = capsys.readouterr().out
    assert "made/two.txt" in said
    assert ".partial" not in said
    assert "{" not in said
    assert not (tmp_path / "made").exists()


def test_half_a_file_never_has_the_final_name(plan: Path, tmp_path: Path) -> None:
    text = plan.read_text(encoding="utf-8").replace(
        ".write('{word}')", ".write('{word}'); raise SystemExit(3)"
    )
    with pytest.raises(I3Error, match=r"step first: .*exit code 3"):
        run_plan(load_plan(write_plan(tmp_path, text), {}), [])
    assert not (tmp_path / "made" / "one.txt").exists()
    assert not (tmp_path / "log").exists()


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("{word}.txt", "{other}.txt", "names an unknown setting"),
        ("about: a test", "abut: a test", "not a plan"),
        ("about: a test", "about: [", "not valid YAML"),
    ],
)
def test_mistakes_in_a_plan_are_named(
    plan: Path, tmp_path: Path, before: str, after: str, said: str
) -> None:
    path = write_plan(tmp_path, plan.read_text(encoding="utf-8").replace(before, after))
    with pytest.raises(I3Error, match=said):
        run_plan(load_plan(path, {}), [])


def test_settings_stay_one_word_and_flags_become_several(tmp_path: Path) -> None:
    text = """
about: a test
settings: {name: it's mine, folder: "runs/{name}/x"}
flags: {more: "--a 'b c' --d"}
steps:
  only: {about: prints, commands: [{run: "echo --name {name} --to={folder} {more}"}]}
"""
    plan = load_plan(write_plan(tmp_path, text), {})
    (command,) = commands(plan, "only")
    assert command.words == (
        *("echo", "--name", "it's mine", "--to=runs/it's mine/x", "--a", "b c", "--d"),
    )
    (changed,) = commands(load_plan(tmp_path / "plan.yaml", {"more": "", "name": "n"}), "only")
    assert changed.words == ("echo", "--name", "n", "--to=runs/n/x")


def test_unknown_steps_and_settings_are_named(plan: Path) -> None:
    with pytest.raises(I3Error, match="no step 'third'; the plan has first, second"):
        run_plan(load_plan(plan, {}), ["third"])
    with pytest.raises(I3Error, match="no setting 'wrd'; it has word"):
        load_plan(plan, {"wrd": "x"})


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_every_plan_shipped_can_be_printed_and_its_recipes_exist(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    run_plan(load_plan(path, {}), [], dry_run=True)
    words = capsys.readouterr().out.split()
    recipes = [after for word, after in itertools.pairwise(words) if word == "train"]
    assert recipes and set(recipes) <= set(shipped("recipe"))


@pytest.fixture
def site(
    tiny_bert: str, tiny_model: tuple[I3Retriever, I3Tokenizer], tmp_path: Path
) -> Iterator[Site]:
    """The data set's files by their real names, 21 passages large."""
    checkpoint = tmp_path / "checkpoint.p"
    save_original(tiny_model[0], checkpoint)
    backbone = {file.name: file.read_bytes() for file in Path(tiny_bert).iterdir()}
    texts = "".join(f"{n}\t{letters}\n" for n, letters in enumerate(LETTERS))
    queries = "".join(f"{100 + n}\t{query(n)}\n" for n in range(SIZE))
    qrels = "".join(f"{100 + n} 0 {n} 1\n" for n in range(SIZE))
    graded = qrels.replace(" 1\n", " 2\n")  # TREC Deep Learning counts from 2 on
    official = {
        "collection.tsv": texts,
        "queries.train.tsv": queries,
        "queries.dev.small.tsv": queries,
        "qrels.train.tsv": qrels,
        "qrels.dev.small.tsv": qrels,
    }
    teacher = [
        {
            "query": query(n),
            "positives": {"doc_id": [n], "score": [9.0]},
            "negatives": {"doc_id": [(n + 1) % SIZE, (n + 5) % SIZE], "score": [2.0, 1.0]},
        }
        for n in range(SIZE)
    ]
    original = {
        "marco/train.query.txt": queries,
        "marco/dev.query.txt": queries,
        "marco/qrels.tsv": "".join(f"{100 + n}\t{n}\n" for n in range(SIZE)),
        "train_negs.tsv": "".join(
            f"{100 + n}\t{(n + 1) % SIZE},{(n + 5) % SIZE},{(n + 2) % SIZE}\n" for n in range(SIZE)
        ),
        "kd_train.jsonl": "".join(json.dumps(line) + "\n" for line in teacher),
    }
    import gzip

    files = {
        "/collectionandqueries.tar.gz": tar(official),
        "/marco.tar.gz": tar({"marco/para.txt": texts, "marco/para.title.txt": "0\tna\n"}),
        "/msmarco-test2019-queries.tsv.gz": gzip.compress(queries.encode()),
        "/msmarco-test2020-queries.tsv.gz": gzip.compress(queries.encode()),
        "/2019qrels-pass.txt": graded.encode(),
        "/2020qrels-pass.txt": graded.encode(),
    }
    repositories = {
        "datasets/qian/III-Retriever": {name: text.encode() for name, text in original.items()}
        | {name: checkpoint.read_bytes() for name in ("III_finetuned.p", "III_distilled.p")},
        "models/Shitao/RetroMAE_MSMARCO_finetune": backbone,
        "models/Shitao/RetroMAE_MSMARCO_distill": backbone,
    }
    with serving(Site(files, repositories)) as running:
        yield running


def small_catalog(site: Site, folder: Path) -> Path:
    """The package's catalogue, with this server's addresses and without MS MARCO's sizes."""
    catalog: dict[str, Any] = json.loads(
        (ROOT / "i3_pyserini/data/catalog.json").read_text(encoding="utf-8")
    )
    for file in catalog["msmarco-passage"]["files"]:
        for key in ("size", "about_size", "md5", "lines", "ir_datasets"):
            file.pop(key, None)
        if "url" in file:
            file["url"] = f"{site.url}/{file['url'].rsplit('/', 1)[1]}"
    path = folder / "catalog.json"
    path.write_text(json.dumps(catalog), encoding="utf-8")
    return path


@pytest.mark.slow
def test_the_five_steps_run_on_a_small_ms_marco(
    site: Site, tmp_path: Path, run_reproduce: Run
) -> None:
    if find_java()[0] is None:
        pytest.skip("stock search needs Java: pip install 'i3-pyserini[java]'")
    settings = [
        *("launch=python", "size=-1gpu", "threads=1"),
        f"get=--catalog {small_catalog(site, tmp_path)}",
        *("encode=--batch-size 8 --device cpu", f"train={SMALL}"),
    ]
    steps = ("data", "train", "distil", "evaluate")
    plan = "msmarco"
    done = run_reproduce(tmp_path, site, plan, *steps, "--values", *settings)
    assert done.returncode == 0, done.stdout + done.stderr
    for model in ("msmarco-contrastive", "msmarco-distil"):
        assert (tmp_path / "runs" / model / "best" / "config.json").exists()
        card = (tmp_path / "runs" / model / "best" / "README.md").read_text(encoding="utf-8")
        assert "msmarco-passage-titled" in card
    for model in ("III_finetuned", "III_distilled"):
        for name in ("dev", "dl19", "dl20"):
            run = tmp_path / "runs" / f"run.{model}.{name}.txt"
            lines = run.read_text(encoding="utf-8").splitlines()
            assert len(lines) == SIZE * SIZE
    assert done.stdout.count("run.III_distilled.") >= 6
    assert done.stdout.count("collection: msmarco-passage-titled (21 passages)") == 6
    again = run_reproduce(tmp_path, site, plan, *steps[1:3], "--values", *settings)
    assert again.returncode == 0
    assert again.stdout.count("  done: runs/") == 4


@pytest.mark.slow
def test_the_complete_loop_runs_on_a_small_collection(
    minilm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan of docs/tutorials/own-collection.md, with real weights and text, in a few steps."""
    if find_java()[0] is None:
        pytest.skip("stock search needs Java: pip install 'i3-pyserini[java]'")
    source = some_docstrings(tmp_path / "source")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # for benchmarks.teacher
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    settings = {
        "source": str(source),
        "name": "small",
        "backbone": minilm,
        "train": "--training.max_steps=3 --training.batch_size=8 --training.workers=0",
        "mine": "--depth 1-20 --per-query 4",
        "teach": "--steps 3 --batch-size 8 --max-length 64",
        "score": "--max-length 64 --max-positives 2",
    }
    run_plan(load_plan("nfcorpus", settings), [])
    runs = tmp_path / "runs" / "small"
    card = (runs / "distil" / "last" / "README.md").read_text(encoding="utf-8")
    assert "| collection | small |" in card
    positives = read_positives(tmp_path / "data" / "small" / "qrels.train.txt")
    scored = list(TeacherFile(runs / "kd_train.jsonl"))
    mined = list((runs / "train_negs.tsv").read_text(encoding="utf-8").splitlines())
    assert len(scored) == len(mined) == len(positives)
    for one, line in zip(scored, mined, strict=True):
        qid, pids = line.split("\t")
        assert one.negatives == pids.split(",")
        assert not set(one.negatives) & set(positives[qid])
        assert len(set(one.negative_scores or [])) > 1
    measures, _ = choose_measures(["RR@10"])
    qrels = read_qrels(str(tmp_path / "data" / "small" / "qrels.test.txt"))
    for name in ("bm25", "backbone", "contrastive", "distil"):
        evaluation = evaluate_run(qrels, read_run(runs / f"run.{name}.txt"), measures)
        assert evaluation.means["RR@10"] > 0.3  # a random ranking has about 0.03


def some_docstrings(folder: Path) -> Path:
    """A hundred passages of the demo's collection, with 40 queries to train with and 20 for test.

    Queries of `train` and `test` are different passages' summary lines.
    """
    write_collection(folder / "all", ("stdlib",))
    splits = {"train": 40, "test": 20}
    topics: dict[str, list[str]] = {}
    for split, count in splits.items():
        file = folder / "all" / f"topics.{split}.tsv"
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        topics[split] = lines[:count]
        (folder / f"topics.{split}.tsv").write_text("".join(topics[split]), encoding="utf-8")
        qids = [line.split("\t")[0] for line in topics[split]]
        (folder / f"qrels.{split}.txt").write_text(
            "".join(f"{q} 0 {q} 1\n" for q in qids), encoding="utf-8"
        )
    wanted = {line.split("\t")[0] for lines in topics.values() for line in lines}
    (folder / "corpus").mkdir()
    with (folder / "corpus" / "corpus.jsonl").open("w", encoding="utf-8") as corpus:
        others = 0
        whole = folder / "all" / "corpus" / "corpus.jsonl"
        for line in whole.read_text(encoding="utf-8").splitlines(True):
            is_wanted = json.loads(line)["id"] in wanted
            if is_wanted or others < 40:
                corpus.write(line)
                others += not is_wanted
    return folder


@pytest.fixture
def run_reproduce() -> Run:
    def run(folder: Path, site: Site, *args: object) -> Done:
        environment = {**os.environ, "HF_ENDPOINT": site.url, "HF_HUB_DISABLE_XET": "1"}
        environment |= {"OMP_NUM_THREADS": "1", "IR_DATASETS_HOME": str(folder / "none")}
        return subprocess.run(
            [sys.executable, "-m", "i3_pyserini", "experiment", "steps", *map(str, args)],
            cwd=folder,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )

    return run
