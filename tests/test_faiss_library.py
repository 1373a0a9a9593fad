"""The kernels of FAISS's matrix products, which its own library does not choose well."""

import json
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, files

import pytest

from i3_pyserini import faiss_library
from i3_pyserini.faiss_library import VARIABLE, kernels, kernels_of_processor
from i3_pyserini.system import instructions

AVX2 = frozenset({"sse2", "avx", "avx2", "fma"})
AVX512 = AVX2 | {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"}
SHOW = """\
import json, os
import i3_pyserini.faiss_library  # nothing that imports NumPy before it
from threadpoolctl import threadpool_info
found = [one for one in threadpool_info() if "faiss" in one["filepath"]]
names = [one["architecture"] for one in found if one["internal_api"] == "openblas"]
others = [one["architecture"] for one in threadpool_info() if "numpy" in one["filepath"]]
print(json.dumps([names, others, os.environ.get("OPENBLAS_CORETYPE")]))
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


def loaded(first: str = "", **variables: str) -> tuple[list[str], list[str], str | None]:
    """What FAISS's and NumPy's libraries multiply with, and the variable afterwards.

    Args:
        first: a statement that comes before all.
        variables: of the environment.
    """
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    command = (sys.executable, "-c", f"{first}\n{SHOW}")
    done = subprocess.run(
        command, env=environment | variables, stdout=subprocess.PIPE, check=True, encoding="utf-8"
    )
    names, others, left = json.loads(done.stdout)
    return names, others, left


@pytest.fixture(scope="module")
def has_openblas() -> None:
    try:
        installed = files("faiss-cpu") or ()
    except PackageNotFoundError:  # another distribution, such as conda's
        installed = ()
    if not any("openblas" in one.name for one in installed):
        pytest.skip("FAISS has no OpenBLAS here")
    if kernels(instructions()) is None:
        pytest.skip("OpenBLAS chooses itself here")


@pytest.mark.usefixtures("has_openblas")
def test_what_faiss_loads() -> None:
    wanted = kernels(instructions())
    names, others, left = loaded()
    assert names == [wanted] and left is None
    assert others == loaded("import numpy")[1]  # NumPy's choice is its own


@pytest.mark.usefixtures("has_openblas")
def test_a_choice_of_the_user_is_kept() -> None:
    names, _, left = loaded(**{VARIABLE: "Prescott"})
    assert names == ["Prescott"] and left == "Prescott"
