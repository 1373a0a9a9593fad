"""The collection of `benchmarks.languages`: what is read of a manual page."""

import gzip
import json
from pathlib import Path

from benchmarks.languages import collection
from benchmarks.man_pages import read_pages

PAGE = r"""'\" t
.\" a comment
.ig
not this \- either
..
.TH LS 1 2022-09
.SH NAME
ls, \fBdir\fP \- list what is
in a \(lqdirectory\(rq
.SH "SYN\-OPSIS"
.BR ls (1) " [options]" \" another comment
.TP 8
\fB\-\-all\fP
\s-1ALL\s0 of it\&. It does list what is in a “directory” too.
.RE
"""
WORDS = " ".join(["more"] * 30)
CHINESE = f"""
.SH 名称
.Nm ls
.Nd 列出目录
.Sh 描述
列出目录的
内容
{WORDS}
"""


def written(folder: Path, name: str, source: str) -> None:
    path = folder / "man1" / f"{name}.1.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(source.encode()))


def test_words_of_a_page_without_its_line(tmp_path: Path) -> None:
    written(tmp_path, "ls", PAGE + WORDS)
    written(tmp_path, "dir", PAGE)  # short
    written(tmp_path, "vdir", ".so man1/ls.1\n")
    written(tmp_path, "nameless", PAGE.replace(" \\- list", " list") + WORDS)
    (tmp_path / "man1" / "link.1.gz").symlink_to("ls.1.gz")
    (page,) = read_pages(tmp_path)
    assert page.docid == "ls.1"
    assert page.query == "list what is in a “directory”"
    assert page.text == f"SYN-OPSIS ls(1) [options] --all ALL of it. It does too. {WORDS}"


def test_lines_without_blanks_are_joined_and_untranslated_pages_left_out(tmp_path: Path) -> None:
    source = tmp_path / "usr" / "share" / "man" / "zh_CN"
    written(source, "ls", CHINESE)
    written(source, "dir", CHINESE)
    written(source, "vdir", PAGE + WORDS)
    made = collection(tmp_path, "zh", tmp_path)
    assert (made.pages, made.queries) == (2, 1)
    assert made.topics.read_text(encoding="utf-8") == "1\t列出目录\n"
    assert made.qrels.read_text(encoding="utf-8") == "1 0 dir.1 1\n1 0 ls.1 1\n"
    texts = [json.loads(line)["text"] for line in made.corpus.open(encoding="utf-8")]
    assert texts == [f"描述 的内容 {WORDS}"] * 2
