"""Pyserini 2 starts without a network; nothing changes where there is one."""

import io
import json
import sys
import types
import urllib.request
from urllib.error import HTTPError, URLError

import pytest

from i3_pyserini.stock import offline

URL = "https://example.org/lucene/msmarco-v1-passage-impact.json"


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What `urlopen` returns, or raises, call by call."""
    left: list[object] = []

    def urlopen(url: str, timeout: float) -> object:
        assert timeout <= offline.SECONDS
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    return left


def test_without_a_network(answers: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    answers.append(URLError("no such host"))
    urlopen = offline.Lists()
    for _ in range(2):  # the second time without trying
        with urlopen(URL, timeout=10) as response:
            assert [one["name"] for one in json.load(response)] == [*offline.NAMES]
    with urlopen("https://example.org/faiss/msmarco-faiss.json", timeout=10) as response:
        assert json.load(response) == []
    (line,) = capsys.readouterr().err.splitlines()
    assert "no such host" in line


def test_with_a_network(answers: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    refusal = HTTPError(URL, 404, "not found", None, None)  # type: ignore[arg-type]
    answers += [io.BytesIO(b"[1]"), refusal, io.BytesIO(b"[2]")]
    urlopen = offline.Lists()
    assert json.load(urlopen(URL, timeout=10)) == [1]
    with pytest.raises(HTTPError):
        urlopen(URL, timeout=10)
    assert json.load(urlopen(URL, timeout=10)) == [2]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("line", "replaced"), [("1.6.0", False), ("2.4.0", True)])
def test_only_one_name_of_pyserini_2_is_replaced(
    line: str, replaced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offline, "version", lambda _: line)
    own = urllib.request.urlopen
    package = types.ModuleType("pyserini")
    package.__path__ = []
    monkeypatch.setitem(sys.modules, "pyserini", package)
    monkeypatch.delitem(sys.modules, "pyserini.prebuilt_index_info", raising=False)
    taken: list[object] = []

    class Finder:
        @staticmethod
        def find_spec(name: str, *_: object) -> None:
            if name == "pyserini.prebuilt_index_info":
                taken.append(urllib.request.urlopen)

    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    if replaced:
        with pytest.raises(ModuleNotFoundError):  # and all is put back
            offline.allow_no_network()
        assert [type(one) for one in taken] == [offline.Lists]
    else:
        offline.allow_no_network()
        assert taken == []
    assert urllib.request.urlopen is own
