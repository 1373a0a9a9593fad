"""Column names of training pairs: which column is the query, the positive and so on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.names import PASSAGE_ID, find, normal
from i3_pyserini.formats.passage_fields import listed

# In order of preference; sentence-transformers', Tevatron's and FlagEmbedding's first.
QUERY = ("anchor", "query", "sentence1", "question", "query_text")
POSITIVE = ("positive", "positive_passages", "pos", "positives")
# The other text of a pair, which a number may call relevant or not.
OTHER = ("sentence2", "passage", "answer", "document", "text", "docs", "documents", "passages")
NEGATIVE = ("negative", "negative_passages", "neg", "negatives")
NUMBER = ("label", "labels", "score", "scores")
POSITIVE_SCORES, NEGATIVE_SCORES = ("pos_scores",), ("neg_scores",)
CLICKS = ("clicks", "click_count", "n_clicks")
IMPRESSIONS = ("impressions", "impression_count", "n_impressions", "views")
PROMPT = ("prompt",)
# Columns of these families that say nothing that training needs.
UNUSED = ("query_id", "id", "idx", "type", "answers")


@dataclass(frozen=True)
class PairColumns:
    """Names of columns and format of tables.

    Attributes:
        query_column: column of the query. Default: anchor, query, sentence1, question.
        positive_column: column of the relevant passage or passages. Default: positive,
            positive_passages, pos; or sentence2, passage, answer, document, docs.
        negative_column: columns of negatives. Default: negative, negative_1, negative_2, …,
            negative_passages, neg.
        score_column: column of scores or labels. Default: label, score, labels, scores; or
            pos_scores and neg_scores.
        docid_column: column of passage ids, for rows without texts. Default: docid, doc_id, pid, …
        clicks_column: column of numbers of clicks. Default: clicks.
        impressions_column: column of numbers of impressions. Default: impressions, views.
        encoding: encoding of CSV and TSV files, such as cp1252.
        delimiter: delimiter of CSV and TSV files, such as ";".
    """

    query_column: str | None = None
    positive_column: str | None = None
    negative_column: Sequence[str] = ()
    score_column: str | None = None
    docid_column: str | None = None
    clicks_column: str | None = None
    impressions_column: str | None = None
    encoding: str = "utf-8"
    delimiter: str | None = None


USUAL = PairColumns()


@dataclass(frozen=True)
class Roles:
    """The columns of a row by role, as the file writes them.

    Attributes:
        query: the query.
        passages: the positives, or texts of which a number says whether they are.
        named_positive: whether the name of `passages` says that they are positives.
        negatives: columns of negatives, in their order.
        number: labels or scores; None for none.
        is_label: whether the name of `number` is that of labels.
        positive_scores: scores of the positives.
        negative_scores: scores of the negatives.
        docid: passage ids.
        clicks: numbers of clicks.
        impressions: numbers of impressions.
        prompt: an instruction for each query.
        unread: columns that are not read.
    """

    query: str
    passages: str | None = None
    named_positive: bool = False
    negatives: tuple[str, ...] = ()
    number: str | None = None
    is_label: bool = False
    positive_scores: str | None = None
    negative_scores: str | None = None
    docid: str | None = None
    clicks: str | None = None
    impressions: str | None = None
    prompt: str | None = None
    unread: tuple[str, ...] = field(default=(), compare=False)

    @property
    def read(self) -> tuple[str, ...]:
        """All columns that are read."""
        single = (self.query, self.passages, self.number, self.positive_scores)
        others = (self.negative_scores, self.docid, self.clicks, self.impressions, self.prompt)
        return (*filter(None, (*single, *others)), *self.negatives)


def find_roles(names: Sequence[str], columns: PairColumns) -> Roles:
    """The roles of a row's columns.

    Raises:
        I3Error: the query or the passage is missing, or a named column; names the columns found
            and those accepted. The message does not say where.
    """
    query = _chosen(names, columns.query_column, QUERY)
    positive = _chosen(names, columns.positive_column, POSITIVE)
    docid = _chosen(names, columns.docid_column, PASSAGE_ID)
    others_given = columns.score_column or columns.negative_column
    usual_clicks = () if others_given else CLICKS
    clicks = _chosen(names, columns.clicks_column, usual_clicks)
    rest = [name for name in names if name not in (query, docid)]
    passages = positive or find(OTHER, rest)
    if query is None:
        raise _missing(names, "query", QUERY, "--query-column")
    if passages is None and not (docid and clicks):
        accepted = (*POSITIVE, *OTHER)
        raise _missing(names, "passage", accepted, "--positive-column", "; click logs: docid")
    shared = Roles(query, passages, bool(positive), docid=docid, prompt=find(PROMPT, names))
    if clicks:
        if others_given:
            raise I3Error(f"{clicks!r} decides which passages are positive; name no other column")
        shown = _chosen(names, columns.impressions_column, IMPRESSIONS)
        roles = replace(shared, clicks=clicks, impressions=shown)
    else:
        number = _chosen(names, columns.score_column, NUMBER)
        roles = replace(
            shared,
            negatives=_negatives(names, columns.negative_column),
            number=number,
            is_label=bool(number) and normal(number or "").startswith("label"),
            positive_scores=find(POSITIVE_SCORES, names),
            negative_scores=find(NEGATIVE_SCORES, names),
        )
    known = {*map(normal, roles.read), *UNUSED}
    unread = tuple(name for name in names if normal(name) not in known)
    return replace(roles, unread=unread)


def _chosen(names: Sequence[str], wanted: str | None, usual: Sequence[str]) -> str | None:
    if wanted is None:
        return find(usual, names)
    found = wanted if wanted in names else find((normal(wanted),), names)
    if found is None:
        raise I3Error(f"no column {wanted!r}; it has {listed(names)}")
    return found


def _negatives(names: Sequence[str], wanted: Iterable[str]) -> tuple[str, ...]:
    """The named columns, or the usual one and all of its numbered ones, in their order."""
    if chosen := [_chosen(names, one, ()) for one in wanted]:
        return tuple(filter(None, chosen))
    usual = find(NEGATIVE, names)
    numbered = sorted(
        (int(end), name)
        for name in names
        for start, _, end in (normal(name).rpartition("_"),)
        if start in ("negative", "neg") and end.isascii() and end.isdecimal()
    )
    return (*([usual] if usual else []), *(name for _, name in numbered))


def _missing(
    names: Sequence[str], what: str, accepted: Sequence[str], option: str, more: str = ""
) -> I3Error:
    return I3Error(
        f"no column of the {what} ({', '.join(accepted)}{more}); it has {listed(names)}; name it "
        f"with {option}"
    )
