"""The page: complete in itself, the same twice, and as it looks in a browser."""

import base64
import html.parser
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser import DESK, PHONE, needs_browser, open_browser, overflow, set_screen

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

ODD = "run.<script>alert(1)<$script>"
OPEN = "document.querySelectorAll('details').forEach(one => { one.open = true })"
# Blocks of the page that lie over each other.
OVERLAP = """
const all = [...document.querySelectorAll('h1, h2, h3, p, dl, figcaption, svg, table, li li, a')];
const boxes = all.map(one => [one, one.getBoundingClientRect()]).filter(([, box]) => box.width);
return boxes.flatMap(([one, a]) => boxes.filter(([other, b]) =>
  !one.contains(other) && !other.contains(one) && a.left < b.right - 1 && b.left < a.right - 1
  && a.top < b.bottom - 1 && b.top < a.bottom - 1).map(([other]) => one.outerHTML.slice(0, 60)));
"""
VOID = {"meta", "link", "br", "img", "use", "path", "rect"}


@pytest.fixture(scope="module")
def page(folder: Path, run_module: Any) -> Path:
    (folder / "costs.tsv").write_text(
        f"run\tqueries_per_second\tindex_bytes\nrun.a\t10\t1000\n{ODD}\t20\t3000\nrun.c\t5\t2000\n",
        encoding="utf-8",
    )
    done = run_module(*command(folder, "report.html"), "--costs", folder / "costs.tsv", check=True)
    assert done.stdout == f"wrote {folder / 'report.html'}: 3 runs, 8 figures\n"
    return folder / "report.html"


def command(folder: Path, name: str) -> list[object]:
    runs = [folder / run for run in ("run.a", ODD, "run.c")]
    measures = ("--measures", "nDCG@10", "R@20")
    return [
        *("i3_pyserini.eval", "report", folder / "qrels.txt", *runs),
        *("--output", folder / name, *measures),
    ]


