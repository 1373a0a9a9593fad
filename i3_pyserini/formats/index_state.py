"""Whether what was made of an index is still that of its present state."""

import hashlib
import json
from pathlib import Path

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.index import IndexManifest


def state_of(manifest: IndexManifest) -> str | None:
    """What stands for the vectors of an index: a hash of its model's and its corpus's.

    Returns:
        None for an index that does not record them, such as an imported one.
    """
    corpus, model = manifest.corpus, manifest.encoder.fingerprint
    content = corpus.sha256 or corpus.shards
    if not content or not model:
        return None
    text = json.dumps([model, content, manifest.titles])
    return hashlib.sha256(text.encode()).hexdigest()


def stale(place: str, source: str | None, state: str | None, remedy: str) -> str | None:
    """A note on what was made of an earlier state of an index.

    Args:
        place: what was made, in the note.
        source: the directory of the index; None if unknown.
        state: `state_of` it at that time.
        remedy: what to do.

    Returns:
        None if the index is unchanged, is not there, or is unknown.
    """
    if source is None or state is None:
        return None
    try:
        manifest = IndexManifest.read(Path(source))
    except I3Error:  # this is about another index, which need not be whole
        return None
    now = None if manifest is None else state_of(manifest)
    if now in (None, state):
        return None
    return f"{place}: was made of an earlier state of {source}; {remedy}"
