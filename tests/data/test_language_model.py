"""Queries of a language model on a server, tried with a stand-in."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.data import chat, make_queries
from i3_pyserini.data.language_model import LanguageModel
from i3_pyserini.data.query_cost import QueryEstimate
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.made import made_of
from i3_pyserini.formats.topics import read_topics
from tests.data.chat_server import ChatSite, chatting

WORDS = "amber birch cedar dune ember fjord grove heath islet jetty".split()
SECRET = "sk-very-secret"  # noqa: S105
BUSY = json.dumps({"error": {"message": "slow down"}})


@pytest.fixture
def site() -> Iterator[ChatSite]:
    with chatting(ChatSite()) as site:
        yield site


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Ten passages; p3 has no text, p7 the text of p6."""
    rows = [
        {"id": f"p{n}", "title": word, "text": f"{word} number {n} stands here"}
        for n, word in enumerate(WORDS)
    ]
    rows[3]["text"] = " "
    rows[7] |= {"title": rows[6]["title"], "text": rows[6]["text"]}
    path = tmp_path / "corpus.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def ask(corpus: Path, site: ChatSite, output: str = "out", **options: Any) -> Any:
    own = {"limit", "per_passage", "overwrite", "min_words", "model", "seed"}
    given = {name: options.pop(name) for name in own & options.keys()}
    how = LanguageModel(**{"url": site.url, "concurrency": 3, **options})
    made = {"model": "m-7b", **given}
    return make_queries(
        corpus, source="llm", output=corpus.parent / output, language_model=how, **made
    )


def refused(corpus: Path, site: ChatSite, **options: Any) -> str:
    with pytest.raises(I3Error) as error:
        ask(corpus, site, **options)
    return str(error.value)


