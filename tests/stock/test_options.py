"""Our versions of Pyserini's command lines have its options, or say why not.

Its parsers are read from the source of the installed Pyserini, 1.6 or 2.4.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import pytest

from i3_pyserini.encode.__main__ import SWITCHES, make_parsers
from i3_pyserini.errors import I3Error
from i3_pyserini.search.__main__ import make_parser
from i3_pyserini.stock import encoders, options
from tests.conftest import Run
from tests.stock import sources

ENCODE, SEARCH = "encode/__main__.py", "search/faiss/__main__.py"
NEEDED = {
    "input": ("--corpus", "c"),
    "output": ("--embeddings", "e"),
    "encoder": ("--encoder", "m"),
    "search": ("--topics", "t", "--output", "o"),
}
# Values that Pyserini's source does not list as choices.
VALUES: dict[str, tuple[str, ...]] = {
    "--output-format": sources.values("output_writer.py", "OutputFormat"),
    "--topics-format": sources.values("query_iterator.py", "TopicsFormat"),
    "--prf-method": ("avg", "rocchio", "ance-prf"),
    "--searcher": ("simple", "bpr"),
    "--faiss-device": ("cpu", "cuda:0"),
}


def refused(parser: argparse.ArgumentParser, words: list[str], reasons: Mapping[str, str]) -> bool:
    """Whether a parser refuses an option, with the table's reason; fails if it exits otherwise."""
    try:
        parser.parse_args(words)
    except I3Error as error:
        option = next(word for word in words[::-1] if word.startswith("--"))
        assert option in str(error) and reasons[option] in str(error)
        return True
    except SystemExit as error:
        raise AssertionError(f"{words}: neither accepted nor refused with a reason") from error
    return False


def check(
    stock: list[sources.Option],
    parsers: Mapping[str, argparse.ArgumentParser],
    reasons: Mapping[str, str],
) -> None:
    found = set()
    for option in stock:
        section = option.parser.removesuffix("_parser")
        section = section if section in parsers else "search"
        values = [[]] if option.is_switch else [["1"]]
        if choices := option.choices or VALUES.get(option.name, ()):
            values = [[value] for value in choices]
        for value in values:
            words = [*NEEDED[section], option.name, *value]
            if refused(parsers[section], words, reasons):
                found.add(option.name)
    assert found == set(reasons)  # nothing is in the table that Pyserini lacks, or that we support


def test_encoding_has_pyserini_s_options() -> None:
    stock = sources.options(ENCODE)
    assert len(stock) > 20 and {"--shard-id", "--fp16"} <= {option.name for option in stock}
    check(stock, make_parsers(), options.ENCODE)
    switches = {option.name for option in stock if option.is_switch}
    assert switches <= SWITCHES


def test_search_has_pyserini_s_options() -> None:
    stock = sources.options(SEARCH)
    assert len(stock) > 40 and {"--hits", "--ef-search"} <= {option.name for option in stock}
    check(stock, {"search": make_parser()}, options.SEARCH)


@pytest.mark.parametrize("option", ["--multimodal", "--max-length=9", "--searcher=bpr"])
def test_a_refusal_is_one_line(option: str, run_module: Run) -> None:
    done = run_module("i3_pyserini.search", "--topics", "t", "--output", "o", option)
    name = option.split("=", maxsplit=1)[0]
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert options.SEARCH[name] in done.stderr


def test_a_dimension_is_compared(tiny_bert: str, tmp_path: Path, run_module: Run) -> None:
    corpus = tmp_path / "c.jsonl"
    corpus.write_text('{"id": "d", "text": "boil an egg"}', encoding="utf-8")
    sections = ("input", "--corpus", corpus, "output", "--embeddings", tmp_path / "e", "encoder")
    done = run_module("i3_pyserini.encode", *sections, "--encoder", tiny_bert, "--dimension", "768")
    assert done.returncode == 2
    assert "--dimension 768" in done.stderr and "32 components" in done.stderr


def test_words_in_paths() -> None:
    maps = ("document_encoder_class_map", "query_encoder_class_map")
    stock = {word for name in maps for word in sources.keys("encode/__init__.py", name)}
    for path in (ENCODE, SEARCH, "encode/query.py", "search/faiss/_searcher.py"):
        stock |= set(sources.looked_for(path))
    assert {"openai-api", "dkrr", "sentence", "unicoil", "bpr"} <= stock
    ours = {*encoders.ALWAYS, *encoders.WITHOUT_CLASS}
    assert [word for word in sorted(stock) if not encoders.trap_words(word)] == []
    assert [word for word in sorted(ours) if not any(word in other for other in stock)] == []
