"""Ray clusters of this machine, for tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = str(Path(__file__).parents[1])


@contextmanager
def started(path: str = ROOT, **resources: Any) -> Iterator[Any]:
    """A cluster of one node; none of its processes lives on."""
    settings = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "PYTHONPATH": path,  # the workers need what tests define
        "RAY_health_check_period_ms": "500",
        "RAY_health_check_initial_delay_ms": "500",
        "RAY_health_check_failure_threshold": "4",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 1, "include_dashboard": False, **resources}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        try:
            yield cluster
        finally:
            cluster.shutdown()


def group_of(leader: int) -> list[str]:
    """The processes that a process with a group of its own has left."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, after = path.read_text(encoding="utf-8").rsplit(") ", 1)
        except OSError:  # it has ended meanwhile
            continue
        if int(after.split()[2]) == leader and after[0] != "Z":
            found.append(name)
    return found
