"""What `compare` is given: its options, and the queries of a collection."""

from dataclasses import dataclass
from pathlib import Path

from i3_pyserini.data.sources.folders import LayoutFolder
from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.languages import language_name, language_of
from i3_pyserini.search.languages import ENGINES, Engine

MINED = "mined"
SCORES = ".jsonl"  # of a file that `data score` writes


@dataclass(frozen=True)
class Options:
    """What is compared, and how models are trained.

    Attributes:
        backbone: model directory or hub name.
        rates: learning rates to choose from.
        seeds: of the trainings of each model.
        steps: of each training.
        warm_up: steps before it in which only I³'s reconstructor is trained; 0 for none.
        validations: of each training, on dev queries, to choose the best model; 0 for the last.
        variants: of I³.
        negatives: "mined", a file, or None.
        negatives_per_query: hard negatives of a query in a batch.
        teacher: a cross-encoder, a file of its scores, or None.
        measure: what the dev queries decide by.
        query_length: maximum ids of a query.
        passage_length: maximum ids of a passage.
        batch_size: queries of a batch.
        hits: of a query.
        split: the queries to evaluate.
        language: that BM25 analyzes the texts in; None for what each collection declares.
    """

    backbone: str
    rates: tuple[float, ...]
    seeds: range
    steps: int
    warm_up: int
    validations: int
    variants: tuple[str, ...]
    negatives: str | None
    negatives_per_query: int
    teacher: str | None
    measure: str
    query_length: int
    passage_length: int
    batch_size: int
    hits: int
    split: str
    language: str | None = None

    @property
    def scored(self) -> bool:
        """Whether the teacher is a file of scores."""
        return self.teacher is not None and self.teacher.endswith(SCORES)


def choose_engine(data: Path, language: str | None, absent: str | None) -> Engine:
    """The engine of BM25 for a collection: Lucene, or SQLite where only that has the language.

    Args:
        data: the collection's folder.
        language: see `Options`.
        absent: why Lucene cannot be searched; None if it can.

    Raises:
        I3Error: a code is invalid.
    """
    if absent is not None:
        return "sqlite"
    spoken = language_of(data / "corpus", language).code
    if spoken in ENGINES["lucene"] or spoken not in ENGINES["sqlite"]:
        return "lucene"
    note(f"{data}: BM25 by SQLite: Lucene (Anserini) has no analyzer for {language_name(spoken)}")
    return "sqlite"


class Queries:
    """Topics and judgements of a collection's parts.

    Args:
        data: the collection's folder.
        options: what is compared.
        folder: where dev queries are split off to, if the collection has none.

    Raises:
        I3Error: it has no such queries to evaluate, or none to train with.

    Attributes:
        files: by part (train, dev, test) its topics and judgements.
        divided: the training queries that dev queries are split off from; None if there are dev
            queries.
    """

    def __init__(self, data: Path, options: Options, folder: Path) -> None:
        layout = LayoutFolder(data)
        known = {
            name: (layout.topic_files[name], layout.qrels_files[name])
            for name in layout.splits()
            if name in layout.qrels_files
        }
        for part in (options.split, "train"):
            if part not in known:
                raise I3Error(
                    f"{data}: no judged queries {part!r}; it has {', '.join(known) or 'none'} "
                    "(split names those to evaluate; i3-pyserini data split divides queries)"
                )
        if options.split == "train":
            raise I3Error("split is train: these queries are trained with; name others")
        self.divided = None
        self.files = {"test": known[options.split], "train": known["train"]}
        self.used = [path for name in ("train", "dev") for path in known.get(name, ())]
        self.used += known[options.split]
        if "dev" in known and options.split != "dev":
            self.files["dev"] = known["dev"]
        else:
            self.divided = folder / "queries"
            for part in ("train", "dev"):
                topics = self.divided / f"topics.{part}.tsv"
                self.files[part] = topics, self.divided / f"qrels.{part}.txt"
