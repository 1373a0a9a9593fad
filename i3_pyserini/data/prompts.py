"""Prompts for queries: templates with placeholders, and examples."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from i3_pyserini.data.queries import read_judged_queries
from i3_pyserini.data.query_files import digest
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.formats.textstore import TextStore

DEFAULT = Path(__file__).with_name("query_prompt.txt")
NAMES = ("title", "text", "count", "examples")
PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
EXAMPLE_CHARS = 600  # of a passage in an example


@dataclass(frozen=True)
class Example:
    """A passage and a query that it answers."""

    passage: Passage
    query: str

    def __str__(self) -> str:
        title = " ".join((self.passage.title or "").split())
        text = " ".join(self.passage.text.split())
        lines = [f"Title: {title}"] if title else []
        return "\n".join([*lines, f"Passage: {text[:EXAMPLE_CHARS]}", "Queries:", self.query, ""])


class Prompt:
    """A template with its examples.

    Args:
        path: the template's file; None for the default.
        examples: what {examples} stands for.
        chars: maximum characters of a passage.

    Raises:
        I3Error: the file cannot be read, has no {text}, or has an unknown placeholder.

    Attributes:
        sha256: hash of the template.
        cut: how many passages were longer than `chars`.
    """

    def __init__(self, path: Path | None, examples: Sequence[Example], chars: int) -> None:
        place, self.chars, self.cut = path or DEFAULT, chars, 0
        try:
            self.template = place.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise I3Error(f"prompt {place}: cannot be read ({error})") from error
        found = set(PLACEHOLDER.findall(self.template))
        if unknown := found - {*NAMES}:
            raise I3Error(
                f"prompt {place}: unknown placeholder {{{min(unknown)}}}; known ones are "
                f"{', '.join(f'{{{name}}}' for name in NAMES)}"
            )
        if "text" not in found:
            raise I3Error(f"prompt {place}: no {{text}}, where the passage goes")
        if examples and "examples" not in found:
            raise I3Error(f"prompt {place}: no {{examples}}, where the examples go")
        self.sha256 = hashlib.sha256(self.template.encode()).hexdigest()
        self.examples = "\n".join(map(str, examples))

    def of(self, passage: Passage, count: int) -> str:
        """The prompt for a passage; a line with nothing but empty placeholders is left out.

        Args:
            passage: the passage.
            count: number of queries to ask for.
        """
        values = {
            "title": " ".join((passage.title or "").split()),
            "text": passage.text.strip()[: self.chars],
            "count": str(count),
            "examples": self.examples,
        }
        self.cut += len(passage.text.strip()) > self.chars
        lines = []
        for line in self.template.strip().splitlines():
            names = PLACEHOLDER.findall(line)
            if not names or any(values[name] for name in names):
                lines.append(PLACEHOLDER.sub(lambda found: values[found[1]], line))
        return "\n".join(lines)


def choose_examples(
    topics: Path, qrels: Path, store: TextStore, count: int, seed: int
) -> list[Example]:
    """Queries with a relevant passage, chosen at random.

    Args:
        topics: the queries.
        qrels: their judgments.
        store: the collection.
        count: number of examples.
        seed: random seed.

    Raises:
        I3Error: a file cannot be read, or there are fewer such queries.
    """
    queries, positives = read_judged_queries(topics, qrels)
    found: list[Example] = []
    for qid in sorted(queries, key=lambda qid: digest(f"{seed} {qid}", 8)):
        passages = (store.get(pid) for pid in positives.get(qid, ()))
        if passage := next((one for one in passages if one and one.text.strip()), None):
            found.append(Example(passage, queries[qid]))
        if len(found) == count:
            return found
    raise I3Error(
        f"{topics}: queries with a relevant passage in the collection: {len(found)}, expected "
        f"{count}; lower examples"
    )
