"""The parts of a recipe that say what is trained, and from which data."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Section(BaseModel):
    """A section of a recipe: its keys are known, and do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelRecipe(BaseModel):
    """The model to start from.

    All keys but `init` are settings of `I3Config`: for a backbone they shape the new model
    (`interaction: none` for a plain dual encoder); a model directory must already have them.

    Attributes:
        init: a backbone, or an I³ model directory to continue from.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    init: str

    @property
    def settings(self) -> dict[str, Any]:
        """The `I3Config` settings in the recipe."""
        return dict(self.__pydantic_extra__ or {})


class DataRecipe(Section):
    """The training data, in the original's files or the field's usual ones.

    Attributes:
        collection: `pid title text` or `pid text` TSV, or JSONL as `encode` takes it.
        name: the collection's name in model cards, if its folder has no manifest that names it.
        queries: training queries, `qid query` TSV; not needed with `teacher`.
        qrels: their positives, two columns or TREC; not needed with `teacher`.
        min_relevance: minimum relevance level in TREC qrels.
        negatives: the original's `train_negs.tsv`; null for random passages only.
        teacher: the original's `kd_train.jsonl`, queries and candidates with scores.
        generated_queries: the original's `generated.tsv`, `pid query`.
        sources: the source of each training query, `qid source` TSV, as `data pairs` writes it;
            null for no counts by source.
        weights: relative numbers of samples by source, such as {web: 2, clicks: 1}; null for the
            numbers of queries. Needs `sources`.
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
    sources: Path | None = None
    weights: dict[str, Weight] | None = None
    cache: Path | None = None
    quoted_queries: bool = False

    @field_validator("weights", mode="before")
    @classmethod
    def _names(cls, weights: Any) -> Any:
        """Names of digits, such as that of 2024.jsonl, are numbers in YAML."""
        if not isinstance(weights, dict):
            return weights
        return {str(key) if type(key) is int else key: one for key, one in weights.items()}

    @model_validator(mode="after")
    def _enough(self) -> "DataRecipe":
        if self.teacher is not None and self.negatives is not None:
            raise ValueError("data.negatives and data.teacher cannot be combined")
        if self.teacher is None and (self.queries is None or self.qrels is None):
            raise ValueError("data.queries and data.qrels are required without data.teacher")
        if self.weights is not None:
            if self.sources is None:
                raise ValueError("data.weights needs data.sources")
            if not any(self.weights.values()):
                raise ValueError("data.weights are all zero; nothing would be trained")
        return self


class NegativesRecipe(Section):
    """Selection of negatives.

    Attributes:
        exclude_positives: never use a query's positive as its negative, neither from the file
            nor from the batch. The original does.
        exclude_duplicates: in the contrastive loss, exclude passages with the text of one of the
            query's positives, and count repeated texts in a batch once. Titles and texts are
            compared ignoring case and white space. The original does neither.
        padding: if a query has too few negatives: "random" passages of the collection, "refuse", or
            "original" (any number up to MS MARCO's last id, even a positive's).
        padding_score: teacher score of random padding.
        false_negative_margin: exclude negatives that the teacher scores above the positive minus
            this; null for no margin. Needs `data.teacher`.
        false_negative_ratio: exclude negatives that the teacher scores above the positive's score
            times this, such as 0.95; null for no ratio. For teachers whose scores are above 0, such
            as cosines. Needs `data.teacher`.
        guide: any other encoder, a directory or hub name: passages that it scores above a query's
            positive are no negatives of the query in the contrastive loss (GISTEmbed). It encodes
            every batch.
        guide_margin: how much below the positive's cosine a passage may be and still be excluded.
        shared: which passages a query is scored against: those of the batches of all
            "devices", of its own "batch", or of its own "group".
        gradient: "all": through every device's passages. "own_slice": only through this device's
            passages, as in the original, which divides the contrastive gradient by the number of
            devices.
    """

    exclude_positives: bool = True
    exclude_duplicates: bool = True
    padding: Literal["random", "refuse", "original"] = "random"
    padding_score: float = -15.0
    false_negative_margin: Weight | None = None
    false_negative_ratio: Annotated[float, Field(gt=0, le=1)] | None = None
    guide: str | None = None
    guide_margin: Annotated[float, Field(ge=-2, le=2)] = 0.0
    shared: Literal["devices", "batch", "group"] = "devices"
    gradient: Literal["all", "own_slice"] = "all"
