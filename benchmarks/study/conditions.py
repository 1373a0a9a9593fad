"""The study's conditions: what is trained, as changes of one recipe."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Keys = Mapping[str, Any]  # of a recipe, by dotted names


def _without(keys: Keys, start: str) -> Keys:
    return {key: value for key, value in keys.items() if not key.startswith(start)}


# What all conditions share. 64 ids are the beginning of a passage, and make a run five minutes.
SHARED: Keys = {
    "model.passage_template": "{title} {text}",
    "model.query_length": 32,
    "model.passage_length": 64,
    "loss.temperature": 0.05,
    "optimizer.learning_rate": 5e-5,
    "training.max_steps": 150,
    "training.batch_size": 32,
    "training.passages_per_query": 2,  # the positive and one of 8 BM25 negatives
    "training.length_buckets": 2,
    "training.checkpoint_steps": 50,
    "training.workers": 0,
}
GPU: Keys = {  # what a GPU has the memory and the time for
    "model.passage_length": 128,
    "training.max_steps": 300,
    "training.batch_size": 128,
    "training.workers": 4,
}
PLAIN: Keys = {"model.interaction": "none"}
RELEASED: Keys = {
    "model.interaction": "released",
    "model.interactor_init": "residual",
    "model.reconstruction_head_init": "embeddings",
    "loss.reconstruction": 0.1,
    "reconstruction.targets": "query",
    "reconstruction.passages": "positives",
    "optimizer.head_learning_rate": 2.5e-4,
}
SCALED: Keys = {**RELEASED, "model.interactor_init": "scaled"}
COPIED: Keys = {**SCALED, "model.layer_init": "backbone"}
SLOW: Keys = {"optimizer.head_learning_rate": 5e-5}
PAPER: Keys = {**RELEASED, "model.interaction": "paper"}
NO_RECONSTRUCTION: Keys = {**_without(RELEASED, "reconstruction."), "loss.reconstruction": 0.0}
WARM_UP: Keys = {  # the encoders do not learn, so that their rate is left at its default
    "training.freeze": "encoders",
    "training.cache_vectors": True,
    "training.batch_size": 128,
    "training.passages_per_query": 1,
    "training.max_steps": 300,  # five epochs
    "loss.contrastive": 0.0,
    "loss.distillation": 0.0,
    "loss.temperature": 1.0,  # the default, as scores are not used
    "loss.reconstruction": 1.0,
    "optimizer.learning_rate": 2e-5,
    "optimizer.head_learning_rate": 1e-3,
}
CONTRASTIVE_WARM_UP: Keys = {
    **WARM_UP,
    "training.passages_per_query": 2,
    "training.max_steps": 600,
    "loss.contrastive": 1.0,
    "loss.temperature": 0.05,
}
GENTLE: Keys = {  # of heads, when nothing else is trained
    **CONTRASTIVE_WARM_UP,
    "training.max_steps": 300,
    "optimizer.head_learning_rate": 5e-5,
}
# Which files of the data's folder to read, see `worker.recipe`.
GENERATED: Keys = {
    "reconstruction.targets": "generated",
    "reconstruction.passages": "all",
    "data.generated_queries": "generated/generated.tsv",
}
MODEL_NEGATIVES: Keys = {"data.negatives": "negatives.model.tsv"}
TWICE: Keys = {"data.negatives": "negatives.twice.tsv"}  # of the model trained with those
DISTILLED: Keys = {"loss.contrastive": 0.2, "loss.distillation": 1.0}


@dataclass(frozen=True)
class Condition:
    """One way of training.

    Attributes:
        name: its row in the tables.
        keys: what it changes of `SHARED`.
        warm_up: what a training before it changes of `keys`; None for none. It trains on the
            same data, and its model is where the condition starts, whatever its learning rate.
    """

    name: str
    keys: Keys
    warm_up: Keys | None = None


FROZEN: Keys = {"training.freeze": "query_encoder"}
WARM: Keys = {**COPIED, **SLOW}  # after `WARM_UP`
ORIGINAL: Keys = {"model.interactor_init": "original", "model.reconstruction_head_init": "original"}
EXPLORED = (
    Condition("plain", PLAIN),
    Condition("I³ released", RELEASED),
    Condition("I³ without reconstruction", NO_RECONSTRUCTION),
    Condition("I³ scaled, layers copied", COPIED),
    Condition("I³ warmed up, heads 5e-5", WARM, CONTRASTIVE_WARM_UP),
    Condition("plain, rate 1.5e-4", {**PLAIN, "optimizer.learning_rate": 1.5e-4}),
    Condition("I³ reconstructor warmed up, heads 5e-5", WARM, WARM_UP),
    Condition("I³ scaled, layers copied, heads 5e-5", WARM),
    Condition("plain, query encoder frozen", {**PLAIN, **FROZEN}),
    Condition("I³ warmed up, query encoder frozen", {**WARM, **FROZEN}, WARM_UP),
    Condition("I³ paper, layers copied", {**COPIED, "model.interaction": "paper"}),
    Condition("I³ gradient stopped", {**COPIED, "reconstruction.gradient": "heads"}),
    Condition("I³ original start", {**RELEASED, **SLOW, **ORIGINAL}),
    Condition("plain, negatives of the model", {**PLAIN, **MODEL_NEGATIVES}),
    Condition("I³ warmed up, negatives of the model", {**WARM, **MODEL_NEGATIVES}, WARM_UP),
    Condition("plain, negatives mined twice", {**PLAIN, **TWICE}),
    Condition("I³ warmed up, negatives mined twice", {**WARM, **TWICE}, WARM_UP),
    Condition("I³ warmed up, reconstruction 1", {**WARM, "loss.reconstruction": 1.0}, WARM_UP),
    Condition("I³ warmed up, reconstruction 0.01", {**WARM, "loss.reconstruction": 0.01}, WARM_UP),
    Condition("I³ warmed up, three layers", {**WARM, "model.num_head_layers": 3}, WARM_UP),
    Condition("I³ warmed up on generated queries", {**WARM, **GENERATED}, WARM_UP),
    Condition("plain, no negatives", {**PLAIN, "training.passages_per_query": 1}),
    Condition("I³ warmed up, no negatives", {**WARM, "training.passages_per_query": 1}, WARM_UP),
    Condition("I³ heads only, reconstructor warmed up, 5e-5", {**COPIED, **GENTLE}, WARM_UP),
    Condition("I³ heads only", {**COPIED, **CONTRASTIVE_WARM_UP}),
    Condition("I³ heads only, 5e-5", {**COPIED, **GENTLE}),
    Condition("I³ warmed up, random layers", {**SCALED, **SLOW}, WARM_UP),
)

I3: Keys = _without(COPIED, "optimizer.head_learning_rate")  # one rate for all, see `plan.RATES`
TESTED = (
    Condition("plain", PLAIN),
    Condition("I³", I3, WARM_UP),
    Condition(
        "I³ without reconstruction",
        {**_without(I3, "reconstruction."), "loss.reconstruction": 0.0},
    ),
    Condition("plain, distilled", {**PLAIN, **DISTILLED}),
    Condition("I³, distilled", {**I3, **DISTILLED}, WARM_UP),
)
LONGER = Condition("plain, as long as I³", PLAIN)
HYPOTHESES = {  # worse and better
    "H1, equal steps": ("plain", "I³"),
    "H1, equal time": (LONGER.name, "I³"),
    "H2": ("I³ without reconstruction", "I³"),
    "H3": ("plain, distilled", "I³, distilled"),
}
