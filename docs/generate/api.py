"""The page of the Python API: public names, described by their docstrings."""

import inspect
from importlib import import_module

PACKAGE = "i3_pyserini"
# Packages with public names of their own.
EXPORTING = ("encode", "search", "eval", "data", "serve", "integrations")
# Names that no package exports: functions of commands and of these pages' examples, and what
# functions take and give. A type that is missing here is an error of `make site`.
OTHERS = {
    "data": (
        "check.Checked",
        "dropping.WithoutLeaks",
        "get.Complete",
        "get.Listing",
        "language_model.LanguageModel",
        "pair_import.ImportedPairs",
        "pairs.clicks.ClickRule",
        "pairs.columns.PairColumns",
        "split.Split",
    ),
    "doctor": (
        "Diagnosis",
        "Finding",
        "diagnose",
    ),
    "encode": (
        "encoders.I3QueryEncoder",
        "flags.ChunkOptions",
        "flags.QueryFlags",
        "indexes.Verified",
    ),
    "eval": ("provider.with_ranks",),
    "experiments": (
        "commands.ExperimentScores",
        "commands.Experiments",
        "commands.list_experiments",
        "commands.run_demo",
        "commands.run_experiment",
        "commands.run_plan_steps",
        "compared.Agreement",
        "compared.Compared",
        "compared.Comparison",
        "costs.Cost",
        "demo.collection.Docstring",
        "demo.collection.collect_docstrings",
        "demo.collection.write_collection",
    ),
    "formats": (
        "chunks.ChunksRecord",
        "corpus_options.CorpusOptions",
        "docids.IdFile",
        "index.BuiltRecord",
        "index.CorpusRecord",
        "index.EncoderRecord",
        "index.IndexManifest",
        "index.ShardRecord",
        "index.SourceRecord",
        "index.TrainingRecord",
        "index.TunedRecord",
        "index.UpdateRecord",
        "index_directory.IndexDirectory",
        "parts.Block",
        "paths.TrainedModel",
        "paths.Written",
        "paths.WrittenRun",
        "qrels.as_pandas",
        "qrels.read_qrels",
        "runs.Order",
        "runs.Run",
        "runs.read_run",
        "tables.Table",
        "topics.read_topics",
        "vector_files.Shape",
        "windows.Windowing",
    ),
    "integrations": (
        "loading.Loaded",
        "mteb.IndexSearch",
        "mteb.Model",
        "mteb.load_model",
        "mteb.make_task",
        "mteb.open_index",
        "pyterrier.Encoder",
        "pyterrier.Index",
        "pyterrier.Indexer",
        "pyterrier.Retriever",
        "pyterrier_encoders.DocEncoder",
        "pyterrier_encoders.QueryEncoder",
        "pyterrier_encoders.Reranker",
        "sentence_transformers.load",
        "sentence_transformers_loss.I3Loss",
    ),
    "model": (
        "convert.convert_model",
        "explain.Explanation",
        "explain.explain_passage",
        "modules.I3Output",
        "modules.PassageEncoding",
        "settings.DenseLayer",
        "settings.EncoderSettings",
        "texts.PassageTemplate",
        "texts.TokenIds",
    ),
    "search": (
        "index.advise.Advice",
        "index.advise.Estimate",
        "index.results.Trial",
        "index.results.Tuned",
    ),
    "stock": ("offline.allow_no_network",),
}


def api() -> str:
    """A section for the names of the top level, and one for each package below it."""
    return "\n".join(
        f"## {package}\n\n```{{eval-rst}}\n{''.join(map(_entry, names))}```\n"
        for package, names in names_by_package().items()
    )


def names_by_package() -> dict[str, list[str]]:
    """The full names on the page; what several packages export is under the first."""
    found = {PACKAGE: [f"{PACKAGE}.{name}" for name in _exported(PACKAGE)]}
    known = {id(object_of(name)) for name in found[PACKAGE]}
    for part in sorted({*EXPORTING, *OTHERS}):
        package = f"{PACKAGE}.{part}"
        names = [f"{package}.{name}" for name in (_exported(package) if part in EXPORTING else ())]
        names += [f"{package}.{name}" for name in OTHERS.get(part, ())]
        found[package] = [name for name in names if id(object_of(name)) not in known]
    return found


def object_of(name: str) -> object:
    """What a full name stands for."""
    module, _, attribute = name.rpartition(".")
    return getattr(import_module(module), attribute)


def _exported(module: str) -> list[str]:
    return [name for name in import_module(module).__all__ if name != "__version__"]


def _entry(name: str) -> str:
    """The directive that describes a function, or a class with its public methods."""
    one = object_of(name)
    if inspect.isclass(one):
        fields = ", ".join(getattr(one, "_fields", ()))  # of a NamedTuple: the docstring has them
        return f".. autoclass:: {name}\n   :members:\n   :exclude-members: {fields}\n\n"
    return f".. autofunction:: {name}\n\n"
