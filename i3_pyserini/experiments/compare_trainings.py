"""The trainings of `compare`: a plain dual encoder and I³, from the same backbone, and alike."""

from collections.abc import Sequence
from pathlib import Path

from i3_pyserini.experiments.compare_inputs import Options, Queries
from i3_pyserini.experiments.costs import training_minutes
from i3_pyserini.experiments.plan import CommandPlan, planned

RECIPE, WARM_UP = "small-contrastive", "small-warmup"
PLAIN = {  # what the recipe says of parts that a plain dual encoder does not have
    "model.interaction": "none",
    "reconstruction.targets": "generated",
    "reconstruction.passages": "all",
}
CHECKPOINTS = 50  # steps between states that a training resumes from
PLAIN_MODEL = "dual-encoder"


class Trainings:
    """The trainings of one collection.

    Args:
        folder: where everything is made.
        corpus: the collection's corpus.
        queries: its queries.
        options: what is compared.
        negatives: the file of hard negatives, if there are any.
        scores: the file of a teacher's scores, if there is one.
    """

    def __init__(
        self,
        folder: Path,
        corpus: Path,
        queries: Queries,
        options: Options,
        negatives: Path,
        scores: Path,
    ) -> None:
        self._folder, self._corpus, self._queries, self._options = folder, corpus, queries, options
        self._negatives, self._scores = negatives, scores

    def folder(self, model: str, rate: float, seed: int) -> Path:
        """The folder of a training."""
        return self._folder / "models" / f"{model}.rate-{rate:g}.seed-{seed}"

    def model(self, model: str, rate: float, seed: int) -> Path:
        """The trained model: the best of those that were validated, or else the last."""
        return self.folder(model, rate, seed) / ("best" if self._options.validations else "last")

    def minutes(self, model: str, rate: float, seed: int) -> float | None:
        """Time of all steps, warm-up included; None if it is not known."""
        minutes = training_minutes(self.folder(model, rate, seed), self._options.steps)
        if minutes is None or not self.warms_up(model):
            return minutes
        before = training_minutes(self._warm_up_folder(model, seed), self._options.warm_up)
        return None if before is None else before + minutes

    def of(self, model: str, rates: Sequence[float], seed: int) -> list[CommandPlan]:
        """The commands that train a model with each rate; after a warm-up, if it has one."""
        found = [self._train(model, rate, seed) for rate in rates]
        return [self._warm_up(model, seed), *found] if self.warms_up(model) else found

    def warms_up(self, model: str) -> bool:
        """Whether a model's reconstructor is trained alone before."""
        return model != PLAIN_MODEL and self._options.warm_up > 0

    def _warm_up_folder(self, model: str, seed: int) -> Path:
        return self._folder / "models" / f"{model}.warm-up.seed-{seed}"

    def _warm_up(self, model: str, seed: int) -> CommandPlan:
        folder = self._warm_up_folder(model, seed)
        keys = {
            **self._common(model, folder, seed),
            "model.init": self._options.backbone,
            "training.max_steps": self._options.warm_up,
        }
        if model != "i3-released":  # heads of others need the vectors of all tokens
            keys["training.cache_vectors"] = "false"
        return _training(folder, WARM_UP, keys)

    def _train(self, model: str, rate: float, seed: int) -> CommandPlan:
        options, folder = self._options, self.folder(model, rate, seed)
        warmed_up = self._warm_up_folder(model, seed) / "last"
        keys = {
            **self._common(model, folder, seed),
            "model.init": warmed_up if self.warms_up(model) else options.backbone,
            "optimizer.learning_rate": f"{rate:g}",
            "training.max_steps": options.steps,
            "training.batch_size": options.batch_size,
        }
        if options.validations:
            keys |= {
                "validation.topics": self._queries.files["dev"][0],
                "validation.qrels": self._queries.files["dev"][1],
                "validation.measure": options.measure,
                "validation.at_start": "false",  # of trained models only one is chosen
                "validation.every_steps": max(options.steps // options.validations, 1),
            }
        if model == PLAIN_MODEL:
            keys |= PLAIN
        if options.teacher:  # its file has the queries and their positives
            keys |= {"data.teacher": self._scores, "loss.distillation": 1}
            keys |= {"data.queries": "null", "data.qrels": "null"}
        elif options.negatives:
            keys["data.negatives"] = self._negatives
        if options.negatives or options.teacher:
            keys["training.passages_per_query"] = 1 + options.negatives_per_query
        return _training(folder, RECIPE, keys)

    def _common(self, model: str, folder: Path, seed: int) -> dict[str, object]:
        topics, qrels = self._queries.files["train"]
        return {
            "output": folder,
            "model.interaction": model.removeprefix("i3-"),
            "model.query_length": self._options.query_length,
            "model.passage_length": self._options.passage_length,
            "data.collection": self._corpus,
            "data.queries": topics,
            "data.qrels": qrels,
            "data.cache": self._folder / "cache",
            "training.seed": seed,
            "training.checkpoint_steps": CHECKPOINTS,
        }


def _training(folder: Path, recipe: str, keys: dict[str, object]) -> CommandPlan:
    words = [f"--{key}={value}" for key, value in keys.items()]
    return our_command(folder / "last", "train", recipe, *words)


def our_command(makes: Path, *words: object) -> CommandPlan:
    """A command of ours.

    Args:
        makes: its output.
        words: its name and arguments.
    """
    return planned(makes, "python", "-m", "i3_pyserini", *words)
