"""Settings of the documentation site: `make site`.

The source directory is the repository, so that README.md, CONTRIBUTING.md and the notebooks are
pages, and links between pages are the same on GitHub and on the site.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from docs.generate.pages import connect as setup  # noqa: E402, F401  (after its path; Sphinx calls it)
from i3_pyserini import __version__  # noqa: E402  (after its path)

project = "I³-Pyserini"
author = "the I³-Pyserini contributors"
version = release = __version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]

root_doc = "docs/index"
include_patterns = [
    "*.md",
    "benchmarks/study/README.md",
    "docs/*.md",
    "docs/*/*.md",
    "examples/*.ipynb",
]
exclude_patterns = [".*", "i3_pyserini*", "tests"]

html_theme = "furo"
html_title = f"{project} {version}"
html_static_path: list[str] = []
html_copy_source = False
html_show_sphinx = False
smartquotes = False  # -- begins an option

# Anchors of headings are GitHub's.
myst_heading_anchors = 4
nb_execution_mode = "off"  # tests/test_examples.py runs them

default_role = "literal"  # in docstrings, as in Markdown
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

# References to the package's public names are checked; those to libraries would need a network.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!i3_pyserini\b).*|.*\.(_\w+|T)")]
# Of what public classes consist: not for users.
nitpick_ignore = [
    ("py:class", "i3_pyserini.encode.query_encoders.QueryEncoder"),
    ("py:class", "i3_pyserini.formats.run_metadata.RunMetadata"),
    ("py:class", "i3_pyserini.search.searcher.Searcher"),
]
