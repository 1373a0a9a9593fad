"""The command line: a table of public functions. `i3-pyserini NAME …` calls one of them."""

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Literal, NamedTuple

from i3_pyserini import __version__
from i3_pyserini.errors import I3Error, run_command

PROGRAM = "i3-pyserini"


class Command(NamedTuple):
    """A command.

    Attributes:
        function: "MODULE:FUNCTION" in the package; its signature defines the options.
        purpose: its line in the list of commands.
    """

    function: str
    purpose: str


COMMANDS = {
    "encode": Command("encode.corpus:encode_corpus", "encode a corpus into an index"),
    "encode-topics": Command(
        "encode.topics:encode_topics", "encode topics once, for several searches"
    ),
    "search": Command("search.topics:search_topics", "search an index for topics"),
    "bm25": Command("search.bm25:search_bm25", "search a corpus with BM25, optionally tuned"),
    "fuse": Command("search.fuse:fuse_runs", "fuse runs, with weights tuned on dev queries"),
    "rerank": Command(
        "search.rerank:rerank_run", "rerank the first hits of a run with a cross-encoder"
    ),
    "documents": Command(
        "search.run_documents:rank_documents", "rank the documents of a run of windows"
    ),
    "eval": Command("eval.runs:evaluate", "evaluate runs and compare them with a baseline"),
    "diff": Command("eval.diff:diff_runs", "show the queries that differ most between two runs"),
    "report": Command(
        "eval.report.write:write_report", "write a page with tables and figures of runs"
    ),
    "train": Command("train.train_model:train_model", "train a model with a recipe"),
    "compare": Command(
        "experiments.compare:compare",
        "compare BM25, a backbone, a dual encoder and I³ on your data",
    ),
    "serve": Command("serve.server:serve_index", "serve a web page to search an index"),
    "demo": Command("experiments.commands:run_demo", "run a complete example, offline"),
    "doctor": Command("doctor:diagnose", "check this machine, models and indexes"),
    "completion": Command("cli:print_completion", "print a shell completion script"),
    "eval pool": Command("eval.pool:pool_runs", "write the first passages of runs, to judge them"),
    "eval pool-qrels": Command(
        "eval.pool:pool_qrels", "write the levels of a judged pool as qrels"
    ),
    "model create": Command(
        "encode.encoder:create", "create an I³ model that ranks like its backbone until trained"
    ),
    "model convert": Command(
        "model.convert:convert_model", "convert an original .p checkpoint, or convert back"
    ),
    "model export": Command(
        "integrations.onnx:export_model", "export a model as ONNX files, which need no torch"
    ),
    "model explain": Command(
        "model.explain:explain_passage", "print the pseudo-query words of a passage"
    ),
    "index estimate": Command(
        "encode.corpus:estimate_encoding", "estimate hours, disk and memory for encoding"
    ),
    "index import": Command("encode.indexes:import_vectors", "import your own vectors as an index"),
    "index export": Command(
        "encode.indexes:export_index",
        "export vectors with titles, texts and metadata: JSONL, NumPy, Parquet, FlexIndex",
    ),
    "index merge": Command("encode.indexes:merge_shards", "merge shards into one index"),
    "index verify": Command(
        "encode.indexes:verify_index", "check an index and encode a sample again"
    ),
    "index build": Command(
        "search.index.approximate:build_index", "build an approximate index from vectors"
    ),
    "index tune": Command(
        "search.index.approximate:tune_index",
        "find the fastest search parameters for a target recall",
    ),
    "index advise": Command("search.index.advise:advise_index", "recommend an index type"),
    "index lucene": Command(
        "search.lucene:build_lucene_index",
        "index vectors with Lucene, for stock dense search",
    ),
    "index lucene-topics": Command(
        "search.lucene:write_lucene_topics", "write encoded queries for stock dense search"
    ),
    "index load": Command("integrations.loading:load_index", "load an index into a vector engine"),
    "data list": Command("data.get:list_data", "list the published data sets or the files of one"),
    "data get": Command("data.get:get_data", "download and prepare a published data set"),
    "data check": Command(
        "data.check:check_collection", "verify a folder of data, and find leaks between its splits"
    ),
    "data import": Command(
        "data.importing:import_collection",
        "import a collection: BEIR, ir_datasets, Hugging Face, files",
    ),
    "data pairs": Command(
        "data.pair_import:import_pairs", "import pairs, triplets, scores or clicks to train on"
    ),
    "data split": Command("data.split:split_queries", "split queries into dev and train"),
    "data chunk": Command("data.chunk:chunk_corpus", "cut long documents into windows"),
    "data queries": Command("data.make:make_queries", "make training queries from passages"),
    "data filter-queries": Command(
        "data.round_trip:filter_queries", "keep queries that lead back to their passage"
    ),
    "data drop-leaks": Command(
        "data.dropping:drop_leaks", "drop training queries that a test has nearly word for word"
    ),
    "data mine": Command("data.mine:mine_negatives", "mine hard negatives from a run or an index"),
    "data score": Command("data.score:score_pairs", "score pairs with a cross-encoder"),
    "experiment list": Command(
        "experiments.commands:list_experiments", "list named experiments and their requirements"
    ),
    "experiment run": Command(
        "experiments.commands:run_experiment", "run an experiment and compare its scores"
    ),
    "experiment steps": Command("experiments.commands:run_plan_steps", "run the steps of a plan"),
}


