"""Passages, and the fields of a record for id, title and text."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.lines import refuse_surrogates
from i3_pyserini.formats.names import normal

# In this order, for all commands. A passage of MS MARCO v2 has its own id in `pid` and that of the
# document it was cut from in `docid`, so the names of passages come before those of documents.
ID_FIELDS = ("id", "_id", "pid", "passage_id", "docid", "doc_id", "docno")
TITLE_FIELDS = ("title",)
LISTED, SHOWN = 20, 60  # names in a message, and characters of each
TEXT_FIELDS = ("text", "contents", "passage", "segment", "body")


@dataclass(frozen=True)
class Passage:
    """One passage of a corpus.

    Attributes:
        docid: its id.
        title: its title; None if it has none.
        text: its text.
        extra: further fields that were asked for, as JSON has them.
        contents: the fields that were asked for, joined by newlines, as Pyserini writes them; ""
            for a passage that comes from a text store.
    """

    docid: str
    title: str | None
    text: str
    extra: Mapping[str, Any] = field(default_factory=dict)
    contents: str = field(default="", compare=False)


@dataclass(frozen=True)
class PassageFields:
    """Which fields of a record a passage is made of.

    Names are compared exactly first, then in any case, with `-` and blanks as `_`. See `Corpus` for
    the attributes.
    """

    fields: tuple[str, ...] = ()
    docid: str | None = None
    title: str | None = None
    text: str | None = None
    delimiter: str = "\n"
    keep: tuple[str, ...] = ()
    ids: bool = True

    def passage(self, record: Mapping[str, Any]) -> Passage:
        """The passage that a record holds.

        Raises:
            I3Error: a field is missing or not a string, or the id cannot stand in a run file; the
                message does not say where.
        """
        docid = self._docid(record) if self.ids else ""
        values = self._values(record)
        title = values.get("title")
        parts = [value for name, value in values.items() if name != "title" and value]
        text = values["text"] or "" if "text" in values else " ".join(filter(None, parts))
        contents = "\n".join(value or "" for value in values.values())
        return Passage(docid, title or None, text, self._kept(record), contents)

    def columns(self, names: Sequence[str]) -> list[str]:
        """Those of a table's columns that `passage` needs.

        Raises:
            I3Error: the id, the text or a field to keep is missing.
        """
        needed = {self._id_name(names)} if self.ids else set()
        if self.fields and all(name in names for name in self.fields):
            needed.update(self.fields)
        elif self.fields:
            needed.add(_require(names, ("contents",), " or ".join(self.fields)))
        else:
            needed.update(filter(None, self._title_and_text(names)))
        needed.update(_require(names, (name,), f"{name} to keep") for name in self.keep)
        return [name for name in names if name in needed]

    def has_id(self, names: Sequence[str]) -> bool:
        """Whether one of a table's columns is the id, or none is needed."""
        return not self.ids or _find(names, (self.docid,) if self.docid else ID_FIELDS) is not None

    def absent(self, names: Sequence[str]) -> list[str]:
        """The fields to keep that a table lacks."""
        return [name for name in self.keep if _find(names, (name,)) is None]

    def _docid(self, record: Mapping[str, Any]) -> str:
        try:
            return checked_id(record[self._id_name(record)])
        except I3Error as error:
            raise I3Error(f"{error}; i3-pyserini data import --make-ids makes ids") from error

    def _kept(self, record: Mapping[str, Any]) -> dict[str, Any]:
        found = {name: _find(record, (name,)) for name in self.keep}
        return {name: record[own] for name, own in found.items() if own is not None}

    def _id_name(self, names: Iterable[str]) -> str:
        return _require(names, (self.docid,) if self.docid else ID_FIELDS, "id")

    def _title_and_text(
        self, names: Iterable[str], filled: str | None = None
    ) -> tuple[str | None, str]:
        """Their names; of several fields for a text, `filled` is the first that is not null."""
        if self.title:
            title: str | None = _require(names, (self.title,), "title")
        else:
            title = _find(names, TITLE_FIELDS)
        if filled and not self.text:
            return title, filled
        return title, _require(names, (self.text,) if self.text else TEXT_FIELDS, "text")

    def _values(self, record: Mapping[str, Any]) -> dict[str, str | None]:
        """Values by `title`, `text` or the names asked for, in that order, without outer blanks."""
        if not self.fields:
            filled = [name for name, value in record.items() if value is not None]
            title, text = self._title_and_text(record, _find(filled, TEXT_FIELDS))
            values = {} if title is None else {"title": _checked_text(record[title], title)}
            return {**values, "text": _checked_text(record[text], text)}
        if all(name in record for name in self.fields):
            return {name: _checked_text(record[name], name) for name in self.fields}
        absent = [name for name in self.fields if name not in record]
        if record.get("contents") is None:
            raise I3Error(
                f"no field {', '.join(map(repr, absent))} and no 'contents'; it has "
                f"{listed(record)}"
            )
        parts = (_checked_text(record["contents"], "contents") or "").split(self.delimiter)
        if len(parts) == len(self.fields) + 1 and not parts[-1]:
            parts.pop()
        if len(parts) != len(self.fields):
            raise I3Error(
                f"'contents' has {len(parts)} part(s) between {self.delimiter!r}, but "
                f"{len(self.fields)} field(s) are asked for: {' '.join(self.fields)}"
            )
        return {name: part.strip(" ") for name, part in zip(self.fields, parts, strict=True)}


