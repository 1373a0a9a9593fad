"""Parts as tasks of real Ray clusters on this machine, one of which loses a node."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from i3_pyserini import cluster as cluster_module
from i3_pyserini.encode.cluster import _absolute_source
from i3_pyserini.encode.job import Job
from i3_pyserini.encode.runner import StopRequest, run_encoding
from i3_pyserini.encode.spec import EncoderSpec
from i3_pyserini.errors import I3Error, StoppedError
from i3_pyserini.formats.index import EncoderRecord
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.formats.passages import Corpus
from tests.clusters import ROOT, group_of, started
from tests.encode.slow_encode import SlowEncoder, slow_encoding
from tests.encode.stand_in import LengthEncoder

pytest.importorskip("ray", reason="Ray is not installed (extra: ray)")
Same = Callable[[Path], bool]
NOT_INSTALLED = """import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "i3_pyserini":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
"""
LOCAL = """import sys
from dataclasses import replace
from pathlib import Path
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.encode.runner import run_encoding
from i3_pyserini.errors import run_command
from tests.clusters import ROOT, group_of, started
from tests.encode.slow_encode import SlowEncoder, slow_encoding
how = replace(slow_encoding(), ray="local")
output = IndexOutput(Path(sys.argv[2]))
run_command(lambda: run_encoding(Corpus(Path(sys.argv[1])), SlowEncoder(0.2), output, how))
"""


@dataclass(frozen=True)
class Noted:
    """Notes in a folder which process made an encoder for which device."""

    folder: Path

    def describe(self) -> EncoderRecord:
        return LengthEncoder().describe()

    def check(self, device: str | None) -> None:
        pass

    def load(self, device: str | None) -> LengthEncoder:
        (self.folder / f"{os.getpid()} {device} {time.monotonic_ns()}").touch()
        return SlowEncoder(0.05)


class Begun(SlowEncoder):
    """Notes in a folder that a part was begun."""

    def __init__(self, seconds: float, folder: Path) -> None:
        super().__init__(seconds)
        self.folder = folder

    def ids(
        self, texts: Sequence[str], titles: Sequence[str | None] | None = None
    ) -> list[list[int]]:
        (self.folder / str(time.monotonic_ns())).touch()
        return super().ids(texts, titles)


class Unshared(LengthEncoder):
    """Its worker writes parts where nobody sees them."""

    def load(self, device: str | None) -> "Unshared":
        Job.write = lambda *_: None  # type: ignore[method-assign]
        return self


class OtherThere(LengthEncoder):
    """Another model in every process."""

    def describe(self) -> EncoderRecord:
        return replace(super().describe(), fingerprint=str(os.getpid()))


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with started() as cluster:
        yield cluster.address


@pytest.mark.slow
def test_node_that_is_killed_costs_nothing_but_its_parts(
    hundred: Corpus, tmp_path: Path, same_bytes: Same
) -> None:
    folder, killed = tmp_path / ".index.partial", []
    with started() as cluster:
        second = cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()

        def kill() -> None:
            while len(list(folder.glob("part-*"))) < 6:
                time.sleep(0.05)
            killed.append(len(list(folder.glob("part-*"))))
            cluster.remove_node(second, allow_graceful=False)

        thread = threading.Thread(target=kill, daemon=True)
        thread.start()
        how = replace(slow_encoding(), ray=cluster.address)
        run_encoding(hundred, SlowEncoder(0.1), IndexOutput(tmp_path / "index"), how)
        thread.join(timeout=30)
    assert killed, "the encoding was over before the node was killed"
    assert killed[0] < 18
    assert same_bytes(tmp_path / "index")


@pytest.mark.slow
def test_workers_keep_their_encoder_and_their_gpu(
    hundred: Corpus, tmp_path: Path, same_bytes: Same
) -> None:
    (notes := tmp_path / "notes").mkdir()
    with started(num_cpus=2, num_gpus=2) as cluster:  # Ray believes what it is told of GPUs
        how = replace(slow_encoding(), ray=cluster.address)
        run_encoding(hundred, Noted(notes), IndexOutput(tmp_path / "index"), how)
    loads = [path.name.split()[:2] for path in notes.iterdir()]
    assert len(loads) <= 4, "20 tasks should not have made more encoders than there are workers"
    assert {device for _, device in loads} == {"cuda:0", "cuda:1"}
    assert same_bytes(tmp_path / "index")


@pytest.mark.slow
def test_mistakes_and_stops_come_through(
    hundred: Corpus, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # not where the workers are
    corpus, how = Corpus(Path("corpus")), replace(slow_encoding(), ray=address)
    said = rf"passage 'd4': its vector is not finite.* \(on machine {socket.gethostname()} of the"
    with pytest.raises(I3Error, match=said):
        run_encoding(corpus, LengthEncoder(bad="x" * 5), IndexOutput(tmp_path / "index"), how)
    (notes := tmp_path / "notes").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(StopRequest, "asked", lambda stop: len(list(notes.iterdir())) > 1)

        def stop(_: StopRequest, message: str) -> None:
            raise StoppedError(15, message)

        patch.setattr(StopRequest, "raise_if_asked", stop)
        with pytest.raises(StoppedError, match=r"^[1-5]\d of 100 passages are encoded"):
            run_encoding(corpus, Begun(0.4, notes), IndexOutput(tmp_path / "stopped"), how)
    parts = list(tmp_path.glob(".stopped.partial/part-*"))
    assert len(parts) == len(list(notes.iterdir())), "a part was left in work"
    assert not (tmp_path / "stopped").exists()


@pytest.mark.slow
def test_machines_that_do_not_fit_are_told_of(
    hundred: Corpus, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("i3_pyserini.encode.cluster.SECONDS_TO_APPEAR", 0)
    how = replace(slow_encoding(), ray=address)
    for source, said in (
        (Unshared(), r"\.index\.partial: part 0 was written on another machine but is not here"),
        (
            OtherThere(),
            r"library version on this machine \(model\.fingerprint: \d+ -> \d+\) \(on machine ",
        ),
    ):
        with pytest.raises(I3Error, match=said):
            run_encoding(hundred, source, IndexOutput(tmp_path / "index"), how)
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


@pytest.mark.slow
def test_machine_without_this_package(hundred: Corpus, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(NOT_INSTALLED, encoding="utf-8")
    with started(f"{tmp_path}{os.pathsep}{ROOT}") as cluster:
        how = replace(slow_encoding(), ray=cluster.address)
        with pytest.raises(I3Error, match=r"lacks a package \(.*'i3_pyserini'\); install i3-py"):
            run_encoding(hundred, LengthEncoder(), IndexOutput(tmp_path / "index"), how)


def test_cluster_of_another_ray(
    hundred: Corpus, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = cluster_module.PROBE.replace("try:", "ray.__version__ = '2.1.0'\ntry:")
    monkeypatch.setattr(cluster_module, "PROBE", probe)
    how = replace(slow_encoding(), ray=address)
    with pytest.raises(I3Error, match=r"Version mismatch: .* Ray: 2\.1\.0 Python: 3\.\S+\)$"):
        run_encoding(hundred, LengthEncoder(), IndexOutput(tmp_path / "index"), how)


@pytest.mark.slow
def test_sigterm_finishes_the_part_in_work(hundred: Corpus, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", LOCAL, hundred.path, tmp_path / "index"],
        stderr=subprocess.PIPE,
        encoding="utf-8",
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": ROOT},
        start_new_session=True,
    )
    try:
        while process.poll() is None and not list(tmp_path.glob(".index.partial/part-*")):
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 143
    assert "of 100 passages are encoded; run the same command again" in said.splitlines()[-1]
    assert "Traceback" not in said
    assert not list(tmp_path.glob(".index.partial/.part-*"))
    assert not group_of(process.pid)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:9", "no answer"),
        ("ray://127.0.0.1:9", "no answer"),
        ("ray://127.0.0.1", "no answer"),
        ("no.such.host.invalid:6379", "no answer"),
        ("nonsense", r"cannot be used as a Ray cluster \(Invalid address format"),
    ],
)
def test_cluster_that_is_not_there(
    hundred: Corpus, tmp_path: Path, address: str, said: str
) -> None:
    how = replace(slow_encoding(), ray=address)
    with pytest.raises(I3Error, match=f"--ray {address}: {said}"):
        run_encoding(hundred, LengthEncoder(), IndexOutput(tmp_path / "index"), how)
    assert not list(tmp_path.glob(".index*"))


def test_a_cluster_that_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(**_: object) -> None:
        raise Exception("The current node timed out during startup.")  # as Ray does

    monkeypatch.setattr("ray.init", slow)
    with pytest.raises(I3Error, match=r"used as a Ray cluster \(The current node timed out"):
        cluster_module.Connection("local")


def test_another_server_than_a_cluster(
    hundred: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "SECONDS_TO_CONNECT", 3.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        how = replace(slow_encoding(), ray=f"127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(I3Error, match=r"\(no answer in 3 s\)$"):
            run_encoding(hundred, LengthEncoder(), IndexOutput(tmp_path / "index"), how)


def test_model_directory_is_found_from_any_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    assert _absolute_source(EncoderSpec("model")) == EncoderSpec(str(tmp_path / "model"))
    assert _absolute_source(EncoderSpec("org/model")) == EncoderSpec("org/model")


def test_ray_is_an_extra(hundred: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    how = replace(slow_encoding(), ray="auto")
    with pytest.raises(I3Error, match="--ray needs Ray: pip install ray"):
        run_encoding(hundred, LengthEncoder(), IndexOutput(tmp_path / "index"), how)
