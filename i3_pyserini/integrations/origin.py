"""What a collection of an engine is a copy of, as text for its properties."""

import hashlib
import json
from pathlib import Path

from i3_pyserini.formats.atomic import file_hash
from i3_pyserini.formats.chunks import ChunksRecord
from i3_pyserini.formats.content_hashes import HASHES
from i3_pyserini.formats.index import read_manifest
from i3_pyserini.formats.index_state import stale, state_of
from i3_pyserini.formats.records import MANIFEST, read_record, write_record


def source_of(index: Path) -> str:
    """Hash of the vectors and ids of a directory."""
    found = (path for path in index.iterdir() if path.is_file())
    files = sorted(found, key=lambda path: path.name)
    hashes = "".join(file_hash(path) for path in files if path.name not in (MANIFEST, HASHES))
    return hashlib.sha256(hashes.encode()).hexdigest()


def encoder_of(index: Path) -> str:
    """What the manifest says of the encoder."""
    return json.dumps(read_manifest(index).encoder.to_json())


def state_text(index: Path) -> str:
    """Where the index is, and its present state."""
    return json.dumps([str(index.resolve()), state_of(read_manifest(index))])


def stale_note(text: str | None, place: str) -> str | None:
    """A note if the index of which `state_text` was written has another state now."""
    if not text:
        return None
    source, state = json.loads(text)
    remedy = "load it into a new collection with i3-pyserini index load"
    return stale(place, source, state, remedy)


def chunks_of(index: Path) -> str:
    """What the manifest says of windows; empty if nothing."""
    chunks = read_manifest(index).corpus.chunks
    return json.dumps(write_record(chunks)) if chunks else ""


def read_chunks(text: str | None, place: str) -> ChunksRecord | None:
    """Reads what `chunks_of` gave."""
    return read_record(ChunksRecord, json.loads(text), place) if text else None
