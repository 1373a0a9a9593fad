"""Asks a language model for queries; every answer is kept, so that none is paid for twice."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from i3_pyserini.data.answers import read_answer
from i3_pyserini.data.chat import RESUMES, Answer, Chat
from i3_pyserini.data.language_model import LanguageModel
from i3_pyserini.data.own_words import choose
from i3_pyserini.data.prompts import Prompt, choose_examples
from i3_pyserini.data.query_cost import QueryEstimate, estimate_of
from i3_pyserini.data.query_files import (
    Job,
    Pairs,
    Summary,
    digest,
    enough_room,
    prepared,
    write_queries,
)
from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.atomic import new_file, unfinished
from i3_pyserini.formats.journal import Journal, open_journal
from i3_pyserini.formats.made import Made
from i3_pyserini.formats.records import read_record, write_record
from i3_pyserini.formats.textstore import TextStore, open_store

ANSWERS = "answers.jsonl"
UNFINISHED = "answers"  # the journal's name in the output folder
FORMAT = {"answers": 1}  # of the journal's lines
FRUITLESS = 20  # answers without a query at the beginning, after which the work stops

Key = str  # of a request: the hash of its address and body


@dataclass(frozen=True)
class Asked:
    """A request.

    Attributes:
        pid: the passage.
        body: of the request.
        key: see `Key`.
        chars: of the prompt.
    """

    pid: str
    body: Mapping[str, Any]
    key: Key
    chars: int


@dataclass
class Answers:
    """Answers by request, in the order in which they came.

    Attributes:
        known: answers by key.
        pids: the passage that was asked for first, by key.
    """

    known: dict[Key, Answer] = field(default_factory=dict)
    pids: dict[Key, str] = field(default_factory=dict)

    def read_file(self, path: Path) -> None:
        """Adds the answers of an earlier call, if there is one.

        Raises:
            I3Error: a line is invalid: answers behind it must not be lost.
        """
        if not path.is_file():
            return
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not self.read([line]):
                    raise I3Error(
                        f"{path}, line {number}: is no answer; remove the line, or the file to ask "
                        "anew"
                    )

    def read(self, lines: Iterable[bytes]) -> int:
        """Adds answers; returns the bytes of the valid lines at the beginning."""
        size = 0
        for line in lines:
            try:
                found = json.loads(line)
                key, pid = found.pop("request"), found.pop("id")
                self.add(str(key), str(pid), read_record(Answer, found, ANSWERS))
            except (ValueError, KeyError, TypeError, AttributeError):
                break
            size += len(line)
        return size

    def add(self, key: Key, pid: str, answer: Answer) -> str:
        """Adds an answer; returns its line."""
        self.known.setdefault(key, answer)
        self.pids.setdefault(key, pid)
        return self.line(key)

    def line(self, key: Key) -> str:
        """An answer as a line."""
        record = {"request": key, "id": self.pids[key], **write_record(self.known[key])}
        return f"{json.dumps(record, ensure_ascii=False)}\n"


class Requests:
    """The requests of a job, in the order of the collection.

    Args:
        job: what to make queries for.
        how: how to ask.
        model: name of the model.
        count: queries per passage.

    Raises:
        I3Error: the collection, the prompt or the examples cannot be read.
    """

    def __init__(self, job: Job, how: LanguageModel, model: str, count: int) -> None:
        self.how, self.model, self.count, self.seed = how, model, count, job.seed
        self.store: TextStore = open_store(job.corpus, job.cache)
        examples = []
        if how.example_topics and how.example_qrels:
            examples = choose_examples(
                how.example_topics, how.example_qrels, self.store, how.examples, job.seed
            )
        self.prompt = Prompt(how.prompt, examples, how.passage_chars)
        self.rows = [int(row) for row in np.flatnonzero(choose(self.store, job))]

    def __iter__(self) -> Iterator[Asked]:
        """The requests; passages without a text have none."""
        self.prompt.cut = 0
        for row in self.rows:
            (passage,) = self.store.slice(row, row + 1)
            if not passage.text.strip():
                continue
            prompt = self.prompt.of(passage, self.count)
            body = self.how.request(self.model, prompt, self.count, self.seed)
            named = json.dumps([(self.how.url or "").rstrip("/"), body], sort_keys=True)
            yield Asked(passage.docid, body, digest(named, 16).hex(), len(prompt))


def estimate_asking(job: Job, how: LanguageModel, model: str, count: int) -> QueryEstimate:
    """What asking costs, from answers so far if there are some; asks nothing.

    Args:
        job: what to make queries for.
        how: how to ask.
        model: name of the model.
        count: queries per passage.

    Raises:
        I3Error: see `Requests`.
    """
    asked, answers = Requests(job, how, model, count), Answers()
    answers.read_file(job.output / ANSWERS)
    partial = unfinished(job.output / UNFINISHED)
    if partial.is_file():
        with partial.open("rb") as file:
            answers.read(file)
    return _estimate(asked, answers)


def _estimate(asked: Requests, answers: Answers) -> QueryEstimate:
    sizes: dict[Key, int] = {}
    first = ""
    for one in asked:
        sizes.setdefault(one.key, one.chars)
        first = first or str(one.body["messages"][0]["content"])
    found = estimate_of(sizes, answers.known, asked.how, asked.count)
    return found.of(len(asked.rows), asked.prompt.cut, first)


def ask_queries(job: Job, how: LanguageModel, model: str, count: int) -> Summary:
    """Makes queries with a language model on a server.

    Answers are added to a file as they arrive. A request that is in it is not sent again, whether
    after an interruption or with `overwrite`.

    Args:
        job: what to make queries for, and where.
        how: how to ask.
        model: name of the model.
        count: queries per passage.

    Raises:
        I3Error: a file cannot be read or written, or the server refuses or answers no queries.
    """
    with prepared(job, with_corpus=False), enough_room(), closing(Pairs(job.min_words)) as pairs:
        asked, answers = Requests(job, how, model, count), Answers()
        answers.read_file(job.output / ANSWERS)
        with open_journal(job.output / UNFINISHED, FORMAT) as journal:
            journal.cut(answers.read(journal.lines()))
            note(str(_estimate(asked, answers).before()))
            _ask_all(asked, answers, journal)
            used = _add(pairs, asked, answers)
            made = Made(
                source="llm",
                model=model,
                host=how.host,
                prompt_sha256=asked.prompt.sha256,
                passages=len(asked.rows),
            )
            with new_file(job.output / ANSWERS, overwrite=True) as file:  # it has those it had
                file.writelines(map(answers.line, dict.fromkeys([*used, *answers.known])))
            summary = write_queries(pairs, job, asked.store, made)
            journal.discard()
    return summary


def _add(pairs: Pairs, asked: Requests, answers: Answers) -> list[Key]:
    """Adds the queries of all passages; returns the keys of their requests."""
    used, left_out = [], pairs.left_out
    for one in asked:
        used.append(one.key)
        pairs.add(one.pid, read_answer(answers.known[one.key], asked.count, left_out))
    if without := len(asked.rows) - len(used):
        left_out["passages without a text"] += without
    return used


def _ask_all(asked: Requests, answers: Answers, journal: Journal) -> None:
    """Sends the requests without an answer, several at a time, the first one alone.

    Answers to requests that are under way when something fails are awaited and kept.
    """
    how, keys = asked.how, {one.key for one in asked}
    chat = Chat(how.url or "", how.key(), how.timeout, how.retries, how.concurrency)
    pending: dict[Future[Answer], Asked] = {}
    sent: set[Key] = set(answers.known)
    before = len(sent)
    fruitless = _Fruitless(asked.count)

    def keep(futures: Iterable[Future[Answer]]) -> None:
        for future in futures:
            one = pending.pop(future)
            answer = future.result()
            if answer.refused is not None and not answers.known:
                raise I3Error(f"{chat.address}: refused the first prompt: {answer.refused}")
            journal.append(answers.add(one.key, one.pid, answer))
            shown.update()
            fruitless.see(answer)

    with (
        closing(chat),
        ThreadPoolExecutor(how.concurrency) as pool,
        tqdm(
            total=len(keys), initial=len(keys & sent), desc="ask for queries", unit="request"
        ) as shown,
    ):
        try:
            for one in asked:
                if one.key in sent:
                    continue
                first = len(sent) == before
                sent.add(one.key)
                pending[pool.submit(chat.ask, one.body, first)] = one
                if first or len(pending) >= how.concurrency:
                    keep(wait(pending, return_when=FIRST_COMPLETED).done)
            while pending:
                keep(wait(pending, return_when=FIRST_COMPLETED).done)
        except BaseException:
            chat.stopped.set()
            _keep_others(pending, answers, journal)
            raise


def _keep_others(
    pending: Mapping["Future[Answer]", Asked], answers: Answers, journal: Journal
) -> None:
    for future, one in pending.items():
        if not future.cancel() and future.exception() is None:
            journal.append(answers.add(one.key, one.pid, future.result()))


class _Fruitless:
    """Stops the work if no answer at the beginning has a query.

    Args:
        count: queries per passage.
    """

    def __init__(self, count: int) -> None:
        self._count, self._seen, self._found = count, 0, False

    def see(self, answer: Answer) -> None:
        """Counts an answer.

        Raises:
            I3Error: none of the first answers has a query.
        """
        if self._found:
            return
        self._seen += 1
        self._found = bool(read_answer(answer, self._count, Counter()))
        if not self._found and self._seen >= FRUITLESS:
            said = answer.refused or answer.answer
            raise I3Error(
                f"no query in the first {self._seen} answers, such as {said!r:.120}; change the "
                f"prompt, or max_tokens; answers so far are kept, and {RESUMES}"
            )
