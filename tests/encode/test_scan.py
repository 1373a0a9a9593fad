import json
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from i3_pyserini.encode.scan import Shard, hash_of, scan, shard_lines
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.passages import Corpus

# What stands between two passages: line ends of two kinds, blank lines; text of one to four bytes
# a letter, shorter and longer than a shard's range.
GAPS = st.sampled_from(["\n", "\r\n", "\n\n", "\n  \n", "\r\n\r\n"])
TEXTS = st.text(alphabet="ab\u00e9\u2028\u6f22\U0001f95a", max_size=40) | st.just("long " * 40)
FILES = st.lists(st.lists(st.tuples(TEXTS, GAPS), max_size=6), min_size=1, max_size=3)


def write(folder: Path, files: list[list[tuple[str, str]]], end: bool, mark: bool) -> Corpus:
    folder.mkdir(exist_ok=True)
    number = 0
    for name, passages in enumerate(files):
        content = b"\xef\xbb\xbf" if mark else b""
        for text, gap in passages:
            record = {"id": str(number), "text": text}
            content += (json.dumps(record, ensure_ascii=False) + gap).encode()
            number += 1
        (folder / f"{name}.jsonl").write_bytes(content if end else content.rstrip(b"\r\n "))
    return Corpus(folder)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(FILES, st.booleans(), st.booleans(), st.integers(1, 9))
def test_every_line_is_in_one_shard(
    tmp_path: Path, files: list[list[tuple[str, str]]], end: bool, mark: bool, number: int
) -> None:
    for old in (tmp_path / "corpus").glob("*"):
        old.unlink()
    corpus = write(tmp_path / "corpus", files, end, mark)
    shards = [list(shard_lines(corpus, Shard(one, number))) for one in range(number)]
    together = [line for lines in shards for _, line in lines]
    assert b"".join(together) == b"".join(
        file.read_bytes().removeprefix(b"\xef\xbb\xbf") for file in corpus.files
    )
    read = [corpus.passage(line, p) for lines in shards for p, line in lines if line.strip()]
    assert [passage.docid for passage in read] == [str(n) for n in range(sum(map(len, files)))]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(FILES, st.booleans(), st.integers(1, 5))
def test_parts_are_the_passages(
    tmp_path: Path, files: list[list[tuple[str, str]]], end: bool, size: int
) -> None:
    for old in (tmp_path / "corpus").glob("*"):
        old.unlink()
    corpus = write(tmp_path / "corpus", [*files, [("last", "\n")]], end, mark=False)
    found = scan(corpus, part_passages=size)
    read = [list(islice(corpus.read(part.start), part.passages)) for part in found.parts]
    assert [passage for part in read for passage in part] == list(corpus)
    assert {len(part) for part in read[:-1]} <= {size}
    assert found.passages == len(list(corpus))
    assert found.sha256 == hash_of(corpus, Shard())


def test_bad_line_is_named_by_its_number_in_the_file_in_every_shard(tmp_path: Path) -> None:
    lines = [json.dumps({"id": str(n), "text": "x" * 50}) for n in range(90)]
    lines[80] = '{"id": "80"}'
    (tmp_path / "a.jsonl").write_text("\n".join(lines[:40]) + "\n", encoding="utf-8")
    (tmp_path / "b.jsonl").write_text("\n".join(lines[40:]) + "\n", encoding="utf-8")
    corpus = Corpus(tmp_path)
    for shard in range(3):
        scan(corpus, Shard(shard, 4))
    with pytest.raises(I3Error, match=r"b\.jsonl, line 41: no text"):
        scan(corpus, Shard(3, 4))


def test_id_that_occurs_again_far_away_is_named(tmp_path: Path) -> None:
    lines = [json.dumps({"id": str(n % 2999), "text": ""}) + "\n" for n in range(3000)]
    (tmp_path / "a.jsonl").write_text("".join(lines[:2000]), encoding="utf-8")
    (tmp_path / "b.jsonl").write_text("\n" + "".join(lines[2000:]), encoding="utf-8")
    with pytest.raises(I3Error, match=r"b\.jsonl, line 1001: id '0' occurs a second time"):
        scan(Corpus(tmp_path))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"id": "\\ud800", "text": ""}', "the id: a lone surrogate"),
        ('{"id": "1", "text": "egg \\udc00"}', "field 'text': a lone surrogate"),
        ('{"id": "a\\u2028b", "text": ""}', "is empty or contains white space"),
        ('{"id": "a\\u00a0b", "text": ""}', "is empty or contains white space"),
    ],
)
def test_characters_that_files_cannot_hold_are_refused(
    tmp_path: Path, line: str, said: str
) -> None:
    (tmp_path / "c.jsonl").write_text('{"id": "0", "text": ""}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(I3Error, match=f"line 2: .*{said}"):
        scan(Corpus(tmp_path / "c.jsonl"))