def test_queries_are_asked_for_and_marked(corpus: Path, site: ChatSite) -> None:
    written = ask(corpus, site, temperature=0.2)
    assert len(site.bodies) == 8  # p3 has no text, and one request is enough for p6 and p7
    assert "8 queries with 9 positives" in str(written)
    assert "passages without a text (1)" in str(written)
    out = corpus.parent / "out"
    topics = read_topics(str(out / "topics.train.tsv"))
    assert topics["p0"] == "what is amber number 0 stands"
    assert "p6 0 p6 1\np6 0 p7 1\n" in (out / "qrels.train.txt").read_text(encoding="utf-8")
    mark = made_of(out / "qrels.train.txt")
    assert mark is not None
    host = site.url.removeprefix("http://").removesuffix("/v1")
    assert (mark.source, mark.model, mark.host) == ("llm", "m-7b", host)
    assert (mark.passages, mark.queries, len(mark.prompt_sha256 or "")) == (10, 8, 64)
    body = site.bodies[0]
    assert {name: body[name] for name in ("model", "temperature", "max_tokens", "seed")} == {
        "model": "m-7b",
        "temperature": 0.2,
        "max_tokens": 40,
        "seed": 42,
    }
    answers = [
        json.loads(line)
        for line in (out / "answers.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert [one["id"] for one in answers] == ["p0", "p1", "p2", "p4", "p5", "p6", "p8", "p9"]
    assert {path.name for path in out.iterdir() if not path.name.startswith(".")} == {
        "answers.jsonl",
        "generated.tsv",
        "manifest.json",
        "qrels.train.txt",
        "topics.train.tsv",
    }


def test_more_passages_cost_only_their_own_requests(corpus: Path, site: ChatSite) -> None:
    ask(corpus, site, limit=4)
    before = len(site.bodies)
    assert "exists" in refused(corpus, site)
    ask(corpus, site, overwrite=True)
    assert len(site.bodies) == 8 > before
    ask(corpus, site, overwrite=True, min_words=1)
    assert len(site.bodies) == 8
    ask(corpus, site, overwrite=True, temperature=0.1)  # another request
    assert len(site.bodies) == 16
    ask(corpus, site, overwrite=True)  # answers of other requests are kept, too
    assert len(site.bodies) == 16


@pytest.mark.parametrize(
    "failure",
    [
        (429, {"Retry-After": "0"}, BUSY),
        (500, {"Retry-After": "0"}, "<html>"),
        (503, {"Retry-After": "x"}, ""),
        (200, {}, "<html>no json</html>"),
        (200, {}, '{"choices": []}'),
        (200, {"cut": "yes"}, '{"choices": ['),
    ],
    ids=["429", "500", "503", "html", "no-choice", "cut"],
)
def test_failures_that_pass_are_tried_again(
    corpus: Path, site: ChatSite, failure: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "LONGEST_PAUSE", 0.01)
    site.failures = [failure, failure]
    ask(corpus, site)
    assert (len(site.bodies), site.answered) == (10, 8)


def test_it_gives_up_and_keeps_what_was_answered(
    corpus: Path, site: ChatSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "LONGEST_PAUSE", 0.01)
    ask(corpus, site, output="whole")
    asked = len(site.bodies)
    ask(corpus, site, limit=3)
    before = len(site.bodies) - asked
    site.failures = [(500, {}, BUSY)] * 50
    said = refused(corpus, site, overwrite=True, retries=2)
    assert "500" in said and "slow down" in said and "3 tries" in said and "resumes" in said
    site.failures, site.bodies = [], []
    ask(corpus, site, overwrite=True)
    assert len(site.bodies) == 8 - before
    whole, out = corpus.parent / "whole", corpus.parent / "out"
    for name in ("topics.train.tsv", "qrels.train.txt", "generated.tsv"):
        assert (whole / name).read_bytes() == (out / name).read_bytes()


def test_half_a_character_of_an_answer_is_replaced(corpus: Path, site: ChatSite) -> None:
    site.answer = "what is \ud83d here"  # json.dumps escapes it
    ask(corpus, site, limit=1)
    site.failures = [(400, {}, json.dumps({"error": {"message": "no \udc00"}}))]
    assert "no ?" in refused(corpus, site, output="other")
    assert "what is ? here" in (corpus.parent / "out" / "topics.train.tsv").read_text(
        encoding="utf-8"
    )


def test_answers_behind_an_invalid_line_are_not_lost(corpus: Path, site: ChatSite) -> None:
    ask(corpus, site)
    answers = corpus.parent / "out" / "answers.jsonl"
    whole = answers.read_text(encoding="utf-8")
    lines = whole.splitlines(keepends=True)
    answers.write_text("".join([lines[0], "{}\n", *lines[1:]]), encoding="utf-8")
    for estimate in (True, False):
        assert f"{answers}, line 2" in refused(corpus, site, overwrite=True, estimate=estimate)
    answers.write_text(whole, encoding="utf-8")
    ask(corpus, site, overwrite=True)
    assert len(site.bodies) == 8 and answers.read_text(encoding="utf-8") == whole


def test_a_server_may_not_ask_for_too_much_patience(corpus: Path, site: ChatSite) -> None:
    site.failures = [(429, {"Retry-After": "3600"}, BUSY)]
    assert "3,600 seconds" in refused(corpus, site)
    assert len(site.bodies) == 1


def test_timeouts(corpus: Path, site: ChatSite) -> None:
    site.pause = 0.4
    assert "0.05 seconds, after 1 tries" in refused(corpus, site, timeout=0.05, retries=0)


@pytest.mark.parametrize(
    ("status", "said"),
    [(401, "key_env"), (403, "may this key"), (404, "up to /v1"), (302, "redirects to http://x/")],
)
def test_refusals_are_final_and_do_not_show_the_key(
    corpus: Path, site: ChatSite, status: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", SECRET)
    body = json.dumps({"error": {"message": f"the key {SECRET} is wrong"}})
    headers = {"Location": "http://x/"} if status == 302 else {}
    site.failures = [(status, headers, body)]
    message = refused(corpus, site, key_env="MY_KEY")
    assert said in message and str(status) in message and SECRET not in message
    assert site.keys == [f"Bearer {SECRET}"]


def test_the_key_is_in_no_file(
    corpus: Path, site: ChatSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", SECRET)
    (corpus.parent / "netrc").write_text(
        f"machine 127.0.0.1 login a password {SECRET}\n", encoding="utf-8"
    )
    monkeypatch.setenv("NETRC", str(corpus.parent / "netrc"))
    ask(corpus, site, key_env="MY_KEY", output="with")
    assert {*site.keys} == {f"Bearer {SECRET}"}
    for path in (corpus.parent / "with").iterdir():
        assert SECRET.encode() not in path.read_bytes()
    site.keys.clear()
    ask(corpus, site, output="without")
    assert {*site.keys} == {None}


def test_a_refused_prompt_is_counted_and_not_sent_again(corpus: Path, site: ChatSite) -> None:
    site.refused = "ember"
    written = ask(corpus, site)
    assert "passages refused by the server (1)" in str(written)
    assert "7 queries" in str(written)
    sent = len(site.bodies)
    ask(corpus, site, overwrite=True)
    assert len(site.bodies) == sent == 8
    site.refused = "Passage"
    assert "prompt is too long" in refused(corpus, site, output="other")


def test_answers_without_queries_stop_the_work(
    corpus: Path, site: ChatSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("i3_pyserini.data.asking.FRUITLESS", 3)
    site.answer = "I cannot do that."
    assert "'I cannot do that.'" in refused(corpus, site, concurrency=1)
    assert len(site.bodies) == 3


def test_a_server_that_is_not_there(corpus: Path, site: ChatSite) -> None:
    start = time.monotonic()
    assert "cannot be reached" in refused(corpus, site, url="http://127.0.0.1:9/v1")
    assert time.monotonic() - start < 5


def test_estimates_ask_nothing_and_learn_from_answers(corpus: Path, site: ChatSite) -> None:
    prices: dict[str, Any] = {"price_input": 2.0, "price_output": 10.0}
    before = ask(corpus, site, estimate=True, per_passage=2, **prices)
    assert isinstance(before, QueryEstimate)
    assert (before.passages, before.requests, before.answered) == (10, 8, 0)
    assert (before.answers, before.seconds, before.measured) == (8 * 32, None, 0)
    assert before.price == pytest.approx((before.prompts * 2 + before.answers * 10) / 1e6)
    assert "amber number 0 stands here" in str(before)
    assert not site.bodies and not (corpus.parent / "out").exists()
    ask(corpus, site, limit=3, per_passage=2)
    after = ask(corpus, site, estimate=True, per_passage=2)
    assert after.measured == after.answered == len(site.bodies)
    assert after.requests == 8 - after.answered
    assert after.answers == pytest.approx(7 * after.requests)
    share = after.requests / 8
    assert after.prompts == pytest.approx(2 * before.prompts * share, rel=0.1)  # 2 characters
    assert after.seconds is not None and after.price is None


def test_prompts_and_examples(corpus: Path, site: ChatSite, tmp_path: Path) -> None:
    prompt = tmp_path / "prompt.txt"
    prompt.write_text('{examples}\n{title}\n{"n": {count}} Passage: {text}\n', encoding="utf-8")
    topics, qrels = tmp_path / "topics.tsv", tmp_path / "qrels.txt"
    topics.write_text("q1\tfind the amber\nq2\tnowhere {text}\n", encoding="utf-8")
    qrels.write_text("q1 0 p0 1\nq2 0 gone 1\n", encoding="utf-8")
    own: dict[str, Any] = {"example_topics": topics, "example_qrels": qrels}
    ask(corpus, site, prompt=prompt, **own, examples=1, limit=1, passage_chars=9)
    (sent,) = site.prompts
    assert sent.startswith("Title: amber\nPassage: amber number 0 stands here\nQueries:\nfind the")
    assert sent.splitlines()[-1].startswith('{"n": 1} Passage: ')
    assert len(sent.splitlines()[-1]) == len('{"n": 1} Passage: ') + 9
    assert "collection: 1, expected 2" in refused(corpus, site, output="b", **own, examples=2)
    for text, said in (
        ("{passage}", "{passage}"),
        ("no place", "{text}"),
        ("{text}", "{examples}"),
    ):
        prompt.write_text(text, encoding="utf-8")
        assert said in refused(corpus, site, output="b", prompt=prompt, **own, examples=1)
    assert "cannot be read" in refused(corpus, site, output="b", prompt=tmp_path / "none")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"url": None}, "requires url"),
        ({"url": "ftp://x"}, "expected the address"),
        ({"url": "http://user:pw@x/v1"}, "password"),
        ({"url": "http://x:port/v1"}, "expected the address"),
        ({"key_env": "NO_SUCH_VARIABLE"}, "NO_SUCH_VARIABLE"),
        ({"temperature": 3.0}, "temperature"),
        ({"concurrency": 0}, "concurrency"),
        ({"timeout": 0.0}, "timeout"),
        ({"retries": -1}, "retries"),
        ({"price_input": 1.0}, "price_output"),
        ({"price_input": -1.0, "price_output": 1.0}, "price_input"),
        ({"example_topics": Path("t")}, "example_qrels"),
        ({"extra_body": "{"}, "not valid JSON"),
        ({"extra_body": '{"stream": true}'}, "stream"),
        ({"model": None}, "model"),
    ],
)
def test_invalid_options(corpus: Path, site: ChatSite, options: dict[str, Any], said: str) -> None:
    assert said in refused(corpus, site, **options)
    assert not site.bodies and not (corpus.parent / "out").exists()


def test_options_of_other_sources(corpus: Path, site: ChatSite) -> None:
    for source, options, said in (
        ("titles", {"language_model": LanguageModel(url=site.url)}, "url requires source llm"),
        ("llm", {"model": "m", "batch_size": 3}, "source llm requires url"),
    ):
        with pytest.raises(I3Error, match=said):
            make_queries(corpus, source=source, output=corpus.parent / "o", **options)  # type: ignore[arg-type]
    how = LanguageModel(url=site.url)
    with pytest.raises(I3Error, match="batch_size"):
        make_queries(corpus, source="llm", model="m", batch_size=3, output="o", language_model=how)


def test_further_fields_of_requests(corpus: Path, site: ChatSite) -> None:
    extra = '{"max_tokens": null, "max_completion_tokens": 99, "top_p": 0.5}'
    ask(corpus, site, extra_body=extra, limit=1)
    body = site.bodies[0]
    assert "max_tokens" not in body
    assert (body["max_completion_tokens"], body["top_p"]) == (99, 0.5)
