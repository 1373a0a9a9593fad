"""How many threads are used: affinity, quotas of cgroups, variables, `--threads`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from i3_pyserini import threads
from i3_pyserini.command import threads_of
from i3_pyserini.errors import I3Error
from i3_pyserini.threads import NUMBERS, WAITING, set_threads, thread_count, usable_cpus

CPUS = 64


@pytest.fixture(autouse=True)
def _host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host of 64 CPUs, without variables."""
    monkeypatch.setattr(threads, "cpus_by_affinity", lambda: CPUS)
    for name in (*NUMBERS, *WAITING):
        monkeypatch.delenv(name, raising=False)


def process(folder: Path, groups: str, *mounts: str) -> Path:
    """The folder of a process with these groups; each mount is "KIND OPTIONS ROOT"."""
    lines = []
    for number, (kind, options, root) in enumerate(map(str.split, mounts)):
        point = str(folder / options.split(",")[0]).replace(" ", r"\040")
        lines.append(
            f"{30 + number} 23 0:28 {root} {point} rw,relatime shared:9 - {kind} x {options}"
        )
    (folder / "mountinfo").write_text(
        "".join(f"{line}\n" for line in ["odd", *lines]), encoding="utf-8"
    )
    (folder / "cgroup").write_text(groups, encoding="utf-8")
    return folder


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("1000 100000\n", 1),
        ("12800000 100000\n", CPUS),
        ("max 100000\n", CPUS),
        ("0 100000\n", CPUS),
        ("200000 0\n", CPUS),
        ("200000\n", CPUS),
        ("nan nan\n", CPUS),
        ("", CPUS),
    ],
)
def test_quota_of_version_2(tmp_path: Path, text: str, cpus: int) -> None:
    own = process(tmp_path, "0::/\n", "cgroup2 unified /")
    write(tmp_path / "unified", cpu__max=text)
    assert usable_cpus(own) == cpus


@pytest.mark.parametrize(
    ("quota", "period", "cpus"),
    [("250000", "100000", 3), ("50000", "50000", 1), ("-1", "100000", CPUS), ("x", "1", CPUS)],
)
def test_quota_of_version_1(tmp_path: Path, quota: str, period: str, cpus: int) -> None:
    own = process(tmp_path, "3:cpuset:/\n2:cpu,cpuacct:/box\n0::/\n", "cgroup cpu,cpuacct /")
    write(tmp_path / "cpu" / "box", cpu__cfs_quota_us=quota, cpu__cfs_period_us=period)
    assert usable_cpus(own) == cpus


@pytest.mark.parametrize("smallest", ["", "a", "a/b", "a/b/c"])
def test_the_smallest_quota_on_the_path_counts(tmp_path: Path, smallest: str) -> None:
    own = process(tmp_path, "0::/a/b/c\n", "cgroup2 unified /")
    for group in ("", "a", "a/b", "a/b/c"):
        quota = 300_000 if group == smallest else 800_000
        write(tmp_path / "unified" / group, cpu__max=f"{quota} 100000")
    write(tmp_path / "unified" / "other", cpu__max="100000 100000")
    assert usable_cpus(own) == 3


def test_a_container_sees_a_part_of_the_hierarchy(tmp_path: Path) -> None:
    own = process(tmp_path, "1:cpu:/docker/4f/in\n", "cgroup cpu /docker/4f")
    write(tmp_path / "cpu" / "in", cpu__cfs_quota_us="500000", cpu__cfs_period_us="100000")
    assert usable_cpus(own) == 5


def test_a_group_outside_the_mount(tmp_path: Path) -> None:
    own = process(tmp_path, "0::/host/group\n", "cgroup2 unified /docker/4f")
    write(tmp_path / "unified", cpu__max="200000 100000")
    assert usable_cpus(own) == 2


def test_both_versions(tmp_path: Path) -> None:
    own = process(tmp_path, "1:cpu:/\n0::/\n", "cgroup cpu /", "cgroup2 unified /")
    write(tmp_path / "cpu", cpu__cfs_quota_us="700000", cpu__cfs_period_us="100000")
    write(tmp_path / "unified", cpu__max="400000 100000")
    assert usable_cpus(own) == 4


