"""Column and field names of topics, judgments and runs, in order of preference.

All their readers use these tables, so that all commands accept the same files. Names are compared
in lower case, and `-` and blanks are `_`.
"""

from collections.abc import Iterable, Mapping, Sequence

QUERY_ID = ("query_id", "qid", "queryid", "topic_id", "topic")
PASSAGE_ID = (
    *("doc_id", "docid", "docno", "pid", "passage_id", "passageid"),
    *("corpus_id", "corpusid", "document_id"),
)
LEVEL = ("relevance", "relevancy", "rel", "score", "label", "grade", "level", "judgement")
SCORE = ("score", "sim", "similarity")
RANK = ("rank", "position")
# Fields of a topic, where an id can be of nothing but the query.
TOPIC_ID = (*QUERY_ID, "id", "_id", "query_number", "number", "num")
QUERY = ("query", "text", "query_text", "question", "title", "contents", "body")


def normal(name: str) -> str:
    """A name as the tables have it."""
    return name.strip().removeprefix("\ufeff").lower().replace("-", "_").replace(" ", "_")


def find(known: Sequence[str], given: Iterable[str]) -> str | None:
    """The first of the known names that is among those given, as it is written there.

    Args:
        known: one of the tables above.
        given: names of columns or fields.
    """
    written: dict[str, str] = {}
    for name in given:
        written.setdefault(normal(name), name)
    return next((written[name] for name in known if name in written), None)


def roles_of(header: Sequence[str], roles: Mapping[str, Sequence[str]]) -> list[str]:
    """What each column of a header is; "_" and its name for a column that has no role.

    Args:
        header: the columns' names.
        roles: known names by role.
    """
    found = {find(known, header): role for role, known in roles.items()}
    named: list[str] = []
    for name in header:
        role = found.get(name)
        if role is None or role in named:
            role = f"_{name}" if f"_{name}" not in named else f"_{name}_{len(named)}"
        named.append(role)
    return named
