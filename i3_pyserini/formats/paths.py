"""Paths as functions take them."""

import os
from pathlib import Path

# A run or index that another function returned is one, too.
AnyPath = Path | str | os.PathLike[str]
# A name (of a model, topics or judgements) or a path; a command line takes it as text.
NameOrPath = str | Path | os.PathLike[str]