def test_blanks_in_a_mount_point(tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    folder.mkdir()
    own = process(folder, "0::/\n", "cgroup2 unified /")
    write(folder / "unified", cpu__max="200000 100000")
    assert usable_cpus(own) == 2


def test_no_cgroups(tmp_path: Path) -> None:
    assert usable_cpus(tmp_path / "nowhere") == CPUS


def test_a_variable_of_the_user_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_quotas", lambda process: [2.5])
    assert thread_count() == 3
    for value, expected in (("5", 5), ("6,2", 6), ("0", 3), ("many", 3), ("", 3)):
        monkeypatch.setenv("OMP_NUM_THREADS", value)
        assert thread_count() == expected
    assert thread_count(4) == 4


def test_variables_of_all_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_quotas", lambda process: [2])
    environment: dict[str, str] = {}
    set_threads(environment=environment)
    assert environment == dict.fromkeys(NUMBERS, "2") | WAITING


def test_variables_of_the_user_are_kept() -> None:
    own = {"MKL_NUM_THREADS": "1", "OMP_WAIT_POLICY": "ACTIVE"}
    environment = dict(own)
    set_threads(environment=environment)
    assert environment["POLARS_MAX_THREADS"] == str(usable_cpus())
    assert environment | own == environment
    set_threads(3, environment)
    assert {environment[name] for name in NUMBERS} == {"3"}
    assert environment["OMP_WAIT_POLICY"] == "ACTIVE"


def test_libraries_of_a_notebook_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    from i3_pyserini.faiss_library import faiss

    before = faiss.omp_get_max_threads()
    monkeypatch.setattr(threads, "_quotas", lambda process: [2])
    try:
        faiss.omp_set_num_threads(5)
        monkeypatch.setenv("OMP_NUM_THREADS", "5")
        threads.limit_loaded()
        assert faiss.omp_get_max_threads() == 5
        monkeypatch.delenv("OMP_NUM_THREADS")
        threads.limit_loaded()
        assert faiss.omp_get_max_threads() == 2
        monkeypatch.setattr(threads, "_quotas", lambda process: [])
        threads.limit_loaded()
        assert faiss.omp_get_max_threads() == 2  # never more than before
    finally:
        faiss.omp_set_num_threads(before)


def test_option_before_parsing() -> None:
    assert threads_of(["a", "--threads", "3"]) == 3
    assert threads_of(["--threads=5", "b"]) == 5
    assert threads_of(["--threads", "few"]) is None
    assert threads_of(["--threads"]) is None
    assert threads_of([]) is None
    with pytest.raises(I3Error, match="threads is 0"):
        threads_of(["--threads", "0"])
    with pytest.raises(I3Error, match="threads is -1"):
        threads_of(["--threads", "-1"])


@pytest.mark.parametrize(
    "words",
    [
        ("i3_pyserini", "eval", "--help", "--threads", "3"),
        ("i3_pyserini.eval", "--help", "--threads=3"),
        ("i3_pyserini.search", "--topics=t", "--output=o", "--threads", "3"),
        (
            *("i3_pyserini.encode", "input", "--corpus", "c", "output", "--embeddings", "o"),
            *("encoder", "--encoder=no/where/at/all", "--threads", "3"),
        ),
    ],
)
def test_commands_set_them(words: tuple[str, ...]) -> None:
    module, *arguments = words
    code = f"""import json, os, runpy, sys
sys.argv = {[module, *arguments]!r}
try:
    runpy.run_module({module!r}, run_name="__main__")
except SystemExit:
    pass
print(json.dumps([os.environ.get(name) for name in {[*NUMBERS, *WAITING]!r}]))"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert found == ["3"] * len(NUMBERS) + list(WAITING.values())


def test_overrides_of_a_recipe_and_threads() -> None:
    from i3_pyserini.command import with_overrides

    words = ["R", "--threads=2", "--training.seed=1", "--threads", "3"]
    assert with_overrides(words, ["recipe", "threads", "overrides"]) == [
        *("R", "--threads=2", "--threads", "3"),
        *("--overrides", "training.seed=1"),
    ]
