"""How stock Pyserini chooses an encoder: by its tables, and by words in the encoder's path.

Pyserini 1.6 and 2.4 look for names anywhere in the path (`pyserini/encode/__main__.py` and
`pyserini/search/faiss/__main__.py`, `init_encoder` and `init_query_encoder`).
"""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from i3_pyserini.stock.java import set_java
from i3_pyserini.stock.offline import allow_no_network, run_stock

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


def run_with_encoders(
    command: str, arguments: Sequence[str], name: str, documents: type, queries: type
) -> None:
    """Runs a stock command in this process, with two more classes of encoders.

    Args:
        command: its module, such as "pyserini.encode".
        arguments: of its command line.
        name: of the classes, for `--encoder-class`.
        documents: encodes passages.
        queries: encodes queries.

    Raises:
        I3Error: there is no Java that Pyserini can start.
    """
    set_java()
    allow_no_network()
    from pyserini import encode  # noqa: PLC0415  (starts Java)

    _put_first(encode.document_encoder_class_map, name, documents)
    _put_first(encode.query_encoder_class_map, name, queries)
    with _accepted(name):
        run_stock(command, arguments)


def _put_first(table: dict[str, Any], name: str, encoder_class: type) -> None:
    """Before all others, whose names Pyserini looks for in the encoder's path one by one."""
    others = {key: value for key, value in table.items() if key != name}
    table.clear()
    table.update({name: encoder_class, **others})


@contextmanager
def _accepted(name: str) -> Iterator[None]:
    """Lets `--encoder-class` of any parser be this name, too: Pyserini's choices are fixed."""
    add_argument = argparse.ArgumentParser.add_argument

    def wrapper(self: argparse.ArgumentParser, *names: str, **options: Any) -> argparse.Action:
        if "--encoder-class" in names and "choices" in options:
            options["choices"] = [name, *options["choices"]]
        action: argparse.Action = add_argument(self, *names, **options)
        return action

    argparse.ArgumentParser.add_argument = wrapper  # type: ignore[method-assign,assignment]  # put back below
    try:
        yield
    finally:
        argparse.ArgumentParser.add_argument = add_argument  # type: ignore[method-assign]
