"""The pseudo-query words behind a passage's vector."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.index import IndexManifest
from i3_pyserini.formats.records import read_object

if TYPE_CHECKING:
    from i3_pyserini.model.pseudo_query import PseudoQueryWord

WORDS = 12


class PseudoQueryWords:
    """Words of pseudo-queries; the model's passage side is read when they are first asked for.

    Args:
        model: a model directory or hub name.
        manifest: the index's, which says what of a passage was encoded.

    Attributes:
        absent: why there are none; empty if there are.
    """

    def __init__(self, model: str, manifest: IndexManifest) -> None:
        self.absent = _why_absent(model)
        self._model, self._with_titles = model, manifest.titles is not False
        self._lock = threading.Lock()
        self._loaded: Any = None

    def of(self, text: str, title: str | None) -> list[tuple[str, float]]:
        """Words and weights, the weightiest first; nothing where they are absent."""
        return [] if self.absent else [(one.word, one.weight) for one in self.found(text, title)]

    def found(self, text: str, title: str | None) -> "list[PseudoQueryWord]":
        """The words as the model gives them, where they are not absent."""
        from i3_pyserini.model.export import load_model_directory  # noqa: PLC0415  (seconds)
        from i3_pyserini.model.pseudo_query import explain  # noqa: PLC0415  (torch)

        with self._lock:
            if self._loaded is None:
                self._loaded = load_model_directory(self._model)
            model, tokenizer = self._loaded
            title = title if self._with_titles else None
            return explain(model, tokenizer, text, title, top=WORDS, memory="vector")


def _why_absent(model: str) -> str:
    config = _i3_fields(model)
    if config.get("interaction", "released") == "none":
        return "This model has no query reconstructor, so its vectors hold no pseudo-query words."
    if config.get("reconstructor_steps") == 0:
        return (
            "This model's query reconstructor was never trained: its words would mean nothing and "
            "are not shown."
        )
    return ""


def _i3_fields(model: str) -> dict[str, Any]:
    """An I³ model's configuration; of any other, that of a model without a reconstructor."""
    none = {"interaction": "none"}
    if Path(model).is_dir():  # the configuration's own class takes seconds to import
        try:
            fields = read_object(Path(model) / "config.json")
        except FileNotFoundError:
            return none
        return fields if fields.get("model_type") == "i3" else none
    from i3_pyserini.model.config import is_i3_model, load_i3_config  # noqa: PLC0415  (torch)

    return dict(load_i3_config(model).to_dict()) if is_i3_model(model) else none


def load_words(model: str) -> PseudoQueryWords:
    """The pseudo-query words of a model, whatever is encoded with it.

    Raises:
        I3Error: it is no I³ model with a reconstructor.
    """
    if Path(model).is_dir() and not (Path(model) / "config.json").is_file():
        raise I3Error(f"{model}: no config.json in this folder; name a model's directory")
    words = PseudoQueryWords(model, IndexManifest())
    if words.absent:
        raise I3Error(f"{model}: {words.absent} Leave out --model")
    return words
