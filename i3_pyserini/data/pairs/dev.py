"""Dev queries of imported pairs: chosen so that train shares neither passages nor texts."""

from i3_pyserini.data.near_text import near_pairs
from i3_pyserini.data.pairs.table import PairTable
from i3_pyserini.data.splitting import Groups, choose
from i3_pyserini.errors import I3Error, note

COMPARED = 100_000  # queries whose texts are compared: two minutes and a gigabyte
OVERLAP = 0.8


def choose_dev(table: PairTable, count: int, seed: int) -> None:
    """Moves at most `count` queries from part "train" to part "dev".

    Queries that share a positive stay together, and up to 100,000 queries also those with nearly
    the same text; see `split_queries`.

    Raises:
        I3Error: a part would be empty.
    """
    rows = list(table.rows("SELECT n, key FROM query WHERE part = 'train' ORDER BY n"))
    places = {number: row for row, (number, _) in enumerate(rows)}
    groups = Groups([str(key) for _, key in rows])
    pairs = table.rows("SELECT passage, query FROM pair WHERE level > 0 ORDER BY passage, n")
    first: dict[int, int] = {}
    joined = (
        (first[passage], places[query])
        for passage, query in pairs
        if first.setdefault(passage, places[query]) != places[query]
    )
    groups.join(joined)
    if len(rows) <= COMPARED:
        texts = [text for (text,) in table.rows("SELECT text FROM query WHERE part = 'train'")]
        groups.join(near_pairs(texts, OVERLAP, groups.roots))
    else:
        note(
            f"{len(rows):,} queries are too many to compare their texts; dev and train may share "
            "nearly the same ones"
        )
    members = groups.members()
    chosen = choose(members, count, seed)
    if not chosen or len(chosen) == len(rows):
        raise I3Error(
            f"dev is {count:,}, but of {len(rows):,} queries the largest group that belongs "
            f"together has {max(map(len, members)):,}; a part would be empty"
        )
    if len(chosen) < count:
        note(f"dev has {len(chosen):,} queries, not {count:,}: no other group is small enough")
    table.connection.executemany(
        "UPDATE query SET part = 'dev' WHERE n = (SELECT n FROM query_key WHERE key = ?)",
        ((int(key),) for key in chosen),
    )
