"""Removes HTML markup from texts."""

import re
from collections.abc import Mapping
from html import unescape

# Elements whose content is no text.
DROPPED = ("iframe", "noscript", "script", "style", "svg", "template")
# Elements that stand within a line; all others end a word.
INLINE = """
a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label mark q ruby s samp small
span strike strong sub sup time tt u var wbr
"""
BLOCKS = """
address area article aside audio base basefont blockquote body br button canvas caption center col
colgroup datalist dd details dialog dir div dl dt embed fieldset figcaption figure footer form frame
frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html img input legend li link main map menu meta
meter nav object ol optgroup option output p param picture pre progress rp rt search section select
slot source summary table tbody td textarea tfoot th thead title tr track ul video
"""
ELEMENTS = frozenset((*DROPPED, *INLINE.split(), *BLOCKS.split()))
IN_LINE = frozenset(INLINE.split())
# Neither a tag nor a quoted value in it has a `<`, so that each character is read once.
MARKUP = re.compile(
    r"""<!--|<!\[CDATA\[|<!doctype\b[^<>]*>"""
    r"""|<(?P<end>/?)(?P<tag>[a-z][a-z0-9]*)(?:[\s/](?:[^<>"']|"[^"<]*"|'[^'<]*')*)?>""",
    re.IGNORECASE,
)
ENDINGS = {"<!--": "-->", "<![CDATA[": "]]>"}


def strip_html(text: str) -> str:
    """A text without HTML markup.

    Scripts, styles and comments are removed, elements such as `<p>` and `<br>` become a space,
    entities such as `&amp;` their characters, and white space is one space. What only looks like
    markup, such as `<unknown>`, stays. Entities that stand for markup (`&lt;p&gt;`) are resolved
    once: `<p>`. A text with a script or style that is not closed stays as it is.

    Args:
        text: a text with or without markup.

    Returns:
        The text itself if it has neither `<` nor `&`.
    """
    if "<" not in text and "&" not in text:
        return text
    pieces: list[str] = []
    last = {ending: text.rfind(ending) for ending in ENDINGS.values()}
    at = elements = 0
    while found := MARKUP.search(text, at):
        pieces.append(unescape(text[at : found.start()]))
        end = _end(text, found, last)
        if end is None and found["tag"]:
            return text
        shown = found[0] if end is None else _shown(text, found, end)
        pieces.append(shown)
        elements += shown != found[0]
        at = found.end() if end is None else end
    pieces.append(unescape(text[at:]))
    stripped = "".join(pieces)
    return " ".join(stripped.split()) if elements else stripped


def _end(text: str, found: re.Match[str], last: Mapping[str, int]) -> int | None:
    """Where markup ends, with the content that is not shown; None if it does not."""
    tag = (found["tag"] or "").lower()
    if tag in DROPPED and not found["end"] and not found[0].endswith("/>"):
        closing = re.compile(rf"</{tag}\s*>", re.IGNORECASE).search(text, found.end())
        return closing.end() if closing else None
    ending = ENDINGS.get(found[0].upper())
    if ending is None:
        return found.end()
    if found.end() > last[ending]:
        return None
    return text.index(ending, found.end()) + len(ending)


def _shown(text: str, found: re.Match[str], end: int) -> str:
    """What is left of markup: a space, nothing, or what only looks like markup."""
    if found["tag"] is None:
        cdata = found[0].startswith("<![")
        return text[found.end() : end - len("]]>")] if cdata else ""
    tag = found["tag"].lower()
    if tag not in ELEMENTS:
        return found[0]
    return "" if tag in IN_LINE else " "
