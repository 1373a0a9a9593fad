"""Collections by name: of ir_datasets, and of the Hugging Face hub in BEIR's form."""

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from i3_pyserini.data.sources import Source
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.datasets import from_ir_datasets
from i3_pyserini.formats.names import LEVEL, PASSAGE_ID, QUERY_ID, find
from i3_pyserini.formats.passage_fields import Passage, PassageFields, listed
from i3_pyserini.formats.qrels import Judgements, judgements_of
from i3_pyserini.formats.topics import Topic, topic_of

T = TypeVar("T")
SPLITS = ("train", "dev", "validation", "test")
INSTEAD = "Download the collection and import its files"
QRELS_CONFIGS = ("qrels", "default")
# Data sets in several languages, whose ids have the language: miracl/de/dev, mr-tydi/ar, …
IN_LANGUAGES = re.compile(
    r"(?:miracl|mr-tydi|mmarco(?:/v2)?|neuclir/1|hc4|neumarco)[/-](?P<code>[a-z]{2})(?:[/-]|$)"
)


class IrDataset(Source):
    """A data set of ir_datasets.

    Args:
        name: its id; if it has no judgements itself, its parts `NAME/train`, `NAME/dev` and so on
            are the splits.

    Raises:
        I3Error: ir_datasets does not know it, or it has no documents.
    """

    def __init__(self, name: str) -> None:
        self.name, self.origin = name.replace("/", "-"), f"ir_datasets {name}"
        self.data = self._load(name)
        self.language = language_in(name)
        if not self.data.has_docs():
            raise I3Error(f"{name}: this data set of ir_datasets has no documents")
        self.parts = self._find_parts(name)

    def passages(self) -> Iterator[tuple[str, Passage]]:
        """See `Source`; the text is what ir_datasets calls a document's default text."""
        for number, doc in enumerate(self._stream(self.data.docs_iter), start=1):
            title = getattr(doc, "title", None)
            text = getattr(doc, "text", None)
            place = f"{self.origin}, document {number}"
            text = doc.default_text() if text is None else text
            yield place, _passage({"id": doc.doc_id, "title": title, "text": text}, place)

    def splits(self) -> list[str]:
        """See `Source`."""
        return list(self.parts)

    def topics(self, split: str) -> Iterator[Topic]:
        """See `Source`."""
        for query in self._stream(self.parts[split].queries_iter):
            place = f"{self.origin}, query {query.query_id}"
            yield Topic(place, query.query_id, query.default_text().strip())

    def judgements(self, split: str) -> Judgements | None:
        """See `Source`."""
        if not self.parts[split].has_qrels():
            return None
        qrels = self._stream(self.parts[split].qrels_iter)
        rows = ((qrel.query_id, qrel.doc_id, qrel.relevance) for qrel in qrels)
        return judgements_of(rows, f"{self.origin}, {split}", "judgement", self.duplicates)

    def _load(self, name: str) -> Any:
        return from_ir_datasets(name, lambda data: data, INSTEAD)

    def _find_parts(self, name: str) -> dict[str, Any]:
        if self.data.has_queries() and self.data.has_qrels():
            last = name.rsplit("/", 1)[-1]
            return {last if last in SPLITS else "test": self.data}
        parts = {}
        for split in SPLITS:
            try:
                parts[split] = self._load(f"{name}/{split}")
            except I3Error:
                continue
        return parts

    def _stream(self, iterate: Callable[[], Iterator[T]]) -> Iterator[T]:
        try:
            yield from iterate()
        except Exception as error:  # whatever its download raises
            raise I3Error(
                f"{self.origin}: could not be read ({type(error).__name__}: {error}); offline? "
                f"{INSTEAD}"
            ) from error


