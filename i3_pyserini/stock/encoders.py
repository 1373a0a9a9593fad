"""How stock Pyserini chooses an encoder: by its tables, and by words in the encoder's path.

Pyserini 1.6 and 2.4 look for names anywhere in the path (`pyserini/encode/__main__.py` and
`pyserini/search/faiss/__main__.py`, `init_encoder` and `init_query_encoder`).
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from i3_pyserini.errors import I3Error
from i3_pyserini.stock.java import set_java
from i3_pyserini.stock.offline import allow_no_network, run_stock

# Where packages say which encoders they have: the group that docs/upstream proposes to Pyserini.
GROUP = "pyserini.encoders"
OURS = EntryPoint("i3", "i3_pyserini.encode.encoders", GROUP)  # as in pyproject.toml

# These change the vectors even where --encoder-class auto is given.
ALWAYS = ("clip", "dse")
# These pick another class unless --encoder-class is given.
WITHOUT_CLASS = (
    "dkrr",
    "dpr",
    "bpr",
    "tct",
    "ance",
    "sentence",
    "contriever",
    "auto",
    "aggretriever",
    "openai",
    "arctic",
    "uniir",
    "qwen3",
    "mmeb",
    "splade",
    "unicoil",
)


def trap_words(path: object, words: tuple[str, ...] = ALWAYS + WITHOUT_CLASS) -> list[str]:
    """Those of the words that a path contains, in any case."""
    lower = str(path).lower()
    return [word for word in words if word in lower]


def encoders() -> list[EntryPoint]:
    """The encoders of installed packages, ours among them; nothing is imported.

    An entry point names an object, usually a module, with the attributes
    `document_encoder_class` or `query_encoder_class`, or both.
    """
    # Ours is there even if the package is only on the path, or was installed before it had one.
    return list(dict.fromkeys([OURS, *entry_points(group=GROUP)]))


def run_with_encoders(command: str, arguments: Sequence[str]) -> None:
    """Runs a stock command in this process, with the encoders of installed packages.

    Args:
        command: its module, such as "pyserini.encode".
        arguments: of its command line.

    Raises:
        I3Error: there is no Java that Pyserini can start, or an encoder cannot be loaded.
    """
    known = encoders()
    set_java()
    allow_no_network()
    from pyserini import encode  # noqa: PLC0415  (starts Java)

    for of in ("document_encoder_class", "query_encoder_class"):
        own = getattr(encode, f"{of}_map")
        if type(own) is dict:  # with docs/upstream's patch Pyserini does the same by itself
            setattr(encode, f"{of}_map", _Classes(own, of, known))
    with _accepted(dict.fromkeys(entry.name for entry in known)):
        run_stock(command, arguments)


class _Classes(dict[str, Any]):
    """Pyserini's table of classes; a package's class is imported when it is looked up.

    Pyserini looks for the names of its table in the encoder's path, so they are only its own.
    """

    def __init__(self, own: dict[str, Any], of: str, known: Sequence[EntryPoint]) -> None:
        super().__init__(own)
        self._of, self._known = of, known

    def __missing__(self, name: str) -> Any:
        found = [entry for entry in self._known if entry.name == name]
        if not found:
            raise KeyError(name)
        if len(found) > 1:
            packages = " and ".join(entry.value for entry in found)
            raise I3Error(
                f"several packages have an encoder {name!r}: {packages}; keep one of them"
            )
        try:
            return getattr(found[0].load(), self._of)
        except (ImportError, AttributeError) as error:
            raise I3Error(
                f"encoder {name!r} cannot be loaded: {found[0].value}: {error}"
            ) from error


@contextmanager
def _accepted(names: Iterable[str]) -> Iterator[None]:
    """Lets `--encoder-class` of any parser be one of these: Pyserini's choices are fixed."""
    add_argument = argparse.ArgumentParser.add_argument

    def wrapper(self: argparse.ArgumentParser, *flags: str, **options: Any) -> argparse.Action:
        if "--encoder-class" in flags and "choices" in options:
            options["choices"] = list(dict.fromkeys([*options["choices"], *names]))
        action: argparse.Action = add_argument(self, *flags, **options)
        return action

    argparse.ArgumentParser.add_argument = wrapper  # type: ignore[method-assign,assignment]  # put back below
    try:
        yield
    finally:
        argparse.ArgumentParser.add_argument = add_argument  # type: ignore[method-assign]