class Structure(html.parser.HTMLParser):
    """Tags that are open, and everything that a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.links: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag not in VOID:
            self.open.append(tag)
        if "download" in given:
            self.links[given["download"]] = given["href"]
        else:
            self.fetched += [given[name] for name in ("href", "src", "xlink:href") if name in given]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def parsed(page: Path) -> Structure:
    structure = Structure()
    structure.feed(page.read_text(encoding="utf-8"))
    structure.close()
    return structure


@pytest.mark.slow
def test_complete_in_itself(page: Path) -> None:
    structure = parsed(page)
    assert structure.open == []
    assert all(link.startswith("#") for link in structure.fetched)
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text
    assert len(re.findall('<svg role="img" aria-label="[^"]{20,}"', text)) == 8
    assert "url(http" not in text and "@import" not in text
    assert "&lt;script&gt;alert(1)" in text
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    clips = set(re.findall(r"url\(#([^)]+)\)", text))
    assert clips and all(ids.count(clip) == 1 for clip in clips)


@pytest.mark.slow
def test_numbers_can_be_saved(page: Path) -> None:
    links = parsed(page).links
    assert list(links) == [
        *("means.csv", "difference-1.csv", "difference-2.csv", "comparison.csv"),
        *("recall.csv", "first-rank.csv", "speed.csv", "size.csv"),
        *("queries-2.csv", "queries-3.csv"),
    ]
    saved = {name: base64.b64decode(link.split(",")[1]).decode() for name, link in links.items()}
    assert saved["means.csv"].splitlines()[0] == "run,nDCG@10,R@20,Judged@10"
    assert len(saved["queries-2.csv"].splitlines()) == 25
    assert saved["speed.csv"].splitlines()[3].startswith("c,")


@pytest.mark.slow
def test_the_same_twice(page: Path, folder: Path, run_module: Any) -> None:
    costs = ("--costs", folder / "costs.tsv")
    run_module(*command(folder, "again.html"), *costs, check=True)
    assert (folder / "again.html").read_bytes() == page.read_bytes()


@pytest.mark.slow
def test_figures_for_papers(folder: Path, run_module: Any) -> None:
    figures = folder / "figures"
    run_module(*command(folder, "other.html"), "--figures", figures, check=True)
    names = {path.name for path in figures.iterdir()}
    drawn = ("recall", "first-rank", "queries-2", "queries-3", "difference-1", "difference-2")
    assert names == {f"{name}.{form}" for name in drawn for form in ("svg", "pdf", "png")}
    assert (figures / "recall.pdf").read_bytes().startswith(b"%PDF")
    assert (figures / "recall.png").read_bytes().startswith(b"\x89PNG")


def test_one_run(folder: Path, run_module: Any) -> None:
    given = ("i3_pyserini.eval", "report", folder / "qrels.txt", folder / "run.a")
    run_module(*given, "--output", folder / "one.html", check=True)
    assert list(parsed(folder / "one.html").links) == ["means.csv", "recall.csv", "first-rank.csv"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run.a", "--output", "notes.txt"], "notes.txt: is not a web page"),
        (["run.a", "--output", "x.html", "--figures", "run.a/x"], "cannot be written"),
        (["run.a", "--output", "x.html", "--relevance", "3"], "levels from 1 to 2"),
        (["run.a", "--output", "x.html", "--baseline", "run.a"], "is the only run"),
        (["run.\x01", "--output", "x.html"], r"'run.\x01': contains a character"),
        (["run.\udcff", "--output", "x.html"], r"'run.\udcff': contains a character"),
        (["run.a", "--output", "."], "is a folder"),
        (["run.a", "run.a", "--output", "x.html"], "two runs are named run.a"),
        (["run.a", "--output", "x.html", "--baseline", "run.c"], "is not one of the runs"),
        (["run.a", "--output", "x.html", "--costs", "none"], "none: cannot be read"),
        (["run.a", "--output", "x.html", "--figures", "run.a"], "is a file"),
        (["run.a", "--output", "run.a"], "run.a"),
        (["none", "--output", "x.html"], "none: no such file"),
        (["run.a", "--output", "qrels.txt/x.html"], "cannot be written"),
    ],
)
def test_mistakes(folder: Path, run_module: Any, arguments: list[str], said: str) -> None:
    flags = ("--output", "--baseline", "--costs", "--figures", "--relevance")
    plain = ("3", *flags)
    given = [word if word in plain else str(folder / word) for word in arguments]
    (folder / "notes.txt").write_text("to keep", encoding="utf-8")
    before = (folder / "run.a").read_bytes()
    done = run_module("i3_pyserini.eval", "report", folder / "qrels.txt", *given)
    assert done.returncode == 2
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (folder / "x.html").exists()
    assert (folder / "run.a").read_bytes() == before
    assert (folder / "notes.txt").read_text(encoding="utf-8") == "to keep"


def test_one_query_needs_no_comparison(folder: Path, run_module: Any, tmp_path: Path) -> None:
    (tmp_path / "qrels.txt").write_text("q1 0 d1 1\n", encoding="utf-8")
    given = (tmp_path / "qrels.txt", folder / "run.a", folder / "run.c")
    output = tmp_path / "one.html"
    run_module("i3_pyserini.eval", "report", *given, "--output", output, check=True)
    assert "comparison.csv" not in parsed(output).links
    assert "1 query is too few" in output.read_text(encoding="utf-8")


@pytest.mark.slow
def test_baseline_by_name_and_relevance(folder: Path, run_module: Any) -> None:
    output = folder / "named.html"
    flags = ("--baseline", "run.c", "--relevance", 2)
    run_module(*command(folder, output.name), *flags, check=True)
    text = output.read_text(encoding="utf-8")
    assert "Differences from c<" in text
    assert "relevance 2 or higher" in text
    assert str(folder) not in text  # nobody need know where the files are


@pytest.mark.slow
def test_settings_of_the_user_change_nothing(
    page: Path, folder: Path, run_module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "matplotlibrc").write_text(
        "text.usetex: True\nlines.linewidth: 9\n", encoding="utf-8"
    )
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path))
    costs = ("--costs", folder / "costs.tsv")
    run_module(*command(folder, "settings.html"), *costs, check=True)
    assert (folder / "settings.html").read_bytes() == page.read_bytes()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator["Chrome"]:
    with open_browser(tmp_path / "profile") as chrome:
        yield chrome


@needs_browser
def test_on_a_phone(page: Path, browser: "Chrome") -> None:
    from selenium.webdriver.common.by import By

    set_screen(browser, PHONE)
    browser.get(page.as_uri())
    assert overflow(browser) == 0
    figures = browser.find_elements(By.CSS_SELECTOR, "figure svg")
    assert len(figures) == 8
    browser.execute_script(OPEN)
    assert overflow(browser) == 0
    assert browser.execute_script(OVERLAP) == []
    for figure in figures:
        assert figure.is_displayed()
        assert 280 < figure.size["width"] <= PHONE["width"]
        assert 150 < figure.size["height"] < 400
    letters = browser.execute_script(
        "return Math.min(...[...document.querySelectorAll('figure svg text')]"
        ".map(text => [text.getAttribute('transform') || '', text.getBoundingClientRect()])"
        ".map(([turned, box]) => turned.includes('rotate(-90') ? box.width : box.height))"
    )
    assert letters >= 8
    assert not browser.get_log("browser")


@pytest.mark.slow
@needs_browser
def test_long_names_stay_within_figures(
    folder: Path, run_module: Any, browser: "Chrome", tmp_path: Path
) -> None:
    long = tmp_path / f"run.{'long-name-' * 12}"
    long.write_bytes((folder / "run.a").read_bytes())
    given = ("i3_pyserini.eval", "report", folder / "qrels.txt", long, folder / "run.c")
    run_module(*given, "--output", tmp_path / "long.html", check=True)
    set_screen(browser, PHONE)
    browser.get((tmp_path / "long.html").as_uri())
    browser.execute_script(OPEN)
    assert overflow(browser) == 0
    outside = browser.execute_script(
        "return [...document.querySelectorAll('figure svg')].flatMap(svg => {"
        "  const box = svg.getBoundingClientRect();"
        "  return [...svg.querySelectorAll('text')].filter(text => {"
        "    const own = text.getBoundingClientRect();"
        "    return own.left < box.left || own.right > box.right"
        "      || own.top < box.top || own.bottom > box.bottom;"
        "  }).map(text => text.textContent)})"
    )
    assert outside == []


@needs_browser
def test_on_a_desk(page: Path, browser: "Chrome") -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    set_screen(browser, DESK)
    browser.get(page.as_uri())
    folded = browser.find_elements(By.TAG_NAME, "details")
    assert len(folded) == 4
    assert not browser.find_element(By.CSS_SELECTOR, "#queries svg").is_displayed()
    for one in folded:  # by keyboard
        one.find_element(By.TAG_NAME, "summary").send_keys(Keys.ENTER)
    assert browser.find_element(By.CSS_SELECTOR, "#queries svg").is_displayed()
    assert overflow(browser) == 0
    for grid in (".intervals", ".ranks", ".costs", ".scatters"):  # equal cards in a row
        cards = browser.find_elements(By.CSS_SELECTOR, f"{grid} > figure")
        assert len(cards) == 2
        assert {card.rect["y"] for card in cards} == {cards[0].rect["y"]}
        assert {round(card.rect["height"]) for card in cards} == {round(cards[0].rect["height"])}
    assert browser.execute_script(OVERLAP) == []


@needs_browser
def test_in_the_dark(page: Path, browser: "Chrome") -> None:
    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
    browser.get(page.as_uri())
    style = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
    assert "invert" in browser.execute_script(style, "figure svg", "filter")
    red, green, blue = re.findall(r"\d+", browser.execute_script(style, "h1", "color"))[:3]
    assert min(map(int, (red, green, blue))) > 200


@needs_browser
def test_a_link_saves_the_numbers(page: Path, browser: "Chrome", tmp_path: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get(page.as_uri())
    browser.find_element(By.LINK_TEXT, "recall.csv").click()
    saved = tmp_path / "downloads" / "recall.csv"
    WebDriverWait(browser, 20).until(lambda _: saved.is_file())
    assert saved.read_text(encoding="utf-8").splitlines()[0].startswith("depth,a,")
