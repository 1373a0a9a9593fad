"""What is recorded of a run: in its file, and in the files that our commands write beside it."""

from pathlib import Path
from typing import Any

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.compression import open_bytes
from i3_pyserini.formats.records import read_object

BM25, FUSION = ".bm25.json", ".fusion.json"  # suffixes after the run's name
TREC_COLUMNS = 6
LONGEST = 1000  # bytes of a line with a tag


def recorded(path: Path) -> dict[str, str]:
    """Facts about a run by name; nothing that is not recorded.

    Args:
        path: the run file.

    Returns:
        Its file name; its tag, in TREC's format; the parameters of BM25, and the method and
        weights of a fusion, if `bm25` or `fuse` recorded them.
    """
    facts = {"file": path.name}
    if tag := tag_of(path):
        facts["tag"] = tag
    for suffix, words in ((BM25, _bm25), (FUSION, _fusion)):
        try:
            name, text = words(read_object(path.with_name(path.name + suffix)))
        except (OSError, I3Error, KeyError, TypeError, ValueError, AttributeError):
            continue  # none, or a file of another program
        facts[name] = text
    return facts


def tag_of(path: Path) -> str | None:
    """The tag in the first line of a run; None if it is a pipe, or has another format."""
    if not path.is_file():  # a pipe can be read only once
        return None
    try:
        with open_bytes(path) as file:
            words = file.readline(LONGEST).decode().split()
    except (OSError, I3Error, UnicodeDecodeError):
        return None
    return words[-1] if len(words) == TREC_COLUMNS else None


def _bm25(found: dict[str, Any]) -> tuple[str, str]:
    best = found["best"]
    return "BM25", (
        f"k1 {best['k1']:g}, b {best['b']:g}; tuned on {found['queries']:,} dev queries "
        f"({found['measure']} {best['value']:.4f})"
    )


def _fusion(found: dict[str, Any]) -> tuple[str, str]:
    weights = " and ".join(f"{weight:g}" for weight in found["weights"])
    runs = " and ".join(Path(run).name for run in found["runs"])
    if found["method"] == "rrf":
        text = f"reciprocal rank fusion, k {found['k']:g}, weights {weights}"
    else:
        text = f"{found['method']}, {found['normalization']} scores, weights {weights}"
    tuned = found.get("tuned") or {}
    on = f"; tuned on {len(tuned['queries']):,} dev queries" if tuned.get("queries") else ""
    return "fusion", f"{text}, of {runs}{on}"
