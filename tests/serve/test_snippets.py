"""What is shown of a text: without markup, around the query's words."""

import time

import pytest

from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.serve.markup import without_markup
from i3_pyserini.serve.shown import LONGEST_VALUE, is_web_address, shown_passages
from i3_pyserini.serve.snippets import SHOWN, find_words, pieces_of, snippet

FILLED = "Nothing of it is here. " * 40


def marked(query: str, text: str) -> list[str]:
    (spans,) = find_words(query, [text])
    return [piece for piece, is_word in pieces_of(text, spans) if is_word]


def test_words_are_found_as_bm25_finds_them() -> None:
    assert marked("the boiling egg", "Boil an EGG, the eggs: log_message.") == [
        *("Boil", "EGG", "eggs")
    ]
    assert marked("messages", "log_message") == ["message"]
    assert marked("how to", "how to do it") == ["how", "to"]  # there are no others
    for query in ("", '"', "_", "AND NOT", "\0"):
        assert marked(query, "an egg") == []
    assert marked("egg", "\x01egg\x02 \0 egg") == ["egg", "egg"]


def test_texts_are_complete_in_pieces() -> None:
    text = f"{FILLED}Boil eggs. {FILLED}"
    (spans,) = find_words("boiled egg", [text])
    assert "".join(piece for piece, _ in pieces_of(text, spans)) == text


def shown(query: str, text: str) -> tuple[str, bool, bool]:
    (spans,) = find_words(query, [text])
    part = snippet(text, spans)
    return "".join(piece for piece, _ in part.pieces), part.before, part.after


def test_the_part_with_most_words_is_shown() -> None:
    text = f"An egg. {FILLED}Boil the egg in water. {FILLED}Boil it."
    part, before, after = shown("boil an egg in water", text)
    assert part.startswith("Boil the egg in water.") and before and after
    assert SHOWN / 2 < len(part) <= SHOWN
    part, before, after = shown("egg", text)  # the first of equal ones
    assert part.startswith("An egg.") and not before and after
    part, before, after = shown("zebra", text)
    assert part.startswith("An egg.") and not before and after
    part, before, after = shown("stop", f"{FILLED}full stop")
    assert part.endswith("full stop") and before and not after
    assert shown("egg", "short egg") == ("short egg", False, False)


def test_texts_without_blanks_are_cut() -> None:
    assert shown("egg", "x" * 1000) == ("x" * SHOWN, False, True)
    part, before, _ = shown("egg", f"{'x' * 1000}.egg")
    assert part.endswith("egg") and before and len(part) == SHOWN


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("<p class='x'>one</p><p>two<br/>three</p>", "one two three"),
        ("<b>bold</b>ly &amp; &lt;x&gt;", "boldly & <x>"),
        ("a < b and List<int> > c", "a < b and List<int> > c"),
        ("one <script>alert('<p>')</script>two <!-- no --> three", "one two three"),
        ("<style>p {}</style>one <!-- open", "one <!-- open"),
        ("<SCRIPT src=x>one</SCRIPT >two", "two"),
        (":class:`Path` and ``x = 1``", "Path and x = 1"),
        ("[here](https://example.org/a) **strong**", "here strong"),
        ("f(*args, **kw) a**b**c [x](y)", "f(*args, **kw) a**b**c [x](y)"),
    ],
)
def test_markup(text: str, plain: str) -> None:
    assert without_markup(text) == plain


@pytest.mark.parametrize(
    "text", ["<!--", "<![CDATA[", "<script>", "<b ", '<b "', "``a", "**a ", "[a"]
)
def test_markup_that_never_ends_is_read_once(text: str) -> None:
    started = time.process_time()
    without_markup(text * 50_000)
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("https://example.org/a?b=c#d", True),
        ("HTTP://example.org", True),
        ("javascript:alert(1)", False),
        ("data:text/html,x", False),
        ("java\nscript:alert(1)", False),
        ("http://exa mple.org", False),
        ("http://example.org\u202e", False),
        ("https:", False),
        ("http://[", False),
        ("//example.org", False),
        ("see http://example.org", False),
        ("", False),
    ],
)
def test_addresses_of_the_web(text: str, is_one: bool) -> None:
    assert is_web_address(text) is is_one


def test_metadata() -> None:
    values = {"price": 2.5, "url": "https://example.org/", "bad": "javascript:x", "none": None}
    extra = {**values, "tags": ["ü"], "long": "y" * 300}
    one = shown_passages("egg", {"d1": Passage("d1", "An <i>egg</i>", "text", extra), "d2": None})
    facts = {fact.name: (fact.value, fact.url) for fact in one["d1"].facts}
    assert facts["price"] == ("2.5", None) and facts["none"] == ("–", None)
    assert facts["url"] == ("https://example.org/", "https://example.org/")
    assert facts["bad"] == ("javascript:x", None) and facts["tags"] == ('["ü"]', None)
    assert facts["long"] == (f"{'y' * LONGEST_VALUE}…", None)
    assert one["d1"].title == [("An ", False), ("egg", True)] and one["d1"].whole == []
    assert one["d2"].passage is None


def test_the_whole_text_is_there_as_it_is() -> None:
    texts = {"markup": "an <b>egg</b>", "long": FILLED, "plain": "an egg  there"}
    found = shown_passages("egg", {one: Passage(one, None, text) for one, text in texts.items()})
    whole = {one: "".join(piece for piece, _ in shown.whole) for one, shown in found.items()}
    assert whole == {"markup": texts["markup"], "long": FILLED, "plain": ""}
