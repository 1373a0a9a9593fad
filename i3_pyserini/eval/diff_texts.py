"""The texts of passages in a diff, one line each, and their pseudo-query words."""

import re
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from i3_pyserini.errors import I3Error
from i3_pyserini.eval.diffing import Shown
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.textstore import TextStore, open_store

# From text and title to the pseudo-query words of a passage, highest weight first.
WordsOf = Callable[[str, str | None], list[str]]

LENGTH = 60  # characters of a passage
WORDS = 6


class PassageTexts:
    """Passages of a collection, in readable form.

    Args:
        collection: a corpus, or its file or folder; its texts stay on disk.
        cache: folder for the text store; None for the folder of the collection.
        words: function that returns the words of a pseudo-query; None for no words.
        length: maximum characters of a text.
    """

    def __init__(
        self,
        collection: Path | Corpus,
        cache: Path | None = None,
        words: WordsOf | None = None,
        length: int = LENGTH,
    ) -> None:
        self._path = collection if isinstance(collection, Path) else collection.path
        self._collection, self._cache, self._words = collection, cache, words
        self._length = length
        self._told: dict[str, Shown] = {}

    @cached_property
    def _store(self) -> TextStore:
        """Opened at the first passage, since building it takes minutes and a run may be invalid."""
        return open_store(self._collection, self._cache)

    def show(self, passage: str) -> Shown:
        """The text of a passage.

        Raises:
            I3Error: the collection does not contain it, or cannot be read.
        """
        if passage not in self._told:
            self._told[passage] = self._look_up(passage)
        return self._told[passage]

    def _look_up(self, passage: str) -> Shown:
        found = self._store.get(passage)
        if found is None:
            raise I3Error(
                f"{self._path}: no passage {passage!r}, which a run ranks; give the collection "
                "that was searched"
            )
        titled = found.title and found.title != passage  # the id is already shown
        text = f"{found.title}: {found.text}" if titled else found.text
        words = self._words(found.text, found.title)[:WORDS] if self._words else []
        return Shown(one_line(text, self._length), words)


def one_line(text: str, length: int) -> str:
    """The beginning of a text on one line, without control characters."""
    line = " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", text).split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"
