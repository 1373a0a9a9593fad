"""The start of the search page: the name of the collection, and example queries."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.passages import collection_name
from i3_pyserini.formats.textstore import TextStore
from i3_pyserini.formats.topics import topics_of_file
from i3_pyserini.serve.markup import without_markup

EXAMPLES = 6
READ = 200  # topics of a file that are looked at
LONGEST = 70  # characters of an example
WORDS = 7  # of a text without title
TOPICS = ("topics*", "queries*")
FORMATS = (".tsv", ".csv", ".jsonl")
# The names of splits that are for looking at come before the one that models are trained on.
LAST = "train"
GENERAL = ("corpus", "raw", "data", "passages", "collection", "documents", "chunks")


@dataclass(frozen=True)
class Examples:
    """Queries to try.

    Attributes:
        queries: the queries, `EXAMPLES` at most.
        source: where they are from, for the page.
    """

    queries: list[str]
    source: str


def name_of(corpus: Path) -> str:
    """The name of a collection: its manifest's, or else the first telling name in its path."""
    known = collection_name(corpus)
    if known:
        return known
    path = corpus.resolve()
    names = [path.name.split(".")[0], *(parent.name for parent in path.parents)]
    return next((name for name in names if name and name.lower() not in GENERAL), path.name)


def find_examples(corpus: Path, store: TextStore) -> Examples:
    """Examples of queries: topics beside the corpus, or else titles or first words of passages.

    Args:
        corpus: the corpus.
        store: its passages.
    """
    for path in _topics_files(corpus):
        try:
            topics = list(islice(topics_of_file(path), READ))
        except I3Error as error:
            note(f"no example queries from topics: {error}")
            continue
        queries = _spread(_usable(topic.query for topic in topics))
        if queries:
            return Examples(queries, f"from {path.name}, beside the corpus")
    count = len(store)
    step = max(1, count // (EXAMPLES * 4))
    passages = [store.slice(row, row + 1)[0] for row in range(step // 2, count, step)]
    titles = _spread(_usable(passage.title or "" for passage in passages))
    if titles:
        return Examples(titles, "titles of passages from all parts of the collection")
    beginnings = (" ".join(without_markup(one.text).split()[:WORDS]) for one in passages)
    return Examples(
        _spread(_usable(beginnings)), "the first words of passages from all parts of the collection"
    )


def _topics_files(corpus: Path) -> list[Path]:
    """Topics beside the corpus, or beside the folder that it is in; those of training last."""
    path = corpus.resolve()
    folders = [path.parent, path.parent.parent] if path.is_file() else [path, path.parent]
    found = [
        file
        for folder in folders
        for pattern in TOPICS
        for file in sorted(folder.glob(pattern))
        if file.is_file() and file.suffix in FORMATS and file != path
    ]
    return sorted(found, key=lambda file: LAST in file.name)


def _usable(texts: Iterable[str]) -> list[str]:
    """Different texts that are neither empty nor long."""
    plain = (without_markup(text) for text in texts)
    return [text for text in dict.fromkeys(plain) if 0 < len(text) <= LONGEST]


def _spread(texts: list[str]) -> list[str]:
    """`EXAMPLES` texts at equal distances."""
    count = min(EXAMPLES, len(texts))
    return [texts[number * len(texts) // count] for number in range(count)]
