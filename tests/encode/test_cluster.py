"""Parts as tasks of a real Ray cluster of two nodes on this machine."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.encode.corpus import Corpus
from i3_pyserini.encode.output import Output
from i3_pyserini.encode.runner import encode_corpus
from i3_pyserini.encode.stopping import StopRequest
from i3_pyserini.errors import I3Error, StoppedError
from tests.encode.slow_encode import SlowEncoder, slow_encoding
from tests.encode.stand_in import LengthEncoder

pytest.importorskip("ray", reason="Ray is not installed (extra: ray)")
Same = Callable[[Path], bool]
ROOT = str(Path(__file__).parents[2])


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("PYTHONPATH", ROOT)  # the workers need the stand-in encoder
    monkeypatch.setenv("RAY_health_check_period_ms", "500")
    monkeypatch.setenv("RAY_health_check_initial_delay_ms", "500")
    monkeypatch.setenv("RAY_health_check_failure_threshold", "4")
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    yield cluster
    cluster.shutdown()


def test_node_that_is_killed_costs_nothing_but_its_parts(
    hundred: Corpus, tmp_path: Path, same_bytes: Same, cluster: Any
) -> None:
    second = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    folder, killed = tmp_path / ".index.partial", []

    def kill() -> None:
        while len(list(folder.glob("part-*"))) < 4:
            time.sleep(0.05)
        killed.append(len(list(folder.glob("part-*"))))
        cluster.remove_node(second, allow_graceful=False)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    how = replace(slow_encoding(), ray=cluster.address)
    encode_corpus(hundred, SlowEncoder(0.15), Output(tmp_path / "index"), how)
    thread.join(timeout=30)
    assert killed, "the encoding was over before the node was killed"
    assert killed[0] < 18
    assert same_bytes(tmp_path / "index")


def test_mistakes_and_stops_come_through(
    hundred: Corpus, tmp_path: Path, same_bytes: Same, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = replace(slow_encoding(), ray=cluster.address)
    with pytest.raises(I3Error, match="passage 'd4': its vector is not finite"):
        encode_corpus(hundred, LengthEncoder(bad="x" * 5), Output(tmp_path / "index"), how)
    asked = iter([False, False, False, False])
    with monkeypatch.context() as patch:
        patch.setattr(StopRequest, "asked", lambda stop: next(asked, True))
        patch.setattr(
            StopRequest,
            "raise_if_asked",
            lambda stop, message: (_ for _ in ()).throw(StoppedError(15, message)),
        )
        with pytest.raises(StoppedError, match="of 100 passages are encoded"):
            encode_corpus(hundred, LengthEncoder(), Output(tmp_path / "index"), how)
    assert not (tmp_path / "index").exists()
    encode_corpus(hundred, LengthEncoder(), Output(tmp_path / "index"), how)
    assert same_bytes(tmp_path / "index")


@pytest.mark.parametrize(
    ("address", "said"),
    [("127.0.0.1:9", "nobody answers there"), ("ray://127.0.0.1:9", "nobody answers there")],
)
def test_cluster_that_is_not_there(
    hundred: Corpus, tmp_path: Path, address: str, said: str
) -> None:
    how = replace(slow_encoding(), ray=address)
    with pytest.raises(I3Error, match=f"--ray {address}: {said}"):
        encode_corpus(hundred, LengthEncoder(), Output(tmp_path / "index"), how)
    assert not list(tmp_path.glob(".index*"))


def test_ray_is_an_extra() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import i3_pyserini.encode.cluster, sys; print('ray' in sys.modules)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"
