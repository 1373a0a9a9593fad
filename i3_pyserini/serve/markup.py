"""Texts without their markup, for snippets: HTML, and what Markdown and reStructuredText mark."""

import re

from i3_pyserini.formats.markup import strip_html

MARKED = (
    (re.compile(r"(?<![\w:]):[a-z]+(?::[a-z]+)?:`~?\.?([^`<>]+)`"), r"\1"),  # :class:`Path`
    (re.compile(r"``([^`]+)``"), r"\1"),
    (re.compile(r"!?\[([^][\n]+)\]\(https?://[^\s()]*\)"), r"\1"),  # [words](address)
    (re.compile(r"(?<![\w*])\*\*([^\s*](?:[^*\n]*[^\s*])?)\*\*(?![\w*])"), r"\1"),
)


def without_markup(text: str) -> str:
    """A text as a browser would show it, in one paragraph; see `strip_html`.

    Args:
        text: a text, with or without markup.
    """
    text = strip_html(text)
    for pattern, kept in MARKED:
        text = pattern.sub(kept, text)
    return " ".join(text.split())
