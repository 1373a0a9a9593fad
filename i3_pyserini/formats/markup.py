"""Removes HTML markup from texts."""

from html.parser import HTMLParser

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
    parser = _Text()
    parser.feed(text)
    parser.close()
    if parser.dropped:
        return text
    found = "".join(parser.pieces)
    return " ".join(found.split()) if parser.elements else found


class _Text(HTMLParser):
    """Collects text; counts removed elements, and has the open ones whose content is dropped."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self.elements = 0
        self.dropped: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in DROPPED:
            self.dropped.append(tag)
        self._element(tag, self.get_starttag_text() or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._element(tag, self.get_starttag_text() or "")

    def handle_endtag(self, tag: str) -> None:
        if tag in self.dropped:
            del self.dropped[self.dropped.index(tag) :]
        self._element(tag, f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self.dropped:
            self.pieces.append(data)

    def handle_comment(self, data: str) -> None:
        self.elements += 1

    def handle_decl(self, decl: str) -> None:
        if decl.lower().startswith("doctype"):
            self.elements += 1
        else:
            self.handle_data(f"<!{decl}>")

    def unknown_decl(self, data: str) -> None:
        """`<![CDATA[…]]>`, whose content is text."""
        self.elements += 1
        self.handle_data(data.removeprefix("CDATA["))

    def handle_pi(self, data: str) -> None:
        self.handle_data(f"<?{data}>")

    def _element(self, tag: str, written: str) -> None:
        if tag not in ELEMENTS:
            self.handle_data(written)
            return
        self.elements += 1
        if tag not in IN_LINE:
            self.handle_data(" ")
