"""The kernels of FAISS's matrix products, which its own library does not choose well."""

import json
import os
import subprocess
import sys

import pytest

from i3_pyserini import faiss_library
from i3_pyserini.faiss_library import VARIABLE, kernels, kernels_of_processor
from i3_pyserini.system import instructions

AVX2 = frozenset({"sse2", "avx", "avx2", "fma"})
AVX512 = AVX2 | {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"}
SHOW = """\
import json, os
import i3_pyserini.search.searcher
from threadpoolctl import threadpool_info
found = [one for one in threadpool_info() if "faiss" in one["filepath"]]
names = [one["architecture"] for one in found if one["internal_api"] == "openblas"]
print(json.dumps([names, os.environ.get("OPENBLAS_CORETYPE")]))
"""


@pytest.mark.parametrize(
    ("known", "wanted"),
    [
        (AVX512 | {"avx512_bf16"}, "SkylakeX"),
        (AVX512 - {"avx512dq"}, "Haswell"),  # as Xeon Phi
        (AVX2, "Haswell"),
        (AVX2 - {"fma"}, None),
        (frozenset({"asimd"}), None),
    ],
)
def test_kernels(known: frozenset[str], wanted: str | None) -> None:
    assert kernels(known) == wanted


def test_the_variable_is_set_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faiss_library, "instructions", lambda: AVX2)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    environment: dict[str, str] = {}
    with kernels_of_processor(environment):
        assert environment == {VARIABLE: "Haswell"}
    assert environment == {}
    with pytest.raises(ImportError), kernels_of_processor(environment):
        raise ImportError
    assert environment == {}
    chosen = {VARIABLE: "Zen"}
    with kernels_of_processor(chosen):
        assert chosen == {VARIABLE: "Zen"}
    assert chosen == {VARIABLE: "Zen"}
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    with kernels_of_processor(environment):
        assert environment == {}


@pytest.mark.parametrize("chosen", [None, "Haswell", "Prescott"])
def test_what_faiss_loads(chosen: str | None) -> None:
    wanted = chosen or kernels(instructions())
    if wanted is None or (chosen == "Haswell" and not instructions() >= AVX2 - {"sse2", "avx"}):
        return  # OpenBLAS chooses itself
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    if chosen:
        environment[VARIABLE] = chosen
    done = subprocess.run(
        [sys.executable, "-c", SHOW], env=environment, stdout=subprocess.PIPE, check=True
    )
    names, left = json.loads(done.stdout)
    assert left == chosen
    assert names in ([wanted], [])  # none: a build of FAISS with another library
