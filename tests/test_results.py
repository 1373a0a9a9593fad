"""What README.md and some pages quote was measured: their figures against `benchmarks/results`.

A comment `<!-- results: NAME, NAME -->` ends a block that begins at its heading or at the comment
before. Every number of the block must be a figure of these records, rounded, or one of their set-up
numbers, or of a figure's name; numbers of one digit (ranks, seeds, cores), versions, commands and
lines of a training log are not looked at. Blocks of `PAGES` without a comment may have no number
with a decimal point; those of `PARTS` may: settings, examples, and what was measured before there
were records.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from benchmarks.leaderboard import PAGE, page
from benchmarks.record import (
    RESULTS,
    Figure,
    Machine,
    Record,
    load,
    load_all,
    measured_now,
    save,
    this_machine,
    without_folder,
)
from i3_pyserini.errors import I3Error

ROOT = Path(__file__).parents[1]
PAGES = (
    "README.md",
    "docs/explanation/limits.md",
    "docs/explanation/reliability.md",
    "docs/how-to/onnx.md",
    "docs/results/speed.md",
)
PARTS = (
    "docs/explanation/provenance.md",
    "docs/how-to/changing-collections.md",
    "docs/how-to/data.md",
    "docs/how-to/encoding.md",
    "docs/how-to/engines.md",
    "docs/how-to/http.md",
    "docs/how-to/languages.md",
    "docs/how-to/long-documents.md",
    "docs/how-to/lucene.md",
    "docs/how-to/serve.md",
    "docs/how-to/training.md",
    "docs/tutorials/own-collection.md",
)
# Pages whose tables are made of a record, and compared with it by other tests.
MADE = ("docs/how-to/approximate-indexes.md", "docs/results/scale.md")
RECORDS = load_all()
MARK = re.compile(r"^<!-- results: (.+) -->$", re.MULTILINE)
HEADING = re.compile(r"^#{1,3} ", re.MULTILINE)
# What looks like a figure and is none; `p < .05` is a level that was chosen.
OTHER = re.compile(
    r"^\$ .*$|^step \d+: epoch.*$|`[^`\n]+`|\d{4}-\d\d-\d\d"
    r"|(?:Python|Pyserini) \d\.\d+(?:\.\d+)?|\d+\.\d+\.\d+\S*|arXiv \S+|p < \.\d+"
    r"|\(docs/\S+\)|\bDL \d{4}(?: and \d{4})?|\b\d+ layers|95% interval|< 0\.001\b",
    re.MULTILINE,
)
NUMBER = re.compile(
    r"(?<![\w@./-])-?(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)(?![\w-]|[.,]\d)"
)


def blocks(text: str) -> list[tuple[str, list[str], str]]:
    """Heading, names of records (none without a comment) and text of each block."""
    found = []
    for section in HEADING.split(text)[1:]:
        heading, _, rest = section.partition("\n")
        *marked, last = MARK.split(rest)
        for body, names in zip(marked[::2], marked[1::2], strict=True):
            found.append((heading, names.split(", "), body))
        found.append((heading, [], last))
    return found


def numbers(text: str) -> list[str]:
    """The numbers of a block that must have been measured or chosen."""
    found = NUMBER.findall(OTHER.sub(" ", text.replace("*", "")))  # * is for significance
    return [word for word in found if "." in word or abs(int(word.replace(",", ""))) > 9]


def unrecorded(text: str, records: Mapping[str, Record]) -> list[str]:
    """The numbers of a block that no record has."""
    known = [
        (value, figure.digits)
        for record in records.values()
        for figure in record.figures
        for value in figure.values
    ]
    chosen = {value for record in records.values() for value in record.setup.values()}
    named = (
        word for record in records.values() for one in record.figures for word in _in(one.name)
    )
    chosen |= {float(word.replace(",", "")) for word in named}
    return [word for word in numbers(text) if not _is_known(word, known, chosen)]


def _in(name: str) -> list[str]:
    """The numbers in a figure's name, such as those of "10,000 passages, k=1000"."""
    return re.findall(r"(?<![\w.])\d[\d,]*(?![\w.])", name)


def _is_known(word: str, known: list[tuple[float, int]], chosen: set[float]) -> bool:
    number, digits = float(word.replace(",", "")), len(word.partition(".")[2])
    if number in chosen:
        return True
    return any(
        digits <= exact and abs(value - number) <= 0.5 * 10**-digits + 1e-9
        for value, exact in known
    )


def blocks_of(pages: tuple[str, ...]) -> list[tuple[str, list[str], str]]:
    """The blocks of pages."""
    return [one for name in pages for one in blocks((ROOT / name).read_text(encoding="utf-8"))]


BLOCKS = blocks_of(PAGES)
COVERED = [block for block in [*BLOCKS, *blocks_of(PARTS)] if block[1]]


@pytest.mark.parametrize("block", COVERED, ids=lambda block: f"{block[0]}: {', '.join(block[1])}")
def test_every_figure_of_the_readme_was_measured(block: tuple[str, list[str], str]) -> None:
    _, names, text = block
    missing = [name for name in names if name not in RECORDS]
    assert not missing, f"no benchmarks/results/{missing[0]}.json"
    records = {name: RECORDS[name] for name in names}
    assert unrecorded(text, records) == []
    assert all(numbers(_only_figures_of(record, text)) for record in records.values())


def _only_figures_of(record: Record, text: str) -> str:
    """Those numbers of a block that this record has, so that no record is named in vain."""
    return " ".join(word for word in numbers(text) if not unrecorded(word, {"": record}))


