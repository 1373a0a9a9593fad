"""Data sets by name, through ir_datasets, with errors that say what to do when it cannot."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, TypeVar

from i3_pyserini.errors import I3Error

T = TypeVar("T")


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
        raise I3Error(f"{name}: neither a file nor a data set that ir_datasets knows") from error
    except AttributeError as error:
        raise I3Error(
            f"{name}: this data set has no such part; name one that has, such as "
            "beir/nfcorpus/test, or a file"
        ) from error
    except Exception as error:  # whatever its download raises
        raise I3Error(
            f"{name}: ir_datasets could not get it ({type(error).__name__}); offline? {instead}"
        ) from error
