"""The recipe: all settings of a training run with their defaults."""

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, model_validator

from i3_pyserini.train.recipe_inputs import (
    DataRecipe,
    ModelRecipe,
    NegativesRecipe,
    Section,
    Weight,
)

DECAY = "10^-epoch"
LOWEST_TEMPERATURE = 0.01  # of learned ones
Positive = Annotated[int, Field(gt=0)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class LossRecipe(Section):
    """The loss: a weighted sum.

    Attributes:
        contrastive: weight of the cross entropy of the positive among all negatives.
        distillation: weight of the distillation from `data.teacher`'s scores.
        reconstruction: weight of the reconstructor's cross entropy, or "10^-epoch".
        temperature: divisor of the model's scores (not of the teacher's).
        learned_temperature: learn the temperature, of all losses on scores; `temperature` is its
            start. It stays at 0.01 or above (CLIP).
        matryoshka: numbers of dimensions, such as [256, 128]: losses are means over the whole
            vectors and their first dimensions, so that vectors can be shortened later.
        symmetric: the contrastive loss is the mean of two: a query's positive among passages, and a
            positive's query among the queries of the batch.
        distillation_kind: "kl" divergence over a query's own passages, "margin_mse" of their score
            differences, or "infonce": the contrastive loss with the teacher's softmax over a
            query's own passages in place of its positive.
    """

    contrastive: Weight = 1.0
    distillation: Weight = 0.0
    reconstruction: Weight | Literal["10^-epoch"] = 0.1
    temperature: Rate = 1.0
    learned_temperature: bool = False
    matryoshka: tuple[Positive, ...] = ()
    symmetric: bool = False
    distillation_kind: Literal["kl", "margin_mse", "infonce"] = "kl"

    @model_validator(mode="after")
    def _possible(self) -> "LossRecipe":
        if not (self.contrastive or self.distillation or self.reconstruction):
            raise ValueError("all weights are zero; nothing would be trained")
        if self.learned_temperature and self.temperature < LOWEST_TEMPERATURE:
            raise ValueError(
                f"loss.temperature is {self.temperature:g}, but a learned temperature is at least "
                f"{LOWEST_TEMPERATURE}; start higher, or omit loss.learned_temperature"
            )
        return self

    @property
    def compares_batch(self) -> bool:
        """Whether a loss scores queries against passages of other queries."""
        return bool(self.contrastive) or (
            bool(self.distillation) and self.distillation_kind == "infonce"
        )

    def reconstruction_weight(self, epoch: int) -> float:
        """The weight of reconstruction in an epoch; epochs start at 1."""
        weight = self.reconstruction
        return 10.0**-epoch if weight == DECAY else float(weight)


class ReconstructionRecipe(Section):
    """Targets and gradient of the reconstructor.

    Attributes:
        targets: "generated": a passage's generated query ("what" if it has none), as the
            original. "query": the training query for positives, as the paper.
        passages: train on "all" passages or on "positives". With `targets: query`, only negatives
            with a generated query are used.
        gradient: where the reconstruction loss's gradient goes: "all", or only to the "heads"
            (reconstructor and word scores), not into the passage encoder, which then learns only
            from the other losses.
    """

    targets: Literal["generated", "query"] = "generated"
    passages: Literal["all", "positives"] = "all"
    gradient: Literal["all", "heads"] = "all"


class OptimizerRecipe(Section):
    """Optimizer and learning rates.

    Attributes:
        name: "adamw", or "lamb" as the original.
        learning_rate: rate of the two encoders.
        head_learning_rate: rate of reconstructor and interactor; null for `learning_rate`.
        reconstruction_head_learning_rate: rate of the word scores; null for `head_learning_rate`.
        temperature_learning_rate: rate of the logarithm of a learned temperature, such as 1e-3;
            null for `learning_rate`.
        weight_decay: applies to matrices with AdamW, to all parameters with LAMB; never to a
            learned temperature.
        schedule: schedule of the learning rates after warm-up.
        warmup_ratio: share of all steps with linear warm-up from zero.
        max_grad_norm: maximum gradient norm; null for no clipping.
    """

    name: Literal["adamw", "lamb"] = "adamw"
    learning_rate: Rate = 2e-5
    head_learning_rate: Rate | None = None
    reconstruction_head_learning_rate: Rate | None = None
    temperature_learning_rate: Rate | None = None
    weight_decay: Weight = 0.01
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    warmup_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.1
    max_grad_norm: Rate | None = 1.0


class TrainingRecipe(Section):
    """Sizes and pace.

    Attributes:
        epochs: passes over the training queries; `max_steps` overrides it.
        max_steps: optimizer steps, instead of `epochs`; null for `epochs`.
        batch_size: queries per device and pass.
        passages_per_query: passages per query, including the positive.
        gradient_accumulation: passes per optimizer step; each has its own negatives.
        chunk_passages: GradCache: passages in memory at once; null for the whole batch. The
            gradient is the same.
        length_buckets: number of parts of similar length in which a batch is encoded; more parts
            reduce padding, which helps on CPUs.
        precision: precision of matrix products; "auto" is bf16 if the device supports it in
            hardware, otherwise fp32. The saved recipe records which.
        gradient_checkpointing: recompute the encoders' layers in the backward pass.
        freeze: parts that stay as they are, without dropout: "none"; both "encoders", to train only
            reconstructor, interactor and head (warm-up); or the "query_encoder", to improve the
            index while query vectors stay the same.
        cache_vectors: with `freeze: encoders` and `interaction: released`, encode each text once
            and keep its vector in memory (4 bytes for each dimension of each text).
        seed: random seed of initialization and dropout.
        data_seed: random seed of order and sampling; null for `seed`.
        checkpoint_steps: steps between saved states for resuming; null for once an epoch.
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
    freeze: Literal["none", "encoders", "query_encoder"] = "none"
    cache_vectors: bool = False
    seed: Seed = 42
    data_seed: Seed | None = None
    checkpoint_steps: Positive | None = None
    logging_steps: Positive = 10
    workers: Annotated[int, Field(ge=0)] = 1


class LoraRecipe(Section):
    """Low-rank adapters: the encoders' own weights are frozen, small matrices beside them learn.

    Saved models have them added to the weights, so that nothing else needs to know.

    Attributes:
        rank: inner dimension of the adapters.
        alpha: adapters are scaled by alpha / rank.
        dropout: of the adapters' input.
        encoders: which encoders have adapters; the other one stays as it is.
        weights: precision of the own matrices of encoders with adapters; "bf16" halves their
            memory, and saved models have them as rounded.
    """

    rank: Positive = 16
    alpha: Positive = 32
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    encoders: Literal["both", "query", "passage"] = "both"
    weights: Literal["fp32", "bf16"] = "fp32"


class ValidationRecipe(Section):
    """Validation by retrieval with dev queries.

    Attributes:
        topics: dev queries, `qid query` TSV.
        qrels: their judgments, TREC or two columns; those of other queries are ignored.
        corpus: what to search; null for `data.collection`.
        pool: a run whose passages are reranked instead, which is faster.
        measure: ir-measures name of the measure that selects the best checkpoint.
        at_start: also validate before the first step; the initial model may remain the best.
        every_steps: steps between validations; null for once an epoch.
        patience: stop after this many validations without improvement; null for never.
        hits: passages ranked per query.
        batch_size: maximum texts per batch.
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


class Recipe(Section):
    """One training run.

    Attributes:
        output: folder for models, log and the state for resuming.
    """

    output: Path
    model: ModelRecipe
    data: DataRecipe
    negatives: NegativesRecipe = NegativesRecipe()
    loss: LossRecipe = LossRecipe()
    reconstruction: ReconstructionRecipe = ReconstructionRecipe()
    optimizer: OptimizerRecipe = OptimizerRecipe()
    training: TrainingRecipe = TrainingRecipe()
    lora: LoraRecipe | None = None
    validation: ValidationRecipe | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "Recipe":
        negatives = self.negatives
        margin, ratio = negatives.false_negative_margin, negatives.false_negative_ratio
        if self.data.teacher is None:
            for key, asked in (
                ("loss.distillation", self.loss.distillation > 0),
                ("negatives.false_negative_margin", margin is not None),
                ("negatives.false_negative_ratio", ratio is not None),
            ):
                if asked:
                    raise ValueError(f"{key} needs the scores of data.teacher")
        elif not self.loss.distillation and margin is None and ratio is None:
            raise ValueError(
                "the scores of data.teacher have no effect with loss.distillation: 0 and without "
                "negatives.false_negative_margin or false_negative_ratio; set one of these, or "
                "train from data.queries, data.qrels and data.negatives"
            )
        if self.loss.symmetric and (
            negatives.shared == "group" or negatives.gradient == "own_slice"
        ):
            raise ValueError(
                "loss.symmetric scores positives against the queries of the batch: it needs "
                "negatives.shared: batch or devices, and negatives.gradient: all"
            )
        training = self.training
        if self.lora is not None and training.freeze != "none":
            raise ValueError(
                f"training.freeze: {training.freeze} contradicts lora, which freezes the encoders' "
                "own weights; omit one of them (lora.encoders: passage leaves the query encoder "
                "as it is)"
            )
        if training.passages_per_query == 1:
            if self.loss.distillation:
                raise ValueError(
                    "loss.distillation requires training.passages_per_query of at least 2"
                )
            if self.negatives.shared == "group" or training.batch_size == 1:
                raise ValueError(
                    "a query with only its positive has no negatives: increase "
                    "training.passages_per_query, or training.batch_size with negatives.shared: "
                    "batch or devices"
                )
        if self.model.settings.get("interaction") == "none" and not (
            self.loss.contrastive or self.loss.distillation
        ):
            raise ValueError("a plain dual encoder cannot be trained by reconstruction only")
        if self.reconstruction.gradient == "heads" and not (
            training.freeze == "encoders" or self.loss.contrastive or self.loss.distillation
        ):
            raise ValueError(
                "reconstruction.gradient: heads without another loss leaves the encoders without "
                "gradient; set training.freeze: encoders instead"
            )
        return self

    def as_dict(self) -> dict[str, Any]:
        """All keys with plain values, as in `recipe.yaml`."""
        return self.model_dump(mode="json")

    def as_yaml(self) -> str:
        """The recipe with every default written out."""
        text: str = yaml.safe_dump(self.as_dict(), sort_keys=False, allow_unicode=True)
        return text
