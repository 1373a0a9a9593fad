"""The commands of the README and of docs/reference/model.md, run as they stand there."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from i3_pyserini import I3Retriever, I3Tokenizer, save_model_directory
from i3_pyserini.stock.java import find_java, java_environment
from tests.browser import served
from tests.letters import write_collection as write_letters
from tests.pages import ROOT, block, command_blocks, run_code


@pytest.mark.slow
def test_python_example(tiny_bert: str, tmp_path: Path) -> None:
    code = block("In Python", "python", "docs/reference/model.md").replace(
        "path/or/hub-name", tiny_bert
    )
    assert "tensor" in run_code(code, tmp_path)
    assert (tmp_path / "MODEL" / "query_encoder" / "config.json").is_file()


def write_collection(folder: Path) -> None:
    texts = ["boil an egg", "hot water", "the eggs"]
    lines = [json.dumps({"id": f"d{row}", "text": text}) for row, text in enumerate(texts)]
    (folder / "corpus.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "topics.tsv").write_text("1\tboil an egg\n2\twater\n", encoding="utf-8")
    (folder / "qrels.txt").write_text("1 0 d0 1\n2 0 d1 1\n", encoding="utf-8")


def shell(commands: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["/bin/bash", "-e", "-c", commands],
        capture_output=True,
        encoding="utf-8",
        check=False,
        cwd=folder,
        env={**os.environ, **java_environment(), "PATH": path, "HF_HUB_OFFLINE": "1"},
    )


@pytest.mark.slow
def test_functions_and_commands_give_the_same_run(minilm: str, tmp_path: Path) -> None:
    write_collection(tmp_path)
    run_code(block("In Python", "python"), tmp_path)
    commands = (
        f"i3-pyserini model create {minilm} --output MODEL2\n"
        "i3-pyserini encode corpus.jsonl --model MODEL2 --output INDEX2\n"
        "i3-pyserini search INDEX2 topics.tsv --output run2.txt\n"
    )
    done = shell(commands, tmp_path)
    assert done.returncode == 0, done.stderr
    runs = [
        [line.split()[:5] for line in (tmp_path / name).read_text(encoding="utf-8").splitlines()]
        for name in ("run.txt", "run2.txt")
    ]
    assert runs[0] == runs[1] != []


BACKBONE = "sentence-transformers/all-MiniLM-L6-v2"


@pytest.mark.slow
def test_from_a_table_of_texts_to_hits_and_a_page(minilm: str, tmp_path: Path) -> None:
    rows = ["sku,title,body,price,url", "a1,Broken,<p>My parcel came broken.</p>,3,https://a.b/1"]
    rows.append("a2,Late,My parcel is late.,4,https://a.b/2")
    (tmp_path / "faq.csv").write_text("\n".join(rows), encoding="utf-8")
    commands = block("I have a table of texts").replace(BACKBONE, minilm)
    commands = commands.replace("data import faq.csv", "data import faq.csv --docid-field sku")
    last = "i3-pyserini serve INDEX\n"
    assert commands.endswith(last)
    done = shell(commands.removesuffix(last), tmp_path)
    assert done.returncode == 0, done.stderr
    assert "a1" in done.stdout and "https://a.b/1" in done.stdout and "<p>" not in done.stdout
    with served(tmp_path / "INDEX", tmp_path) as address:
        page = requests.get(address, timeout=60).text
    assert "2 passages" in page and "minilm" in page.lower()


COMPARISON = "tests/test_readme.py::test_from_judgments_to_a_comparison"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "output"),
    [
        ("README.md", "results"),
        ("docs/tutorials/own-collection.md", "results"),
        ("docs/how-to/compare.md", "OUTPUT"),
    ],
)
def test_from_judgments_to_a_comparison(
    page: str, output: str, tiny_bert: str, tmp_path: Path
) -> None:
    for name in ("my-beir-folder", "SOURCE"):
        write_letters(tmp_path / name)
    commands = "".join(one.text for one in command_blocks(page) if COMPARISON in one.values)
    commands = commands.replace(BACKBONE, tiny_bert).rstrip()
    done = shell(f"{commands} --steps 2 --batch-size 4\n", tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "I³ released" in done.stdout and (tmp_path / output / "report.html").is_file()


@pytest.mark.slow
@pytest.mark.skipif(find_java()[0] is None, reason="stock Pyserini needs Java")
def test_own_commands(tiny_bert: str, tmp_path: Path) -> None:
    model = I3Retriever.from_backbone(tiny_bert, pooling="mean", normalize=True)
    tokenizer = I3Tokenizer.from_pretrained(tiny_bert, model.config)
    save_model_directory(model, tokenizer, tmp_path / "MODEL")
    write_collection(tmp_path)
    done = shell(block("With stock Pyserini"), tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    table = done.stdout.splitlines()[-2:]
    assert table[0].split() == ["run", "RR@10", "nDCG@10", "R@1000", "Judged@10"]
    assert table[1].split()[0] == "run.txt"
    assert table[1].split()[3] == "1.0000"  # all three passages are retrieved
    ours = ("--index", "INDEX", "--topics", "topics.tsv", "--output", "ours.txt")
    command = [sys.executable, "-m", "i3_pyserini.search", *ours]
    subprocess.run(command, capture_output=True, check=True, cwd=tmp_path)
    theirs, ours_ = (
        [line.split()[:3] for line in (tmp_path / name).read_text(encoding="utf-8").splitlines()]
        for name in ("run.txt", "ours.txt")
    )
    assert theirs == ours_


def test_two_commands() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in block("Two commands").split("\n"):
        assert not command or f"\n{command.removeprefix('make ')}: " in makefile


def test_checkpoint_commands_have_these_flags() -> None:
    text = block("Original checkpoints", page="docs/reference/model.md")
    for module in re.findall(r"python -m (\S+)", text):
        done = subprocess.run(
            [sys.executable, "-m", module, "--help"],
            capture_output=True,
            encoding="utf-8",
            check=True,
        )
        line = next(line for line in text.splitlines() if module in line)
        for flag in re.findall(r"--\S+", line):
            assert flag in done.stdout