def program() -> None:
    """The console script: runs the named command and exits."""
    run_command(main)


def main() -> None:
    """Runs the command named on the command line.

    Raises:
        I3Error: see `run`.
    """
    run(sys.argv[1:])


def run(words: Sequence[str]) -> None:
    """Runs a command and prints its result.

    Args:
        words: the command's name, one word or two, and its arguments.

    Raises:
        I3Error: the command is unknown or the arguments are invalid.
    """
    if not words or words[0] in ("-h", "--help"):
        print(overview())
    elif words[0] == "--version":
        print(f"{PROGRAM} {__version__}")
    elif len(words) > 1 and words[0] in _only_groups() and words[1] in ("-h", "--help"):
        print(overview(words[0]))
    else:
        name = find(words)
        from i3_pyserini.command import call  # noqa: PLC0415  (a list needs no parser)

        call(f"{PROGRAM} {name}", COMMANDS[name].function, words[len(name.split()) :])


def find(words: Sequence[str]) -> str:
    """The name of the command at the beginning of a command line.

    Raises:
        I3Error: it is unknown; the message suggests similar names.
    """
    for length in (2, 1):
        name = " ".join(words[:length])
        if name in COMMANDS:
            return name
    group = words[0] in groups()
    if group and len(words) == 1:
        raise I3Error(f"{words[0]}: which command? {', '.join(_members(words[0]))}")
    known = _members(words[0]) if group else [*COMMANDS, *groups()]
    wanted = words[1] if group else " ".join(words[:1])
    close = get_close_matches(wanted, known, n=3, cutoff=0.5) or [wanted] * (wanted in COMMANDS)
    advice = f"did you mean {' or '.join(close)}?" if close else f"see {PROGRAM} --help"
    raise I3Error(f"{' '.join(words[: 1 + group])}: no such command; {advice}")


def print_completion(shell: Literal["bash", "zsh", "fish"]) -> str:
    """Prints a script for shell completion of commands and options.

    For bash: `source <(i3-pyserini completion bash)`.

    Args:
        shell: which shell.

    Returns:
        The script.
    """
    from i3_pyserini.command import completion  # noqa: PLC0415  (a list needs no parser)

    functions = {name: command.function for name, command in COMMANDS.items()}
    return completion(PROGRAM, functions, shell)


def groups() -> list[str]:
    """The first words of all commands that consist of two words."""
    return list(dict.fromkeys(name.split(" ")[0] for name in COMMANDS if " " in name))


def _only_groups() -> set[str]:
    """First words that are no commands themselves, as `eval` is."""
    return {*groups()} - {*COMMANDS}


def overview(group: str | None = None) -> str:
    """The list of commands, or of the commands of a group."""
    names = [name for name in COMMANDS if group is None or name.startswith(f"{group} ")]
    width = max(map(len, names))
    lines = [f"{PROGRAM} {__version__}. Every command has --help and is also a Python function."]
    last = None
    for name in names:
        first = name.split(" ")[0] if " " in name else ""
        lines += [""] if first != last else []
        lines.append(f"  {name:<{width}}  {COMMANDS[name].purpose}")
        last = first
    return "\n".join(lines)


def _members(group: str) -> list[str]:
    return [name.removeprefix(f"{group} ") for name in COMMANDS if name.startswith(f"{group} ")]
