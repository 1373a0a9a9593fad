"""Paths as arguments, and as results with a summary."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

# A run or index that another function returned is one, too.
AnyPath = Path | str | os.PathLike[str]
# A name (of a model, topics or judgements) or a path; a command line takes it as text.
NameOrPath = str | Path | os.PathLike[str]


def at_revision(name_or_dir: str) -> tuple[str, dict[str, Any]]:
    """Splits `OWNER/NAME@REVISION`, a hub name with a branch, tag or commit.

    Returns:
        The name, and the argument `revision` of `from_pretrained` if there is one. A directory has
        no revisions, so that a path is not split: transformers would ignore what follows it.
    """
    name, _, revision = name_or_dir.partition("@")
    if not revision or Path(name_or_dir).exists() or Path(name).exists():
        return name_or_dir, {}
    return name, {"revision": revision}


@dataclass(frozen=True)
class Written:
    """A file or folder that was written; can be used as a path.

    Attributes:
        path: the file or folder.
        summary: description of its content.
        changed: whether it was written; if not, it already was what it should be.
    """

    path: Path
    summary: str
    changed: bool = field(default=True, kw_only=True)

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return f"{'wrote' if self.changed else 'unchanged'} {self.path}: {self.summary}"


@dataclass(frozen=True)
class WrittenRun(Written):
    """A run file that was written.

    Attributes:
        queries: how many queries it ranks passages for.
    """

    queries: int

    def to_json(self) -> str:
        """Path and number of queries."""
        return json.dumps({"path": str(self.path), "queries": self.queries})

    def to_pandas(self) -> "pd.DataFrame":
        """Columns query_id, doc_id and score, as in the file, in the order of the ranks.

        Raises:
            I3Error: the file cannot be read any more.
        """
        import pandas as pd  # noqa: PLC0415  (slow)

        from i3_pyserini.formats.runs import read_run  # noqa: PLC0415  (polars)

        table = read_run(self.path).table
        columns = ("query_id", "doc_id", "score")
        return pd.DataFrame({name: table[name].to_list() for name in columns})


@dataclass(frozen=True)
class TrainedModel:
    """What a training wrote.

    Attributes:
        output: the recipe's output folder.
        best: the model directory with the best validation; the last one without validation.
        summary: what was written, with the best validation, in words.
    """

    output: Path
    best: Path
    summary: str

    def __fspath__(self) -> str:
        return str(self.best)

    def __str__(self) -> str:
        return self.summary
