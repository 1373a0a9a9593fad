"""Data sets by name: presets, and any data set of ir_datasets."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, TypeVar

from i3_pyserini.errors import I3Error

T = TypeVar("T")


@dataclass(frozen=True)
class Preset:
    """The usual measures and qrels of a collection.

    Attributes:
        measures: in the notation of ir-measures.
        note: a note about the scores.
        dataset: the ir_datasets id of its qrels; None where the preset is for many.
        passages: passages of the whole collection; None where the preset is for many.
    """

    measures: tuple[str, ...]
    note: str
    dataset: str | None = None
    passages: int | None = None


V1, V2 = 8_841_823, 138_364_198
_FROM_2 = "graded judgments 0-3; AP, RR and R count levels of 2 and above as relevant"
_DL = ("nDCG@10", "AP(rel=2)", "RR(rel=2)", "R(rel=2)@1000")
# As the tracks of 2021 and 2022 report: runs of 100 passages, on the second collection.
_DL_V2 = ("nDCG@10", "AP(rel=2)@100", "RR(rel=2)@100", "R(rel=2)@100")

PRESETS = {
    "msmarco-passage-dev": Preset(
        ("RR@10", "R@50", "R@1000"),
        "for binary judgments, about one relevant passage per query",
        "msmarco-passage/dev/small",
        V1,
    ),
    "trec-dl-2019": Preset(_DL, _FROM_2, "msmarco-passage/trec-dl-2019/judged", V1),
    "trec-dl-2020": Preset(_DL, _FROM_2, "msmarco-passage/trec-dl-2020/judged", V1),
    "trec-dl-2021": Preset(_DL_V2, _FROM_2, "msmarco-passage-v2/trec-dl-2021/judged", V2),
    "trec-dl-2022": Preset(_DL_V2, _FROM_2, "msmarco-passage-v2/trec-dl-2022/judged", V2),
    "beir": Preset(
        ("nDCG@10", "R@100", "R@1000"),
        "BEIR ignores a passage with the id of its query: search with --remove-query",
    ),
    "miracl": Preset(("nDCG@10", "R@100"), "for binary judgments, about ten passages per query"),
}


def from_ir_datasets(name: str, read: Callable[[Any], T], instead: str) -> T:
    """Reads something of a data set.

    Args:
        name: an ir_datasets id.
        read: takes the data set and returns what is wanted of it.
        instead: what a user can do offline, as a sentence without its full stop.

    Raises:
        I3Error: ir_datasets is not installed, does not know the name, or cannot download it.
    """
    if find_spec("ir_datasets") is None:
        raise I3Error(f"{name}: no such file; for names of data sets, pip install ir_datasets")
    import ir_datasets  # noqa: PLC0415  (an extra)

    try:
        return read(ir_datasets.load(name))
    except KeyError as error:
        raise I3Error(f"{name}: neither a file nor an ir_datasets id") from error
    except AttributeError as error:
        raise I3Error(
            f"{name}: this data set has no such part; use one that has, such as "
            "beir/nfcorpus/test, or a file"
        ) from error
    except Exception as error:  # any exception of the download
        raise I3Error(
            f"{name}: ir_datasets could not download it ({type(error).__name__}); offline? "
            f"{instead}"
        ) from error
