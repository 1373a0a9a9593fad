"""Fills pages in when Sphinx reads them.

A comment `<!-- generated: NAME -->` becomes what `MAKERS` makes from the code; the lists of
docs/index.md become the site's navigation, one part for each heading.
"""

import re
from collections.abc import Callable
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import SphinxError

from docs.generate.api import api
from docs.generate.commands import commands
from docs.generate.presets import experiments, measures, recipes
from docs.generate.recipe import schema

MAKERS: dict[str, Callable[[], str]] = {
    "api": api,
    "commands": commands,
    "experiments": experiments,
    "measures": measures,
    "recipe": schema,
    "recipes": recipes,
}
MARK = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)
LISTED = re.compile(r"^\* \[[^\]]+\]\(([^)#]+)\.(?:md|ipynb)\)", re.MULTILINE)
# Links (`<a href>`) are no resources; rel="canonical" and the like are not loaded.
REMOTE = re.compile(
    r"""(?:<(?:script|img|iframe|source|video|embed)\b[^>]*\bsrc="|<image\b[^>]*\bhref="|"""
    r"""<link\b(?=[^>]*\brel="(?:stylesheet|preload|icon|preconnect)")[^>]*\bhref="|"""
    r"""@import\s+["']?|\burl\(["']?)((?:https?:)?//[^"')\s>]+)""",
)
FIRST = '<!DOCTYPE html><meta http-equiv="refresh" content="0; url=docs/index.html">\n'


def connect(app: Sphinx) -> None:
    """Tells Sphinx what this module does."""
    app.connect("builder-inited", lambda _: commands())
    app.connect("autodoc-process-docstring", _plain, priority=400)  # before napoleon
    app.connect("source-read", _fill)
    app.connect("env-get-outdated", _made_from_code)
    app.connect("build-finished", _finish)


def filled(text: str) -> str:
    """A page with what is made from the code."""
    return MARK.sub(lambda mark: MAKERS[mark[1]](), text)


def with_navigation(text: str) -> str:
    """A page whose lists of pages below second-level headings are the site's navigation, too."""
    first, *parts = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    return first + "".join(part + _tree(part) for part in parts)


def _tree(part: str) -> str:
    """The pages listed in a part, for Sphinx."""
    pages = LISTED.findall(part)
    caption = part.partition("\n")[0].removeprefix("## ")
    listed = "\n".join(pages)
    return f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{listed}\n```\n\n" if pages else ""


def _fill(app: Sphinx, name: str, source: list[str]) -> None:
    source[0] = with_navigation(source[0]) if name == app.config.root_doc else filled(source[0])


def _plain(
    app: Sphinx, kind: str, name: str, it: object, options: object, lines: list[str]
) -> None:
    """Stars of patterns, such as those of 'SHARD-*', are no markup."""
    lines[:] = [re.sub(r"(?<=[\w.-])\*", r"\*", line) for line in lines]


def _made_from_code(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    """Pages that are read anew because the code may have changed."""
    known = sorted(env.found_docs - added - changed - removed)
    return [name for name in known if MARK.search(_text(env.doc2path(name)))]


def _text(path: Path | str) -> str:
    return Path(path).read_text(encoding="utf-8")


def remote_resources(html: str) -> list[str]:
    """Addresses on other machines that a page would load: scripts, styles, fonts, images."""
    return REMOTE.findall(html)


def _finish(app: Sphinx, failure: Exception | None) -> None:
    """The site's address leads to its first page, and no page needs another machine."""
    if failure is not None or app.builder.format != "html":
        return
    folder = Path(app.outdir)
    (folder / "index.html").write_text(FIRST, encoding="utf-8")
    for path in [*folder.rglob("*.html"), *folder.rglob("*.css")]:
        found = remote_resources(_text(path))
        if found:
            raise SphinxError(f"{path}: loads {found[0]} from another machine")
