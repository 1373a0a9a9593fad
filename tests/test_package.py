"""What the package promises about itself: quick imports, one door to pyserini, its commands."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import i3_pyserini
from i3_pyserini.cli import COMMANDS, print_completion, run
from i3_pyserini.command import as_command, function_of
from i3_pyserini.errors import I3Error

PACKAGE = Path(i3_pyserini.__file__).parent
HEAVY = (
    "torch",
    "transformers",
    "pyserini",
    "pandas",
    "polars",
    "faiss",
    "ir_measures",
    "matplotlib",
)


@pytest.mark.parametrize(
    "code",
    [
        "import i3_pyserini",
        "import i3_pyserini.model.convert",
        "import i3_pyserini.model.explain",
        "import i3_pyserini.formats.lines, i3_pyserini.errors",
    ],
)
def test_imports_are_light(code: str) -> None:
    check = f"import sys; {code}; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout.strip() == "[]"


def test_only_stock_imports_pyserini() -> None:
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            imported = {name.split(".")[0] for name in names}
            assert "pyserini" not in imported or file.parent.name == "stock", file


def test_public_names() -> None:
    for name in i3_pyserini.__all__:
        assert getattr(i3_pyserini, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'I4'"):
        _ = i3_pyserini.I4


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_what_every_option_is(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    run([*name.split(), "--help"])
    text = capsys.readouterr().out
    function = function_of(COMMANDS[name].function)
    assert f"Usage: i3-pyserini {name}" in text
    for option, parameter in inspect.signature(as_command(function)).parameters.items():
        assert f"--{option.replace('_', '-')}" in text
        assert parameter.annotation.__metadata__[0].help, f"{option} is not documented"


def test_functions_of_commands_import_nothing_heavy() -> None:
    modules = {command.function.partition(":")[0] for command in COMMANDS.values()}
    code = "; ".join(f"import i3_pyserini.{module}" for module in sorted(modules))
    check = f"import sys; {code}; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("words", [[], ["--help"], ["model", "--help"]])
def test_list_of_commands(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    run(words)
    text = capsys.readouterr().out
    for name, command in COMMANDS.items():
        if len(words) < 2 or name.startswith("model "):
            assert f"  {name} " in text and command.purpose in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fuze"], "did you mean fuse?"),
        (["model", "explian"], "model explian: no such command; did you mean explain?"),
        (["experiment", "demo"], "experiment demo: no such command; did you mean demo?"),
        (["model"], "model: which command? create"),
        (["xyzzy"], "see i3-pyserini --help"),
        (["fuse", "a", "b", "--output", "c", "--metod", "rrf"], "Did you mean --method?"),
        (["fuse", "a", "b", "--output", "c", "--method", "rff"], 'Did you mean "rrf"?'),
        (["fuse", "a", "b", "--output", "c", "--hits", "many"], "--hits"),
        (["fuse"], "see i3-pyserini fuse --help"),
    ],
)
def test_mistakes_are_one_line(words: list[str], said: str) -> None:
    with pytest.raises(I3Error, match=re.escape(said)) as raised:
        run(words)
    assert "\n" not in str(raised.value)


def test_the_command_line_is_a_program() -> None:
    command = [sys.executable, "-m", "i3_pyserini"]
    done = subprocess.run(
        [*command, "--version"], capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout == f"i3-pyserini {i3_pyserini.__version__}\n"
    wrong = subprocess.run([*command, "bogus"], capture_output=True, encoding="utf-8", check=False)
    assert (wrong.returncode, len(wrong.stderr.splitlines())) == (2, 1)


def test_shells_complete_commands_and_options() -> None:
    script = print_completion("bash")
    assert all(word in script for name in COMMANDS for word in name.split())
    assert "--overwrite" in script
    subprocess.run(["/bin/bash", "-n", "/dev/stdin"], input=script, encoding="utf-8", check=True)


@pytest.mark.parametrize(
    "package", ["", ".data", ".encode", ".eval", ".integrations", ".search", ".serve"]
)
def test_public_names_are_there_and_light(package: str) -> None:
    module = f"i3_pyserini{package}"
    check = (
        f"import sys, {module} as m; modules = set(sys.modules)\n"
        f"print([m for m in {HEAVY} if m in modules])\n"
        "assert all(name in dir(m) for name in m.__all__ if name != '__version__')\n"
        "assert all(getattr(m, name) for name in m.__all__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout.strip() == "[]"
