"""The model card in a model directory."""

import platform
from importlib.metadata import version
from pathlib import Path

from huggingface_hub import EvalResult, ModelCardData

from i3_pyserini import __version__
from i3_pyserini.formats.made import made_among
from i3_pyserini.formats.passages import collection_name
from i3_pyserini.formats.paths import at_revision
from i3_pyserini.model.retriever import I3Retriever
from i3_pyserini.train.checkpoint import Progress
from i3_pyserini.train.recipe import Recipe
from i3_pyserini.train.temperature import LearnedTemperature

LIBRARIES = ("torch", "transformers", "tokenizers", "accelerate", "pytorch-optimizer", "numpy")


def queries_sentence(recipe: Recipe) -> str:
    """Describes the origin of the training queries."""
    data = recipe.data
    name = (data.queries or data.teacher or data.collection).name
    return f"{name}{_origin(data.queries, data.qrels, data.generated_queries)}"


def validation_sentence(recipe: Recipe, progress: Progress) -> str:
    """The best validation, and the queries and passages that it is of."""
    own = recipe.validation
    if progress.best is None or own is None:
        return "not validated"
    return (
        f"{own.measure} {progress.best:.4f} at step {progress.best_step} ({_validated_on(recipe)})"
    )


def _validated_on(recipe: Recipe) -> str:
    """The queries and passages of the validation."""
    own = recipe.validation
    assert own is not None  # noqa: S101  (the callers looked)
    searched = own.pool or own.corpus or recipe.data.collection
    return f"{own.topics.name}{_origin(own.topics, own.qrels)}; {searched.name}"


def _origin(*paths: Path | None) -> str:
    made = made_among(paths)
    return f", {made}, not collected from people" if made else ""


def negatives_sentence(recipe: Recipe, devices: int) -> str:
    """Describes the negatives of a query in one pass."""
    training = recipe.training
    hard = training.passages_per_query - 1
    shared = recipe.negatives.shared
    groups = {"group": 1, "batch": training.batch_size, "devices": training.batch_size * devices}
    others = (groups[shared] - 1) * training.passages_per_query
    if not recipe.loss.compares_batch:
        return f"{hard} candidates per query beside its positive (no contrastive loss)"
    where = {"group": "", "batch": " of this device", "devices": f" of {devices} device(s)"}
    return (
        f"{hard + others:,} negatives per query: {hard} of its own and {others:,} of the other "
        f"queries of the batch{where[shared]}"
        if others
        else f"{hard} negatives per query, all its own"
    )


def reconstructor_sentence(model: I3Retriever, recipe: Recipe, progress: Progress) -> str:
    """Describes the training of the reconstructor."""
    steps = model.config.reconstructor_steps
    if not model.has_reconstructor:
        return "none"
    if not recipe.loss.reconstruction or not progress.step:
        before = {None: "before it is not known", 0: "never before"}
        return f"not trained in this run, {before.get(steps, f'for {steps} steps before')}"
    words = {"query": "the training queries", "generated": "generated queries"}
    here = f"{progress.step:,} steps on {words[recipe.reconstruction.targets]}"
    earlier = (steps or 0) - progress.step
    here += f", after {earlier:,} steps of earlier runs" if earlier else ""
    here += f"; at the last validation, {progress.words}" if progress.words else ""
    return f"trained for {here}"


def metadata(model: I3Retriever, recipe: Recipe, progress: Progress) -> ModelCardData:
    """What the hub and its tools read: library, tags, base model and the best validation.

    The library is sentence-transformers, because it encodes queries and passages with the model;
    transformers alone returns no vectors of texts.

    Args:
        model: the model.
        recipe: the recipe.
        progress: the progress of the run.
    """
    own, init = recipe.validation, str(recipe.model.init)
    results = []
    if progress.best is not None and own is not None:
        results.append(
            EvalResult(
                task_type="information-retrieval",
                dataset_type=_collection(recipe),
                dataset_name=_validated_on(recipe),
                metric_type=own.measure.lower(),
                metric_name=own.measure,
                metric_value=round(float(progress.best), 4),
            )
        )
    return ModelCardData(
        library_name="sentence-transformers",
        pipeline_tag="feature-extraction",
        tags=["sentence-transformers", "dense-retrieval", "pyserini", "i3-retriever"],
        base_model=None if Path(init).exists() else at_revision(init)[0],
        model_name=_kind(model),
        eval_results=results or None,
    )


def _kind(model: I3Retriever) -> str:
    if not model.has_reconstructor:
        return "plain dual encoder"
    config = model.config
    return f"I³ retriever ({config.interaction} architecture, {config.interactor_init} interactor)"


def _stock_queries(model: I3Retriever) -> str:
    settings = model.config.settings()
    if settings.stock_can_encode:
        return f"`--encoder THIS_DIRECTORY/query_encoder {settings.stock_flags()}`"
    return "`--encoded-queries`, for queries that `i3-pyserini encode-topics` encoded"


def _collection(recipe: Recipe) -> str:
    data = recipe.data
    return collection_name(data.collection) or data.name or data.collection.name


def model_card(
    model: I3Retriever,
    recipe: Recipe,
    progress: Progress,
    devices: int,
    temperature: LearnedTemperature | None = None,
) -> str:
    """The card's text, Markdown under Hugging Face's YAML header.

    Args:
        model: the model.
        recipe: the recipe.
        progress: the progress of the run.
        devices: number of devices.
        temperature: the learned temperature; None if it is not learned.
    """
    training = recipe.training
    data_seed = training.seed if training.data_seed is None else training.data_seed
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    libraries = f"i3_pyserini {__version__}, {libraries}"
    learned = "" if temperature is None else f"\n| learned temperature | {temperature.value:.4g} |"
    return f"""---
{metadata(model, recipe, progress).to_yaml()}
---

# {_kind(model)}

Trained by `i3-pyserini train` from `{recipe.model.init}`. With sentence-transformers:

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("THIS_DIRECTORY", trust_remote_code=True)  # pip install i3-pyserini
queries = model.encode_query(["…"])
passages = model.encode_document([("title", "text")])
scores = model.similarity(queries, passages)
```

With Pyserini: encode with
`python -m i3_pyserini.encode … encoder --encoder THIS_DIRECTORY`; search with stock Pyserini and
{_stock_queries(model)}.

| | |
| --- | --- |
| collection | {_collection(recipe)} |
| best validation of the run | {validation_sentence(recipe, progress)} |
| training queries | {queries_sentence(recipe)} |
| steps | {progress.step:,} |
| reconstructor | {reconstructor_sentence(model, recipe, progress)} |
| effective negatives | {negatives_sentence(recipe, devices)} |{learned}
| seeds | {recipe.training.seed}, data {data_seed} |
| devices | {devices} |
| versions | Python {platform.python_version()}, {libraries} |

## Recipe

```yaml
{recipe.as_yaml().strip()}
```
"""
