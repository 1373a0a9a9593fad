"""What the passages of a diff say: a line of text each, and the words of their pseudo-queries."""

import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from i3_pyserini.errors import I3Error
from i3_pyserini.eval.diff import Shown
from i3_pyserini.formats.textstore import TextStore, open_store

if TYPE_CHECKING:
    from i3_pyserini.search.serve.words import PseudoQueryWords

LENGTH = 60  # characters of a passage
WORDS = 6


class PassageTexts:
    """Passages of a collection, in readable form.

    Args:
        collection: a corpus as `open_store` takes it; its texts stay on disk.
        cache: folder for the text store; None for the one that the collection is in.
        words: of pseudo-queries; None for none.
    """

    def __init__(
        self, collection: Path, cache: Path | None = None, words: "PseudoQueryWords | None" = None
    ) -> None:
        self._collection, self._cache, self._words = collection, cache, words
        self._told: dict[str, Shown] = {}

    @cached_property
    def _store(self) -> TextStore:
        """Opened at the first passage: building it takes minutes, and a run may be refused."""
        return open_store(self._collection, self._cache)

    def show(self, passage: str) -> Shown:
        """What the passage with this id says.

        Raises:
            I3Error: the collection has none, or cannot be read.
        """
        if passage not in self._told:
            self._told[passage] = self._look_up(passage)
        return self._told[passage]

    def _look_up(self, passage: str) -> Shown:
        found = self._store.get(passage)
        if found is None:
            raise I3Error(
                f"{self._collection}: no passage {passage!r}, which a run ranks; name the "
                "collection that was searched"
            )
        titled = found.title and found.title != passage  # an id need not be said again
        text = f"{found.title}: {found.text}" if titled else found.text
        words = self._words.of(found.text, found.title)[:WORDS] if self._words else []
        return Shown(one_line(text, LENGTH), [word for word, _ in words])


def load_words(model: str) -> "PseudoQueryWords":
    """The pseudo-query words of a model.

    Raises:
        I3Error: it is no I³ model with a reconstructor.
    """
    from i3_pyserini.search.serve.words import PseudoQueryWords  # noqa: PLC0415  (torch)

    if Path(model).is_dir() and not (Path(model) / "config.json").is_file():
        raise I3Error(f"{model}: no config.json in this folder; name a model's directory")
    words = PseudoQueryWords(model, {})
    if words.absent:
        raise I3Error(f"{model}: {words.absent} Leave out --model")
    return words


def one_line(text: str, length: int) -> str:
    """The beginning of a text on one line, without characters that a terminal would obey."""
    line = " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", text).split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"
