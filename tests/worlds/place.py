"""A world on disk, and the package's commands on it."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.worlds.collection import DECOYS, write_collection, write_judgements, write_topics
from tests.worlds.commands import command
from tests.worlds.compare import check_hits, read_hits
from tests.worlds.models import write_model
from tests.worlds.reference import Reference, reference_of
from tests.worlds.world import World

INDEX = "index"


@dataclass
class Place:
    """A world on disk, with what routes share.

    Args:
        world: the world.
        root: an empty folder.
    """

    world: World
    root: Path
    folder: Path = field(init=False)

    def __post_init__(self) -> None:
        self.folder = self.root / self.world.files.folder
        self.folder.mkdir()
        self.model = write_model(self.world, self.root)
        self.corpus = write_collection(self.world, self.folder)
        self.topics = write_topics(self.world, self.folder)
        self.qrels = write_judgements(self.world, self.folder)

    @cached_property
    def reference(self) -> Reference:
        """What is right."""
        return reference_of(self.world, self.model)

    @cached_property
    def index(self) -> Path:
        """The index of the whole collection."""
        self.encode(self.folder / INDEX, "--to-faiss")
        return self.folder / INDEX

    @cached_property
    def run(self) -> Path:
        """The run of plain search."""
        return self.search("run.txt")

    @cached_property
    def readable(self) -> World:
        """The world in a form that all commands read alike.

        Pyserini's command lines are told what is in `contents`; for others it is one text.
        """
        files = self.world.files
        style = "text" if files.style == "contents" else files.style
        return replace(self.world, files=replace(files, style=style))

    @cached_property
    def readable_corpus(self) -> Path:
        """The collection of `readable`."""
        return self.write("readable", self.readable)

    @cached_property
    def own_index(self) -> Path:
        """Its index, by `i3-pyserini encode`, whose manifest knows all about queries, too."""
        self.encode_own(self.folder / "i3-index", self.readable_corpus)
        return self.folder / "i3-index"

    def write(self, name: str, world: World) -> Path:
        """Writes another collection in a folder of its own, over one that is there."""
        (self.folder / name).mkdir(exist_ok=True)
        return write_collection(world, self.folder / name)

    def encode_own(self, target: Path, corpus: Path, *more: object, told: bool = True) -> None:
        """`i3-pyserini encode` with the world's settings."""
        command("i3_pyserini", *self.own_words(target, corpus, *more, told=told))

    def own_words(
        self, target: Path, corpus: Path, *more: object, told: bool = True
    ) -> list[object]:
        """The command's words; `told` is False for a model that declares what flags would say."""
        world = self.world
        model = [] if "--model" in more else ["--model", self.model]
        words: list[object] = ["encode", corpus, *model, "--output", target, *more]
        words += ["--titles" if world.titles else "--no-titles"]
        words += ["--devices", "cpu", "--batch-tokens", world.batch_tokens, "--threads", 1]
        return [*words, *(self.encoder_words() if told else [])]

    def search_own(self, name: str, index: object, *words: object, k: int | None = None) -> Path:
        """`i3-pyserini search`, which takes everything from the index's manifest."""
        run = self.folder / name
        more = ("--hits", k or self.world.k, "--threads", 1)
        command("i3_pyserini", "search", index, self.topics, "--output", run, *more, *words)
        return run

    def encode(
        self, target: Path, *output: object, shard: tuple[int, int] = (0, 1), where: object = ()
    ) -> None:
        """`python -m i3_pyserini.encode` with the world's settings."""
        words = self.encode_words(target, *output, shard=shard, where=where)
        done = command("i3_pyserini.encode", *words)
        if self.world.files.decoys and self.world.files.files:
            for name in DECOYS:
                assert name in done.err, f"encode: {name} is left out in silence"

    def encode_words(
        self, target: Path, *output: object, shard: tuple[int, int] = (0, 1), where: Any = ()
    ) -> list[object]:
        """The command's words."""
        world = self.world
        fields = ["--fields", "title", "text"] if world.files.style == "contents" else []
        asked = ["title", "text"] if world.titles else ["text"]
        words: list[object] = ["input", "--corpus", self.corpus, *fields]
        if shard[1] > 1:
            words += ["--shard-id", shard[0], "--shard-num", shard[1]]
        words += ["output", "--embeddings", target, *output]
        words += ["encoder", "--encoder", self.model, "--fields", *asked]
        words += ["--batch-tokens", world.batch_tokens, *(where or ("--device", "cpu"))]
        return [*words, *self._auto_words()]

    def search(self, name: str, *words: object, index: Path | None = None) -> Path:
        """`python -m i3_pyserini.search` with the world's settings; returns the run."""
        run = self.folder / name
        prefix = [] if "--encoded-queries" in words else self.prefix_words()
        command(
            "i3_pyserini.search",
            *("--index", index or self.index, "--topics", self.topics, "--output", run),
            *("--hits", self.world.k, "--threads", 1, *prefix, *words),
        )
        return run

    def prefix_words(self) -> list[str]:
        """The flag for the queries' prefix, where the model has no place for it."""
        prefix = self.world.model.prefixes[0]
        return ["--query-prefix", prefix] if prefix and self.is_told else []

    def check_run(self, run: Path, name: str, k: int | None = None) -> None:
        """Compares a run with the reference."""
        check_hits(read_hits(run), list(self.world.topics), self.reference, k or self.world.k, name)

    @property
    def is_told(self) -> bool:
        """Whether flags say what no file of the model declares."""
        return self.world.model.kind == "auto" and not self.world.model.declared

    def encoder_words(self) -> list[object]:
        """The flags for both sides, where the model has no place for them."""
        return [*self._auto_words(), *self.prefix_words()]

    def _auto_words(self) -> list[object]:
        model = self.world.model
        if not self.is_told:
            return []
        words: list[object] = ["--encoder-class", "auto", "--pooling", model.pooling]
        words += ["--max-length", model.lengths[1]]
        words += ["--l2-norm"] if model.normalize else []
        words += ["--prefix", model.prefixes[1]] if model.prefixes[1] else []
        return [*words, *(["--add-sep"] if model.add_sep else [])]