@pytest.mark.parametrize("block", COVERED, ids=lambda block: f"{block[0]}: {', '.join(block[1])}")
def test_a_changed_figure_is_noticed(block: tuple[str, list[str], str]) -> None:
    _, names, text = block
    records = {name: RECORDS[name] for name in names}
    # Whole numbers may be set-up's, so those with decimals are changed where there are any.
    figures = [word for word in numbers(text) if "." in word] or numbers(text)
    noticed = 0
    for word in figures:
        digits = len(word.partition(".")[2])
        value = float(word.replace(",", ""))
        far, near = (f"{value + step:.{digits}f}" for step in (7000, 10**-digits))
        assert unrecorded(text.replace(word, far), records)
        noticed += near in unrecorded(near, records)
    assert noticed >= 0.5 * len(figures) > 0  # a last digit more may be another figure


@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if not block[1]], ids=lambda block: block[0]
)
def test_no_figure_stands_without_a_record(block: tuple[str, list[str], str]) -> None:
    heading, _, text = block
    found = [word for word in numbers(text) if "." in word]
    assert not found, f"{heading}: name the record below {found[0]}"


def test_pages_name_records() -> None:
    assert all(any(block[1] for block in blocks_of((page,))) for page in PAGES + PARTS)
    pages = (ROOT / "docs").rglob("*.md")
    marked = {path for path in pages if MARK.search(path.read_text(encoding="utf-8"))}
    assert marked | {ROOT / "README.md"} == {ROOT / name for name in PAGES + PARTS + MADE}


def test_the_page_is_what_the_records_say() -> None:
    made = PAGE.read_text(encoding="utf-8")
    assert made == page(RECORDS), "python -m benchmarks.leaderboard makes it anew"


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("--folder", "--folder"),
        ("/data/msmarco/corpus.jsonl", "corpus.jsonl"),
        ("../data/topics.tsv", "topics.tsv"),
        ("--output=/data/out", "--output=out"),
        ("i3_pyserini/search/index/measured.json", "i3_pyserini/search/index/measured.json"),
    ],
)
def test_a_record_does_not_say_where_its_machine_keeps_files(word: str, shown: str) -> None:
    assert without_folder(word) == shown


def test_no_record_does() -> None:
    for name, record in RECORDS.items():
        assert all(without_folder(word) == word for word in record.command.split()), name


def test_every_command_of_a_record_exists() -> None:
    for name, record in RECORDS.items():
        module = re.search(r"(?:-m |python )(benchmarks[./][\w.]+)", record.command)
        if module:
            path = module[1].removesuffix(".py").replace(".", "/")
            assert (ROOT / f"{path}.py").is_file(), name


RECORD = Record(
    about="a",
    command="python",
    date="2026-01-01",
    versions={},
    machine=Machine(),
    data="d",
    repetitions="once",
    setup={"passages": 1000},
    figures=[
        Figure(name="speed", value=6.349, unit="times", digits=3, low=-5.5, high=6.75),
        Figure(name="time", unit="s", digits=0, low=11, high=16),
    ],
)


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("6.3 times, 6.35, 6.349 and 6", []),
        ("6.4 times", ["6.4"]),
        ("6.3490 times", ["6.3490"]),  # more digits than were measured
        ("from -5.5 to 6.8", []),
        ("(5.5–6.7)", ["5.5"]),  # the sign counts
        ("11 to 16 s, of 1,000 passages", []),
        ("11 to 17 s, of 1,001 passages", ["17", "1,001"]),
        ("Python 3.12, torch 2.13.0+cpu, `--k 99.9`, nDCG@10, MiniLM-L6, p < .05, 2026-11-23", []),
        ("$ python --lr 0.123\nstep 10: epoch 1, loss 0.5\n", []),
        ("| .635 | .6349* |", [".635", ".6349"]),
    ],
)
def test_numbers_are_roundings(text: str, missing: list[str]) -> None:
    assert unrecorded(text, {"one": RECORD}) == missing


def test_a_record_is_what_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    save(path, RECORD)
    save(path, RECORD)
    assert load_all(tmp_path) == {"one": RECORD}
    assert [file.name for file in tmp_path.iterdir()] == ["one.json"]
    assert page({"one": RECORD}) == page(load_all(tmp_path))
    assert "| speed | 6.349 (-5.500 to 6.750) | times |" in page({"one": RECORD})
    assert "| time | 11 to 16 | s |" in page({"one": RECORD})


def test_machine_versions_and_command_are_noted() -> None:
    record = measured_now("a", "d", "once", {}, RECORD.figures)
    assert record.machine == this_machine()
    assert record.machine.cores
    assert record.versions["python"].startswith("3.")
    assert record.versions["torch"]
    assert record.command.startswith("python ")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('"digits": 3', '"digit": 3', "not a record: figures.0.digits: Field required"),
        ('"value": 6.349', '"value": "much"', "not a record: figures.0.value"),
        (
            '"high": 16.0',
            '"high": null',
            "not a record: figures.1: .*needs a value, or low and high",
        ),
        ('"name": "time"', '"name": "speed"', "two figures 'speed'"),
        ("{", "", "not a record"),
    ],
)
def test_mistakes_in_a_record_are_named(tmp_path: Path, before: str, after: str, said: str) -> None:
    path = tmp_path / "one.json"
    save(path, RECORD)
    path.write_text(path.read_text(encoding="utf-8").replace(before, after, 1), encoding="utf-8")
    with pytest.raises(I3Error, match=rf"one\.json: {said}"):
        load(path)


def test_a_missing_record_is_named() -> None:
    with pytest.raises(I3Error, match="cannot be read"):
        load(RESULTS / "none.json")