class HubDataset(Source):
    """A Hugging Face dataset in BEIR's form, as `BeIR/*` and `mteb/*` are.

    Args:
        name: hub name or folder, with configurations `corpus` and `queries`, and judgements in
            `qrels` or `default`, or in a dataset of its own called `NAME-qrels`.

    Raises:
        I3Error: it cannot be read, or is not in this form.
    """

    def __init__(self, name: str) -> None:
        self.hub_name, self.origin = name, f"Hugging Face dataset {name}"
        self.name = name.strip("/").rsplit("/", 1)[-1]
        self.language = language_in(self.name)
        configs = self._ask(lambda hub: hub.get_dataset_config_names(name))
        if missing := [need for need in ("corpus", "queries") if need not in configs]:
            raise I3Error(
                f"{self.origin}: no configuration {missing[0]!r} (it has {', '.join(configs)}); "
                "download it and import its files"
            )
        own = next((config for config in QRELS_CONFIGS if config in configs), None)
        self._judgements: dict[str, Judgements] = {}
        self.qrels: tuple[str, str | None] = (name, own) if own else (f"{name}-qrels", None)

    def passages(self) -> Iterator[tuple[str, Passage]]:
        """See `Source`."""
        for place, row in self._rows(self.hub_name, "corpus", None):
            yield place, _passage(row, place)

    def splits(self) -> list[str]:
        """See `Source`."""
        names: list[str] = self._ask(lambda hub: hub.get_dataset_split_names(*self.qrels))
        return names

    def topics(self, split: str) -> Iterator[Topic]:
        """The judged topics of a split; the configuration holds those of all splits."""
        judged = set(self.judgements(split).table["query_id"])
        for place, row in self._rows(self.hub_name, "queries", None):
            qid, query = topic_of(row, place)
            if qid in judged:
                yield Topic(place, qid, query)

    def judgements(self, split: str) -> Judgements:
        """See `Source`; without a field for levels, a judged passage is relevant."""
        if split not in self._judgements:
            source = f"{self.origin}, {self.qrels[1] or 'qrels'} {split}"
            rows = (_judgement(row, place) for place, row in self._rows(*self.qrels, split))
            self._judgements[split] = judgements_of(rows, source, "row", self.duplicates)
        return self._judgements[split]

    def _rows(
        self, name: str, config: str | None, split: str | None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        if split is None:  # corpus and queries have one split, whatever it is called
            split = self._ask(lambda hub: hub.get_dataset_split_names(name, config))[0]
        rows = self._ask(lambda hub: hub.load_dataset(name, config, split=split, streaming=True))
        for number, row in enumerate(self._ask(lambda hub: iter(rows)), start=1):
            yield f"{self.origin}, {config or 'qrels'} {split}, row {number}", row

    def _ask(self, question: Callable[[Any], Any]) -> Any:
        import datasets  # noqa: PLC0415  (comes with pyserini, and takes a second to import)

        try:
            return question(datasets)
        except Exception as error:  # whatever its download raises
            reason = f"{type(error).__name__}: {error}"
            raise I3Error(
                f"{self.origin}: could not be read ({reason:.300}); offline? {INSTEAD}"
            ) from error


def language_in(name: str) -> str | None:
    """The language that the id of a data set names; None if it names none."""
    found = IN_LANGUAGES.match(name.lower())
    return found["code"] if found else None


def _judgement(row: dict[str, Any], place: str) -> tuple[Any, Any, Any]:
    """Query id, passage id and level of a row."""
    query, passage, level = (find(names, row) for names in (QUERY_ID, PASSAGE_ID, LEVEL))
    if query is None or passage is None:
        raise I3Error(
            f"{place}: no field {' or '.join(QUERY_ID)}, or none {' or '.join(PASSAGE_ID)}; it has "
            f"{listed(row)}"
        )
    return row[query], row[passage], 1 if level is None else row[level]


def _passage(row: dict[str, Any], place: str) -> Passage:
    try:
        return PassageFields().passage(row)
    except I3Error as error:
        raise I3Error(f"{place}: {error}") from error
