"""Queries out of answers as models write them."""

from collections import Counter

import pytest

from i3_pyserini.data.answers import MAX_WORDS, read_answer
from i3_pyserini.data.chat import Answer

TWO = ["how to boil eggs", "egg boiling time"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("how to boil eggs\negg boiling time", TWO),
        ("1. how to boil eggs\n2) egg boiling time\n", TWO),
        ("- how to boil eggs\n* egg boiling time", TWO),
        ("• **how to boil eggs**\n– **egg boiling time**", TWO),
        ("Query 1: how to boil eggs\nQuery 2: egg boiling time", TWO),
        ("[1] how to boil eggs\n[2] egg boiling time", TWO),
        ('"how to boil eggs"\n“egg boiling time”', TWO),
        ("Sure, here are two queries:\n\n1. how to boil eggs\n2. egg boiling time\n", TWO),
        ("Here are the queries\nhow to boil eggs\negg boiling time\nLet me know!", TWO),
        ("<think>The passage:\n1. hm</think>\nhow to boil eggs\negg boiling time", TWO),
        ('["how to boil eggs", "egg boiling time"]', TWO),
        ('```json\n["how to boil eggs", "egg boiling time"]\n```', TWO),
        ('Sure: {"queries": ["how to boil eggs", "egg boiling time"]}', TWO),
        ('[{"query": "how to boil eggs", "type": "x"}, {"query": "egg boiling time"}]', TWO),
        ("['how to boil eggs', 'egg boiling time']", TWO),
        ("Q: how to boil eggs\nA: in water for six minutes\nQ: egg boiling time", TWO),
        ("3.5 inch disks\n-5 degrees in kelvin", ["3.5 inch disks", "-5 degrees in kelvin"]),
        ("2024 election results", ["2024 election results"]),
        (
            "how to use [x] in {y}\nwhat does a[0] do",
            ["how to use [x] in {y}", "what does a[0] do"],
        ),
        ('{"query": "how to boil eggs"}\n{"query": "egg boiling time"}', TWO),
        ("Hm.\nTwo queries?\n</think>\n\nhow to boil eggs\negg boiling time", TWO),
        ("以下是两个查询：\n1、鸡蛋怎么煮\n2．鸡蛋煮多久", ["鸡蛋怎么煮", "鸡蛋煮多久"]),
        ("①「卵の茹で方」\n（2）『茹で時間』", ["卵の茹で方", "茹で時間"]),
        ("3つの卵の茹で方\n2024年问题", ["3つの卵の茹で方", "2024年问题"]),
        ("wie kocht man „Eier“?\n鸡蛋怎么煮", ["wie kocht man „Eier“?", "鸡蛋怎么煮"]),
        ("   ", []),
        ("", []),
        ("1. 2. 2.\n...", []),
        ("<think>and so on", []),
        ("I'm sorry, I cannot.", []),
        ("[1, 2]", []),
        ('{"queries": []}', []),
        ("word " * (MAX_WORDS + 1), []),
        ("字" * (2 * MAX_WORDS + 1), []),
    ],
)
def test_forms(text: str, found: list[str]) -> None:
    left_out: Counter[str] = Counter()
    assert read_answer(Answer(answer=text), 2, left_out) == found
    assert bool(found) != bool(left_out["answers without a query"])


def test_what_is_dropped_is_counted() -> None:
    left_out: Counter[str] = Counter()
    assert read_answer(Answer(answer="a query\nb query\nc query"), 2, left_out) == [
        "a query",
        "b query",
    ]
    assert left_out == {"queries beyond per_passage": 1}
    left_out.clear()
    cut = Answer(answer="a query\nb que", finish="length")
    assert read_answer(cut, 2, left_out) == ["a query"]
    assert left_out == {"queries cut at max_tokens": 1}
    left_out.clear()
    cut = Answer(answer='["a query", "b \\"quoted\\"", "c que', finish="length")
    assert read_answer(cut, 3, left_out) == ["a query", 'b "quoted"']
    assert left_out == {"queries cut at max_tokens": 1}
    left_out.clear()
    assert read_answer(Answer(refused="400 too long"), 2, left_out) == []
    assert left_out == {"passages refused by the server": 1}
