"""What the documentation site is made of; `make site` itself checks links, anchors and names."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from i3_pyserini.cli import COMMANDS, PROGRAM
from i3_pyserini.command import function_of
from i3_pyserini.shipped import shipped
from i3_pyserini.train.recipe import Recipe
from tests.pages import ROOT

pytest.importorskip("sphinx", reason="needs the extra docs")
from docs.generate import api, architecture, commands, pages, presets, recipe

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
INDEX = ROOT / "docs" / "index.md"
SECTIONS = ["Start", "Tutorials", "How-to", "Reference", "Explanation", "Results", "Contributing"]


@pytest.fixture(scope="module")
def documented() -> dict[int, str]:
    """The objects of the API's page, and their names there."""
    named = (name for names in api.names_by_package().values() for name in names)
    return {id(api.object_of(name)): name for name in named}


def imports() -> Iterator[tuple[str, str, str]]:
    """Page, module and name of what the pages' Python code imports from the package."""
    for page in [*PAGES, *NOTEBOOKS]:
        for code in _python(page):
            for one in ast.walk(ast.parse(code)):
                if isinstance(one, ast.ImportFrom) and (one.module or "").startswith(api.PACKAGE):
                    for alias in one.names:
                        yield page.name, str(one.module), alias.name


def _python(page: Path) -> list[str]:
    """The Python code of a page or notebook."""
    text = page.read_text(encoding="utf-8")
    if page in NOTEBOOKS:
        cells = json.loads(text)["cells"]
        return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize(("page", "module", "name"), sorted(set(imports())))
def test_what_pages_import_is_on_the_page_of_the_api(
    page: str, module: str, name: str, documented: dict[int, str]
) -> None:
    assert id(api.object_of(f"{module}.{name}")) in documented


@pytest.mark.slow
def test_the_function_of_every_command_is_on_the_page_of_the_api(
    documented: dict[int, str],
) -> None:
    missing = [
        name
        for name, command in COMMANDS.items()
        if id(function_of(command.function)) not in documented and name != "completion"
    ]
    assert not missing


@pytest.mark.slow
def test_every_command_has_a_section_that_the_list_leads_to() -> None:
    made = commands.commands()
    headings = re.findall(rf"^#+ ({PROGRAM} .+)$", made, re.MULTILINE)
    assert {f"{PROGRAM} {name}" for name in COMMANDS} <= set(headings)
    anchors = {heading.replace(" ", "-") for heading in headings}
    assert {commands.anchor(name) for name in COMMANDS} <= anchors
    assert f"[`index build`](#{PROGRAM}-index-build)" in made
    assert "--target-recall" in made and "--shard-num" in made  # of a function, of its options


def test_every_key_of_a_recipe_has_type_default_and_meaning() -> None:
    rows = re.findall(r"^\| `(\S+)` \| (.+) \| (.+) \| (.+) \|$", recipe.schema(), re.MULTILINE)
    table = {key: rest for key, *rest in rows}
    expected = {
        f"{name}.{key}"
        for name, one in Recipe.model_fields.items()
        if (section := recipe.section_of(one))
        for key in section.model_fields
    }
    assert set(table) == expected | {"output"}
    assert all(all(cells) for cells in table.values())
    assert table["loss.distillation_kind"][:2] == ["`kl` or `margin_mse` or `infonce`", "`kl`"]
    assert table["optimizer.warmup_ratio"][0] == "number ≥ 0, < 1"
    assert table["training.max_steps"][:2] == ["integer > 0 or null", "`null`"]
    assert table["output"][1] == table["data.collection"][1] == "required"


def test_presets_have_all_names() -> None:
    assert "| `trec-dl-2019` | nDCG@10, AP(rel=2)" in presets.measures()
    assert re.findall(r"^\| `(\S+)`", presets.recipes(), re.MULTILINE) == shipped("recipe")
    named = re.findall(r"^\| `(\S+)`", presets.experiments(), re.MULTILINE)
    assert named == shipped("plan") + shipped("experiment")


def test_the_diagram_of_layers_is_of_today() -> None:
    page = architecture.PAGE.read_text(encoding="utf-8")
    assert architecture.with_diagram(page) == page, "run: python -m docs.generate.architecture"
    assert architecture.layers()[0] == ["__main__", "worker"] and "eval" in page


def test_every_page_is_in_the_navigation_once() -> None:
    text = INDEX.read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
    listed = re.findall(r"^\* \[[^\]]+\]\(([^)]+)\)", text, re.MULTILINE)
    files = [(INDEX.parent / name).resolve() for name in listed]
    missing = {*PAGES, *NOTEBOOKS, ROOT / "CONTRIBUTING.md"} - {*files} - {INDEX}
    assert len(set(files)) == len(files) and not missing


def test_lists_become_navigation() -> None:
    lists = "* [a](a.md)\n\n## Part\n\n* [b](../b.md): c\n* [n](d/n.ipynb)\n"
    made = pages.with_navigation(f"# Title\n\n{lists}")
    assert ":caption: Part\n\n../b\nd/n\n```" in made and made.count("toctree") == 1


def test_comments_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pages.MAKERS, "recipe", lambda: "made")
    assert pages.filled("a\n<!-- generated: recipe -->\nb\n") == "a\nmade\nb\n"
    with pytest.raises(KeyError):
        pages.filled("<!-- generated: nothing -->")


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ('<script async src="https://cdn.org/a.js"></script>', ["https://cdn.org/a.js"]),
        ('<link rel="stylesheet" type="text/css" href="//fonts.org/f.css">', ["//fonts.org/f.css"]),
        ("@font-face{src:url('https://f.org/f.woff2')}", ["https://f.org/f.woff2"]),
        ('<img alt="" src="http://a.org/b.png">', ["http://a.org/b.png"]),
        ('<a href="https://a.org">a</a> <script src="_static/a.js"></script>', []),
        ('<link rel="canonical" href="https://a.org">', []),
    ],
)
def test_resources_of_other_machines_are_found(html: str, found: list[str]) -> None:
    assert pages.remote_resources(html) == found


def test_anchors_are_the_same_on_github_and_on_the_site() -> None:
    for page in PAGES:  # of other characters, such as ³, they make different ones
        anchors = re.findall(r"\]\([^)\s]*#([^)\s]+)\)", page.read_text(encoding="utf-8"))
        assert all(re.fullmatch(r"[a-z0-9_-]+", anchor) for anchor in anchors), page.name


def test_pictures_exist() -> None:
    for page in [*PAGES, ROOT / "CONTRIBUTING.md"]:
        named = re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
        for name in named:
            assert (page.parent / name).is_file(), f"{page.name}: {name}"
