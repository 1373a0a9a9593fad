"""The pseudo-query words in a passage vector."""

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
    """Pseudo-query words; the passage encoder is loaded on first use.

    Args:
        model: a model directory or hub name.
        manifest: the index manifest, which records the encoded fields.

    Attributes:
        absent: the reason why there are no words; empty otherwise.
    """

    def __init__(self, model: str, manifest: IndexManifest) -> None:
        self.absent = _why_absent(model)
        self._model, self._with_titles = model, manifest.titles is not False
        self._lock = threading.Lock()
        self._loaded: Any = None

    def of(self, text: str, title: str | None) -> list[tuple[str, float]]:
        """Words and weights, highest weight first; empty if there are none."""
        return [] if self.absent else [(one.word, one.weight) for one in self.found(text, title)]

    def found(self, text: str, title: str | None) -> "list[PseudoQueryWord]":
        """The words from the model."""
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
        return "This model's query reconstructor was never trained: its words are not shown."
    return ""


def _i3_fields(model: str) -> dict[str, Any]:
    """The configuration of an I³ model; for others, that of a model without a reconstructor."""
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
    """The pseudo-query words of a model.

    Raises:
        I3Error: it is not an I³ model with a reconstructor.
    """
    if Path(model).is_dir() and not (Path(model) / "config.json").is_file():
        raise I3Error(f"{model}: no config.json in this folder; expected a model directory")
    words = PseudoQueryWords(model, IndexManifest())
    if words.absent:
        raise I3Error(f"{model}: {words.absent} Omit --model")
    return words
