"""On the path of the processes that tests start: Pyserini 2 is imported without a network there."""

import sys


class Finder:
    """Replaces the lists of prebuilt indexes when Pyserini is first imported."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        """Finds nothing itself."""
        if name == "pyserini":
            sys.meta_path.remove(Finder)
            from i3_pyserini.stock.offline import allow_no_network

            allow_no_network()


sys.meta_path.insert(0, Finder)
