"""Which collection was searched: the same measures on another one are other numbers."""

from pathlib import Path

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.presets import PRESETS


def searched_collection(index: Path) -> tuple[str, int]:
    """The name of an index's collection, and how many passages it holds.

    Raises:
        I3Error: its manifest does not say.
    """
    from i3_pyserini.formats.index import read_manifest  # noqa: PLC0415  (slow, and rarely needed)

    manifest = read_manifest(index)
    name, count = manifest.corpus.name or manifest.corpus.path, manifest.passages
    if name is None or count is None:
        raise I3Error(
            f"{index}: no index that i3_pyserini.encode made; its collection is not known"
        )
    return name, count


def collection_notes(presets: list[str], index: Path | None) -> list[str]:
    """What must be said of the collection, where scores are compared with published ones.

    Args:
        presets: names of the presets in use.
        index: the index that was searched, if it is known.

    Raises:
        I3Error: the index does not say what collection it is of.
    """
    wholes = {whole for name in presets if (whole := PRESETS[name].passages)}
    if not wholes:
        return []
    if index is None:
        return [
            "what was searched is not known: official and titled MS MARCO, or a part of it, give "
            "other scores; name the index (--index)"
        ]
    name, count = searched_collection(index)
    return [
        f"{name} is a part of the collection ({count:,} of {whole:,} passages): the scores are not "
        "comparable with published ones"
        for whole in sorted(wholes)
        if count < whole
    ]
