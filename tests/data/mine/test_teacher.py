"""What a teacher scores like a positive is no negative."""

from typing import Any

import pytest

from i3_pyserini.data.mining import Sources, mine
from i3_pyserini.data.negatives import Reason, Selection
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.textstore import open_store
from tests.data.mine.conftest import left, mined, outputs, scored, with_teacher


@pytest.mark.parametrize("named", [True, False])
def test_what_the_teacher_scores_like_a_positive_is_left_out(sources: Sources, named: bool) -> None:
    more = {"qid": "q1"} if named else {}
    record = scored(
        "boil  eggs", {"p1": 5.0, "p0": 3.0}, {"p9": 2.0, "p3": 1.5, "p5": 2.5, "p8": -1.0}, **more
    )
    where = outputs(sources)
    summary = mine(with_teacher(sources, record), Selection(margin=1.0), where)
    # The lowest positive less the margin is 2: p9 is at it, p5 above, p3 and p8 below.
    # p6 is a copy of p5, p7 and p4 have no score, and the teacher does not have q2.
    assert where.negatives.read_text(encoding="utf-8") == "q2\tp8,p7\nq1\tp3,p7,p8,p4\n"
    assert summary.left_out == {
        Reason.POSITIVE: 3,
        Reason.POSITIVE_TEXT: 1,
        Reason.REPEAT: 1,
        Reason.FALSE_NEGATIVE: 2,
    }
    assert summary.unscored == 4
    assert "3.0 negatives on average (4 unscored); " in str(summary)
    assert "2 that the teacher scores like a positive" in str(summary)


def test_the_teacher_leaves_what_training_would_leave(sources: Sources) -> None:
    """The recipe's filter, on the same scores, is the reference; the margins cut at each score."""
    from i3_pyserini.data.candidates import TeacherFile
    from i3_pyserini.train.recipe_inputs import NegativesRecipe
    from i3_pyserini.train.sampling import GroupSampler

    scores = {"p9": 0.3, "p3": 0.1, "p5": 0.2, "p7": 0.7, "p8": 0.0, "p4": -0.6}
    with_scores = with_teacher(sources, scored("boil eggs", {"p1": 0.4}, scores, qid="q1"))
    assert with_scores.teacher is not None
    candidates = TeacherFile(with_scores.teacher)[0]
    for margin in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.9):
        recipe = NegativesRecipe(false_negative_margin=margin)
        store = open_store(sources.collection, sources.cache)
        kept = GroupSampler(recipe, 2, store).eligible(candidates, 0.4).negatives
        assert mined(with_scores, margin=margin)["q1"] == kept


def test_a_line_with_an_id_is_for_no_other_query_of_that_text(sources: Sources) -> None:
    sources.topics.write_text("q1\tboil eggs\nq2\tboil eggs\n", encoding="utf-8")
    high = {"p8": 9.0}
    by_id = with_teacher(sources, scored("boil eggs", {"p1": 1.0}, high, qid="q2"))
    assert ["p8" in pids for pids in mined(by_id).values()] == [True, False]
    by_text = with_teacher(sources, scored("boil eggs", {"p1": 1.0}, high))
    assert ["p8" in pids for pids in mined(by_text).values()] == [False, False]


def test_several_lines_of_a_query_count_together(sources: Sources) -> None:
    records = (
        scored("boil eggs", {"p1": 5.0}, {"p9": 4.0, "p8": 1.0, "p3": 3.0}, qid="q1"),
        scored("boil eggs", {"p1": 3.0}, {"p7": 3.0, "p8": 4.0, "p3": 1.0}, qid="q1"),
    )
    assert mined(with_teacher(sources, *records))["q1"] == ["p5", "p4"]


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ((scored("boil eggs", {"p1": 1}, {}), "{"), r"kd_train.jsonl, line 2: not valid JSON"),
        (('{"query": "boil eggs"}',), "line 1: no field 'positives' with a list"),
        ((scored("boil eggs", {}, {"p3": 1}),), "line 1: the query has no positive"),
        ((scored("boil eggs", {"p1": float("nan")}, {}),), "line 1: .*passage p1 is nan"),
        ((scored("fry eggs", {"p1": 1}, {}),), "none of the 2 queries is scored here"),
        (("",), "kd_train.jsonl: empty"),
        (
            (scored("fry eggs", {"p1": 1}, {}, qid="q1"),),
            "line 1: query q1 is 'fry eggs' here, but 'boil eggs' in the topics",
        ),
    ],
)
def test_a_bad_teacher_file_is_named(
    sources: Sources, records: tuple[dict[str, Any] | str, ...], said: str
) -> None:
    with pytest.raises(I3Error, match=said):
        mine(with_teacher(sources, *records), Selection(), outputs(sources))
    assert left(sources) == []
