"""The command `diff`: its tables, files and mistakes."""

import json
import shutil
from pathlib import Path

import pytest

from i3_pyserini import I3Retriever, I3Tokenizer, save_model_directory
from i3_pyserini.eval.diff_texts import LENGTH, one_line
from tests.conftest import Done, Run, numbers

QRELS = "q1 0 a 1\nq1 0 b 0\nq2 0 c 2\nq3 0 d 1\n"
RUN_A = "q1 Q0 a 1 3 t\nq1 Q0 b 2 2 t\nq1 Q0 x 3 1 t\nq2 Q0 y 1 9 t\nq2 Q0 c 2 8 t\n"
RUN_B = "q1 Q0 x 1 3 t\nq1 Q0 a 2 2 t\nq2 Q0 c 1 9 t\n"
TOPICS = "q1\thow long to boil an egg\nq3\t| *hot* water\nq9\tunasked\n"
TEXTS = {
    "a": {"title": "Eggs", "text": "boil\nin \x1b[31mwater " + "egg " * 40},
    "b": {"title": "b", "text": "cold water"},
    "c": {"title": "", "text": "a | b <b>"},
    "x": {"text": "plant"},
    "y": {"text": "light"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (("qrels", QRELS), ("a", RUN_A), ("b", RUN_B), ("topics.tsv", TOPICS)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "corpus").mkdir()
    lines = [json.dumps({"id": docid, **fields}) for docid, fields in TEXTS.items()]
    (tmp_path / "corpus" / "corpus.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path


@pytest.fixture
def command(folder: Path, run_module: Run) -> Run:
    """Runs it with the folder's files."""

    def run(
        *options: object,
        a: str = "a",
        b: str = "b",
        topics: str = "topics.tsv",
        check: bool = False,
    ) -> Done:
        given = (folder / "qrels", folder / a, folder / b, "--topics", folder / topics)
        return run_module("i3_pyserini.eval", "diff", *given, *options, check=check)

    return run


def test_text(command: Run, folder: Path) -> None:
    shown = command("--measure", "RR@10", "--corpus", folder / "corpus", check=True).stdout
    text = one_line(f"Eggs: {TEXTS['a']['text']}", LENGTH)
    assert text.startswith("Eggs: boil in [31mwater egg")
    head, lost, gained = (part.splitlines() for part in shown.split("\n\n"))
    assert head[0] == "A: a, B: b"
    # RR@10, queries, A, B, their change; wins, ties, losses; judged@10, A, B
    assert numbers(head[1]) == ["10", "3", "0.5000", "0.5000", "0.0000", "1", "1", "1"]
    assert numbers(head[2]) == ["10", "0.3889", "0.5000"]
    assert [line.split(": ")[0] for line in head[3:]] == ["note"] * 5
    assert [numbers(note)[:3] for note in head[3:]] == [
        ["1", "3"],  # a has no q3, and b neither
        ["1", "3"],
        ["1", "3", "2"],  # one of three queries has no text, q2
        ["10", "61.1", "50.0"],  # of the top ten unjudged
        ["2", "10", "1"],  # levels up to 2, RR@10 counts from 1
    ]
    assert [note.split()[1] for note in head[3:5]] == ["a:", "b:"]
    assert lost[0].endswith("lost 1: query q1: how long to boil an egg")
    assert numbers(lost[1]) == ["10", "1.0000", "0.5000", "0.5000", "10", "0.67", "0.50"]
    assert [line.split(maxsplit=5) for line in lost[3:]] == [
        ["1", "->", "2", "1", "a", text],
        ["3", "->", "1", "?", "x", "plant"],
        ["2", "->", "-", "0", "b", "cold water"],
    ]
    assert gained[0].endswith("gained 1: query q2")
    assert numbers(gained[1]) == ["10", "0.5000", "1.0000", "0.5000", "10", "0.50", "1.00"]
    assert [line.split(maxsplit=5) for line in gained[3:]] == [
        ["1", "->", "-", "?", "y", "light"],
        ["2", "->", "1", "2", "c", "a | b <b>"],
    ]
    assert "  1 -> 2         1  a\n" in command("--measure", "RR@10", check=True).stdout


def test_json_has_the_same(command: Run, folder: Path) -> None:
    given = ("--measure", "RR@10", "--depth", 1, "--corpus", folder / "corpus", "--json")
    found = json.loads(command(*given, check=True).stdout)
    assert [found[name] for name in ("wins", "ties", "losses", "queries")] == [1, 1, 1, 3]
    assert (found["measure"], found["depth"]) == ("RR@10", 1)
    (gained,) = found["gained"]
    assert gained["passages"] == [
        {
            "passage": "y",
            "rank_a": 1,
            "rank_b": None,
            "relevance": None,
            "shown": {"text": "light", "words": []},
        },
        {
            "passage": "c",
            "rank_a": 2,
            "rank_b": 1,
            "relevance": 2,
            "shown": {"text": "a | b <b>", "words": []},
        },
    ]
    assert [one["query_id"] for one in found["lost"]] == ["q1"]


def test_markdown_in_a_file(command: Run, folder: Path) -> None:
    output = folder / "new" / "diff.md"
    given = ("--corpus", folder / "corpus", "--output", output)
    done = command(*given, check=True)
    assert done.stdout == f"wrote {output}\n"
    lines = output.read_text(encoding="utf-8").splitlines()
    assert "### lost 1: query q1: how long to boil an egg" in lines
    assert r"|   2 -> 1 |        2 | c         | a \| b \<b> |" in lines
    again = command(*given)
    assert again.returncode == 2
    assert "exists" in again.stderr
    command(*given, "--overwrite", check=True)


def test_runs_of_one_name_are_told_apart(command: Run, folder: Path) -> None:
    (folder / "new").mkdir()
    shutil.copy(folder / "b", folder / "new" / "a")
    shown = command(b="new/a", check=True).stdout
    assert shown.splitlines()[0] == f"A: {folder / 'a'}, B: {folder / 'new' / 'a'}"


def test_runs_that_do_not_differ(command: Run, folder: Path) -> None:
    shutil.copy(folder / "a", folder / "same")
    shown = command(b="same", check=True).stdout
    assert "mean change +0.0000; B wins 0, ties 3, loses 0" in shown
    assert "query q1" not in shown


def test_mistakes_are_told_in_one_line(command: Run, folder: Path) -> None:
    (folder / "linked").symlink_to(folder / "a")
    (folder / "other.tsv").write_text("q7\tanother set\n", encoding="utf-8")
    (folder / "other").write_text("q7 Q0 a 1 1 t\n", encoding="utf-8")
    (folder / "part.tsv").write_text("a\tEggs\tboil\nx\t\tplant\n", encoding="utf-8")
    part = folder / "part.tsv"
    for options, files, said in (
        ((), {"b": "linked"}, "linked: is the same file as"),
        ((), {"b": "none"}, "none: "),
        ((), {"b": "other"}, "other: none of its 1 queries is among the 3 of the qrels"),
        ((), {"topics": "other.tsv"}, "none of the 1 topics is among the 3 queries"),
        (("--queries", 0), {}, "queries is 0, must be at least 1"),
        (("--depth", -1), {}, "depth is -1, must be at least 1"),
        (("--measure", "nonsense"), {}, "neither a preset"),
        (("--model", "m"), {}, "model requires corpus"),
        (("--corpus", folder / "none"), {}, "none: no such corpus"),
        (("--corpus", part), {}, "part.tsv: no passage 'b', which a run ranks"),
        (("--corpus", part, "--model", folder / "corpus"), {}, "corpus: no config.json"),
        (("--output", folder / "a"), {}, "a: is given twice"),
    ):
        done = command(*options, **files)
        assert done.returncode == 2, said
        assert len(done.stderr.splitlines()) == 1
        assert done.stderr.startswith("error: ")
        assert said in done.stderr


def test_pseudo_query_words(command: Run, folder: Path, tiny_bert: str) -> None:
    """Those of the passage's vector, for each passage that is shown."""
    from i3_pyserini.model.pseudo_query import explain

    model = I3Retriever.from_backbone(tiny_bert)
    model.config.reconstructor_steps = 9
    model.eval()
    tokenizer = I3Tokenizer.from_pretrained(tiny_bert, model.config)
    save_model_directory(model, tokenizer, folder / "model")
    given = ("--corpus", folder / "corpus", "--model", folder / "model")
    found = json.loads(command(*given, "--json", check=True).stdout)
    shown = {
        moved["passage"]: moved["shown"]["words"]
        for query in found["lost"] + found["gained"]
        for moved in query["passages"]
    }
    assert sorted(shown) == ["a", "b", "c", "x", "y"]
    for passage, words in shown.items():
        fields = TEXTS[passage]
        expected = explain(
            model, tokenizer, fields["text"], fields.get("title"), top=6, memory="vector"
        )
        assert words == [one.word for one in expected]
        assert words
    text = command(*given, check=True).stdout
    assert f"pseudo-query: {', '.join(shown['x'])}" in text
    header = next(
        line
        for line in command(*given, "--markdown", check=True).stdout.splitlines()
        if "judged |" in line
    )
    assert [name.strip() for name in header.strip("|").split("|")] == [
        *("A -> B", "judged", "passage", "text", "pseudo-query"),
    ]


def test_a_model_without_reconstructor_is_refused(
    command: Run, folder: Path, tiny_bert: str
) -> None:
    model = I3Retriever.from_backbone(tiny_bert, interaction="none")
    tokenizer = I3Tokenizer.from_pretrained(tiny_bert, model.config)
    save_model_directory(model, tokenizer, folder / "plain")
    done = command("--corpus", folder / "corpus", "--model", folder / "plain")
    assert done.returncode == 2
    assert "plain: This model has no query reconstructor" in done.stderr


def test_a_reconstructor_that_never_learnt_is_refused(
    command: Run, folder: Path, tiny_bert: str
) -> None:
    model = I3Retriever.from_backbone(tiny_bert)
    save_model_directory(model, I3Tokenizer.from_pretrained(tiny_bert, model.config), folder / "m")
    done = command("--corpus", folder / "corpus", "--model", folder / "m")
    assert done.returncode == 2 and "never trained" in done.stderr
