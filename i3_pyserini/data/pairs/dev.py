"""Dev queries of imported pairs: chosen so that train shares neither passages nor texts."""

from collections.abc import Iterator

from tqdm import tqdm

from i3_pyserini.data.known import blocks
from i3_pyserini.data.near_text import NearTexts
from i3_pyserini.data.pairs.table import PairTable
from i3_pyserini.data.splitting import Groups, choose
from i3_pyserini.errors import I3Error, note

OVERLAP = 0.8  # as `split_queries`
CANDIDATES = 2  # times the wanted number, of which those are left out that train nearly has
MORE, ROUNDS = 8, 3  # times as many candidates if too few are left, and how often
BLOCK = 10_000


def choose_dev(table: PairTable, count: int, seed: int) -> None:
    """Moves at most `count` queries from part "train" to part "dev".

    Queries that share a positive stay together, and a query with nearly the text of another that
    would stay in train is not chosen. Texts of candidates are compared with all, so that memory
    does not grow with the texts.

    Raises:
        I3Error: more than half of the queries are wanted, or a part would be empty.
    """
    numbers = [n for (n,) in table.rows("SELECT n FROM query WHERE part = 'train' ORDER BY n")]
    if len(numbers) > 1 and count > len(numbers) // 2:  # next to none would be left to train on
        raise I3Error(
            f"dev is {count:,} of {len(numbers):,} queries; use {len(numbers) // 2:,} at most, half"
        )
    groups = _by_passage(table, numbers)
    rows = {qid: row for row, qid in enumerate(groups.qids)}
    members = groups.members()
    wanted = CANDIDATES * count
    for _ in range(ROUNDS):
        candidates = [rows[qid] for qid in choose(members, wanted, seed)]
        near = _near_others(table, [numbers[row] for row in candidates], candidates, groups)
        possible = {groups.find(row) for row in candidates} - near
        left = [one for one in members if groups.find(rows[one[0]]) in possible]
        chosen = choose(left, count, seed)
        if len(chosen) == count or wanted >= len(numbers):
            break
        wanted *= MORE
    if not chosen or len(chosen) == len(numbers):
        raise I3Error(
            f"dev is {count:,}, but of {len(numbers):,} queries the largest group that belongs "
            f"together has {max(map(len, members)):,}; a part would be empty"
        )
    if near:
        note(f"candidates for dev with nearly the text of another query, not chosen: {len(near):,}")
    if len(chosen) < count:
        note(
            f"dev has {len(chosen):,} queries, not {count:,}: the others of {len(candidates):,} "
            "candidates have nearly the text of another query, or belong to groups that share "
            "positives and are too large"
        )
    table.connection.executemany(
        "UPDATE query SET part = 'dev' WHERE n = ?", ((numbers[rows[qid]],) for qid in chosen)
    )


def _by_passage(table: PairTable, numbers: list[int]) -> Groups:
    """Training queries in groups that share positives; their ids are keys of their texts."""
    places = {number: row for row, number in enumerate(numbers)}
    keys = table.rows("SELECT key FROM query WHERE part = 'train' ORDER BY n")
    groups = Groups([str(key) for (key,) in keys])
    pairs = table.rows("SELECT passage, query FROM pair WHERE level > 0 ORDER BY passage, n")

    def joined() -> Iterator[tuple[int, int]]:
        before = first = -1
        for passage, query in pairs:
            if passage == before:
                yield first, places[query]
            else:
                before, first = passage, places[query]

    groups.join(joined())
    return groups


def _near_others(
    table: PairTable, numbers: list[int], candidates: list[int], groups: Groups
) -> set[int]:
    """The groups of candidates that have nearly the text of a query of another group."""
    found: set[int] = set()
    if not candidates:
        return found
    text_of = "SELECT text FROM query WHERE n = ?"
    texts = [text for number in numbers for (text,) in table.rows(text_of, number)]
    compared = NearTexts(texts, OVERLAP)
    everything = table.rows("SELECT text FROM query WHERE part = 'train' ORDER BY n")
    start = 0
    shown = tqdm(everything, "near texts", len(groups.qids), unit=" queries", delay=2)
    for block in blocks((text for (text,) in shown), BLOCK):
        for other, text, _ in compared.near(block):
            own = groups.find(candidates[text])
            if groups.find(start + other) != own:
                found.add(own)
        start += len(block)
    return found