def record_of(pid: str, title: str, text: str) -> dict[str, str]:
    """A line of `corpus.jsonl`, with `contents` for Anserini."""
    contents = f"{title}\n{text}" if title else text
    return {"id": pid, "title": title, "text": text, "contents": contents}


def known_names(names: Iterable[str]) -> list[str]:
    """Those of some names that are usual for a passage's id, title or text."""
    usual = set(map(normal, (*ID_FIELDS, *TITLE_FIELDS, *TEXT_FIELDS)))
    return [name for name in names if normal(name) in usual]


def _find(names: Iterable[str], wanted: Sequence[str]) -> str | None:
    """The first of the wanted names that is there, exactly, or else as `normal` has them."""
    for name in wanted:
        if name in names:
            return name
    normalised = {normal(name): name for name in reversed(list(names))}
    return next((normalised[normal(name)] for name in wanted if normal(name) in normalised), None)


def _require(names: Iterable[str], wanted: Sequence[str], what: str) -> str:
    found = _find(names, wanted)
    if found is None:
        tried = ", ".join(map(repr, wanted))
        raise I3Error(f"no {what} (field {tried}); it has {listed(names)}")
    return found


def listed(names: Iterable[str]) -> str:
    """Names for a message: at most 20 of them, long ones cut."""
    shown = [shortened(name) for name in islice(names, LISTED + 1)]
    return ", ".join(shown[:LISTED] + ["…"] * (len(shown) > LISTED)) or "no field"


def shortened(text: str) -> str:
    """A text in quotes for a message, cut if it is long."""
    return repr(text) if len(text) <= SHOWN else f"{text[:SHOWN]!r}…"


def checked_id(value: object) -> str:
    """An id of a passage or query, as a string.

    Raises:
        I3Error: it is neither a string nor an integer, or run files cannot hold it; the message
            does not say where.
    """
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise I3Error(f"the id is {_kind(value)}, not a string or an integer")
    docid = str(value)
    if not docid or docid != "".join(docid.split()) or "\0" in docid:
        raise I3Error(
            f"id {shortened(docid)} is empty or contains white space, which is not allowed in "
            "run files"
        )
    refuse_surrogates(docid, "the id")
    return docid


def _checked_text(value: object, name: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise I3Error(f"field {name!r} is {_kind(value)}, not a string")
    refuse_surrogates(value, f"field {name!r}")
    return value if name == "contents" else value.strip()


def _kind(value: object) -> str:
    name = "null" if value is None else type(value).__name__
    return name if value is None else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
