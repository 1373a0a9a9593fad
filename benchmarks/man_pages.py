"""Manual pages as a collection with known items: the line that names a page should find the page.

Requests of roff are taken away as far as words need it; this is no formatter.
"""

import gzip
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import regex

from i3_pyserini.formats.scripts import UNSPACED, count_words

SHORT = 30  # words; pages with fewer refer to others
SKIPPED = re.compile(r"^[.'](?:ig|de1?|am)\b.*\n(?:.*\n)*?\.\.?\s*\n", re.MULTILINE)
SECTION = re.compile(r"""^\.S[Hh]\s+"?(.*?)"?\s*$""", re.MULTILINE)
REQUEST = re.compile(r"^[.']\s*(\S+)\s*(.*)$")
NAMED = re.compile(r"^.*?\s(?:-{1,3}|–|—)\s+(.+)$")
DESCRIBED = re.compile(r"^\.Nd\s+(.+)$", re.MULTILINE)
# Macros whose words are text; of other requests only settings follow.
TEXT = re.compile(r"[BIR]{1,2}|S[HSMBhs]|I?P|[A-Z][a-z]")
WIDTHS = re.compile(r"IP|TP|HP|RS|PD")
ESCAPE = re.compile(
    r"\\(?:f(?:\(..|\[[^]]*\]|.)|s[-+]?\d{1,2}|[hvwlLDoZ]'[^']*'|[nk](?:\(..|\[[^]]*\]|[-+]?.)"
    r"|\*(?:\(..|\[[^]]*\]|.)|(?P<two>\(..)|(?P<long>\[[^]]*\])|(?P<one>.))"
)
ONE = {"-": "-", "e": "\\", "\\": "\\", " ": " ", "~": " ", "0": " ", "'": "'", "`": "`", ".": "."}
SPECIAL = {
    "aq": "'",
    "cq": "’",
    "oq": "‘",
    "dq": '"',
    "lq": "“",
    "rq": "”",
    "en": "–",
    "em": "—",
    "hy": "-",
    "bv": "|",
    "ha": "^",
    "ti": "~",
    "rs": "\\",
    "at": "@",
    "co": "©",
    "ss": "ß",
    ":a": "ä",
    ":o": "ö",
    ":u": "ü",
    "'e": "é",
}
JOINED = re.compile(r"\s+")
# A line ends within a sentence there without a blank.
BREAK = regex.compile(rf"(?<=[{UNSPACED}，。、（）])\n(?=[{UNSPACED}，。、（）])")


class ManPage(NamedTuple):
    """A page.

    Attributes:
        docid: name and section, such as "ls.1".
        query: what the page is about, in a line, without its name.
        text: all its other sections, without that line.
    """

    docid: str
    query: str
    text: str


def read_pages(folder: Path) -> Iterator[ManPage]:
    """Pages that describe themselves in a line and have a text, in order of their names.

    Args:
        folder: of a language, with `man1/ls.1.gz` and others; links are skipped.
    """
    for path in sorted(folder.glob("man*/*.gz")):
        if path.is_symlink():
            continue
        source = gzip.decompress(path.read_bytes()).decode("utf-8", errors="replace")
        if (page := _page(path.name.removesuffix(".gz"), source)) is not None:
            yield page


def _page(docid: str, source: str) -> ManPage | None:
    parts = SECTION.split(SKIPPED.sub("", source))
    if len(parts) < 4:  # what precedes, two titles, a text
        return None
    query = _query(parts[2])
    if query is None:
        return None
    body = _plain(parts[3:]).replace(query, " ")
    text = JOINED.sub(" ", body).strip()
    return ManPage(docid, query, text) if count_words(text) >= SHORT else None


def _query(section: str) -> str | None:
    """What follows the dash of a page's first section."""
    if found := DESCRIBED.search(section):
        return _plain([found[1]]) or None
    found = NAMED.match(_plain([section]))
    return found[1].strip(" .。") or None if found else None


def _plain(sources: Iterable[str]) -> str:
    """The words of sources, in a line."""
    lines = [_line(line) for source in sources for line in source.split("\n")]
    text = "\n".join(line.strip() for line in lines if line.strip())
    return JOINED.sub(" ", BREAK.sub("", text)).strip()


def _line(line: str) -> str:
    found = REQUEST.match(line)
    if found is None:
        return ESCAPE.sub(_character, line)
    macro, words = found[1], re.sub(r'\s*\\".*$', "", found[2])
    if not TEXT.fullmatch(macro) or WIDTHS.fullmatch(macro):
        return ""
    between = "" if re.fullmatch(r"[BIR]{2}", macro) else " "
    given = re.findall(r'"([^"]*)"|(\S+)', words)
    return ESCAPE.sub(_character, between.join(quoted or bare for quoted, bare in given))


def _character(found: re.Match[str]) -> str:
    if found["one"]:
        return ONE.get(found["one"], "")
    name = (found["two"] or found["long"] or "")[1:].rstrip("]")
    if re.fullmatch(r"u[0-9A-F]{4,6}", name):
        return chr(int(name[1:], 16))
    return SPECIAL.get(name, "")
