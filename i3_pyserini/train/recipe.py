"""What a recipe can say: every key of a training run, its meaning and its default."""

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

DECAY = "10^-epoch"
Positive = Annotated[int, Field(gt=0)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelRecipe(BaseModel):
    """The model to start from.

    Attributes:
        init: a backbone, or an I³ model directory to go on from.

    All other keys are settings of `I3Config`: for a backbone they shape the new model
    (`interaction: none` for a plain dual encoder); a model directory must already have them.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    init: str

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of `I3Config` that the recipe gives."""
        return dict(self.__pydantic_extra__ or {})


class DataRecipe(_Section):
    """The training data, in the original's files or the field's usual ones.

    Attributes:
        collection: `pid title text` or `pid text` TSV, or JSONL as `encode` takes it.
        name: the collection's name in model cards, if its folder has no manifest that names it.
        queries: training queries, `qid query` TSV; not needed with `teacher`.
        qrels: their positives, two columns or TREC; likewise.
        min_relevance: what counts as relevant in TREC qrels.
        negatives: the original's `train_negs.tsv`; null for random passages only.
        teacher: the original's `kd_train.jsonl`, queries and candidates with scores.
        generated_queries: the original's `generated.tsv`, `pid query`.
        cache: folder for the text stores; null for the folders of their sources.
        quoted_queries: read quotes in `queries` as the original did.
    """

    collection: Path
    name: str | None = None
    queries: Path | None = None
    qrels: Path | None = None
    min_relevance: int = 1
    negatives: Path | None = None
    teacher: Path | None = None
    generated_queries: Path | None = None
    cache: Path | None = None
    quoted_queries: bool = False

    @model_validator(mode="after")
    def _enough(self) -> "DataRecipe":
        if self.teacher is not None and self.negatives is not None:
            raise ValueError("give data.negatives or data.teacher, not both")
        if self.teacher is None and (self.queries is None or self.qrels is None):
            raise ValueError("without data.teacher, data.queries and data.qrels are needed")
        return self


class NegativesRecipe(_Section):
    """Which negatives a query trains with.

    Attributes:
        exclude_positives: never use a query's positive as its negative, neither from the file
            nor from the batch. The original does.
        exclude_duplicates: in the contrastive loss, leave out passages with the text of one of the
            query's positives, and count a text that is in the batch twice once. Titles and texts
            are compared without regard to case and white space. The original does neither.
        padding: where a query has too few: "random" passages of the collection, "refuse", or
            "original" (any number up to MS MARCO's last id, even a positive's).
        padding_score: the teacher's score that random padding is given.
        false_negative_margin: leave out negatives that the teacher scores above the positive
            minus this; null for none. Needs `data.teacher`.
        shared: which passages a query is scored against: those of the batches of all
            "devices", of its own "batch", or of its own "group".
        gradient: "all": through every device's passages. "own_slice": as the original, through
            this device's alone, so that the contrastive gradient is divided by their number.
    """

    exclude_positives: bool = True
    exclude_duplicates: bool = True
    padding: Literal["random", "refuse", "original"] = "random"
    padding_score: float = -15.0
    false_negative_margin: Weight | None = None
    shared: Literal["devices", "batch", "group"] = "devices"
    gradient: Literal["all", "own_slice"] = "all"


class LossRecipe(_Section):
    """The loss: a weighted sum.

    Attributes:
        contrastive: weight of the cross entropy of the positive among all negatives.
        distillation: weight of the distillation from `data.teacher`'s scores.
        reconstruction: weight of the reconstructor's cross entropy, or "10^-epoch".
        temperature: the model's scores are divided by it; the teacher's are not.
        distillation_kind: "kl" divergence, or "margin_mse" of score differences.
    """

    contrastive: Weight = 1.0
    distillation: Weight = 0.0
    reconstruction: Weight | Literal["10^-epoch"] = 0.1
    temperature: Rate = 1.0
    distillation_kind: Literal["kl", "margin_mse"] = "kl"

    @model_validator(mode="after")
    def _something(self) -> "LossRecipe":
        if not (self.contrastive or self.distillation or self.reconstruction):
            raise ValueError("all weights are zero: there is nothing to learn")
        return self

    def reconstruction_weight(self, epoch: int) -> float:
        """The weight of reconstruction in an epoch, which count from 1."""
        weight = self.reconstruction
        return 10.0**-epoch if weight == DECAY else float(weight)


class ReconstructionRecipe(_Section):
    """What the reconstructor is taught to say.

    Attributes:
        targets: "generated": a passage's generated query ("what" if it has none), as the
            original. "query": the training query for positives, as the paper.
        passages: teach it on "all" passages or on "positives". With `targets: query` only
            negatives that have a generated query are taught.
    """

    targets: Literal["generated", "query"] = "generated"
    passages: Literal["all", "positives"] = "all"


class OptimizerRecipe(_Section):
    """Optimizer and learning rates.

    Attributes:
        name: "adamw", or "lamb" as the original.
        learning_rate: of the two encoders.
        head_learning_rate: of reconstructor and interactor; null for the encoders' rate.
        reconstruction_head_learning_rate: of the words' scores; null for the one before.
        weight_decay: with AdamW on matrices, with LAMB on all parameters.
        schedule: of the learning rates, after the warm-up.
        warmup_ratio: share of all steps during which they rise from zero.
        max_grad_norm: gradients are clipped to it; null for no clipping.
    """

    name: Literal["adamw", "lamb"] = "adamw"
    learning_rate: Rate = 2e-5
    head_learning_rate: Rate | None = None
    reconstruction_head_learning_rate: Rate | None = None
    weight_decay: Weight = 0.01
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    warmup_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.1
    max_grad_norm: Rate | None = 1.0


class TrainingRecipe(_Section):
    """Sizes and pace.

    Attributes:
        epochs: passes over the training queries; `max_steps` wins over it.
        max_steps: steps of the optimizer, in place of `epochs`; null for none.
        batch_size: queries per device and pass.
        passages_per_query: size of a group, the positive included.
        gradient_accumulation: passes per step of the optimizer; each has its own negatives.
        chunk_passages: GradCache: passages that are in memory at once; null for the whole
            batch, as is a number that is not smaller. The gradient is the same.
        length_buckets: parts, by length, in which a batch or chunk is encoded; more of them save
            work on padding, which pays on CPUs.
        precision: of the matrix products; "auto" is bf16 where the device has it in hardware, else
            fp32, and the saved recipe says which.
        gradient_checkpointing: recompute the encoders' layers in the backward pass.
        freeze_backbone: warm-up: learn only reconstructor, interactor and head.
        seed: of initialisation and dropout.
        data_seed: of order and sampling; null for `seed`.
        checkpoint_steps: steps between the states that a run can resume from; null for once an
            epoch.
        logging_steps: steps between lines in the log.
        workers: processes that prepare batches, per device.
    """

    epochs: Positive = 3
    max_steps: Positive | None = None
    batch_size: Positive = 16
    passages_per_query: Positive = 8
    gradient_accumulation: Positive = 1
    chunk_passages: Positive | None = None
    length_buckets: Positive = 1
    precision: Literal["fp32", "bf16", "fp16", "auto"] = "fp32"
    gradient_checkpointing: bool = False
    freeze_backbone: bool = False
    seed: Seed = 42
    data_seed: Seed | None = None
    checkpoint_steps: Positive | None = None
    logging_steps: Positive = 10
    workers: Annotated[int, Field(ge=0)] = 1


class ValidationRecipe(_Section):
    """Retrieval with the dev queries, as training goes on.

    Attributes:
        topics: dev queries, `qid query` TSV.
        qrels: their judgements, TREC or two columns; other queries' are left out.
        corpus: what to search; null for `data.collection`.
        pool: a run whose passages are re-ranked instead, which is quicker.
        measure: chooses the best checkpoint, by its ir-measures name.
        at_start: validate before the first step, too; what training starts from may remain the
            best.
        every_steps: steps between validations; null for once an epoch.
        patience: end after this many validations without a better one; null for never.
        hits: passages ranked per query.
        batch_size: texts encoded at once.
    """

    topics: Path
    qrels: Path
    corpus: Path | None = None
    pool: Path | None = None
    measure: str = "RR@10"
    at_start: bool = True
    every_steps: Positive | None = None
    patience: Positive | None = None
    hits: Positive = 100
    batch_size: Positive = 64


class Recipe(_Section):
    """One training run.

    Attributes:
        output: folder for the models, the log and the state to resume from.
    """

    output: Path
    model: ModelRecipe
    data: DataRecipe
    negatives: NegativesRecipe = NegativesRecipe()
    loss: LossRecipe = LossRecipe()
    reconstruction: ReconstructionRecipe = ReconstructionRecipe()
    optimizer: OptimizerRecipe = OptimizerRecipe()
    training: TrainingRecipe = TrainingRecipe()
    validation: ValidationRecipe | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "Recipe":
        margin = self.negatives.false_negative_margin
        if self.data.teacher is None:
            for key, asked in (
                ("loss.distillation", self.loss.distillation > 0),
                ("negatives.false_negative_margin", margin is not None),
            ):
                if asked:
                    raise ValueError(f"{key} needs the scores of data.teacher")
        elif not self.loss.distillation and margin is None:
            raise ValueError(
                "the scores of data.teacher have no effect with loss.distillation: 0 and without "
                "negatives.false_negative_margin; set one of these, or train from data.queries, "
                "data.qrels and data.negatives"
            )
        training = self.training
        if training.passages_per_query == 1:
            if self.loss.distillation:
                raise ValueError(
                    "loss.distillation compares a query's passages: training.passages_per_query "
                    "must be at least 2"
                )
            if self.negatives.shared == "group" or training.batch_size == 1:
                raise ValueError(
                    "a query alone with its positive has no negatives: raise "
                    "training.passages_per_query, or training.batch_size with negatives.shared: "
                    "batch or devices"
                )
        if self.model.settings.get("interaction") == "none" and not (
            self.loss.contrastive or self.loss.distillation
        ):
            raise ValueError("a plain dual encoder learns nothing from reconstruction alone")
        return self

    def as_dict(self) -> dict[str, Any]:
        """All keys with plain values, as `recipe.yaml` holds them."""
        return self.model_dump(mode="json")

    def as_yaml(self) -> str:
        """The recipe with every default written out."""
        text: str = yaml.safe_dump(self.as_dict(), sort_keys=False, allow_unicode=True)
        return text
