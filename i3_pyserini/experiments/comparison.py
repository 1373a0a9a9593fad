"""The commands of `compare` for one collection: training, encoding, search and fusion."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

from i3_pyserini.data.leakage import leak_note
from i3_pyserini.experiments.compare_inputs import MINED, Options, Queries
from i3_pyserini.experiments.compare_trainings import PLAIN_MODEL, Trainings, our_command
from i3_pyserini.experiments.compared import BASELINE
from i3_pyserini.experiments.costs import Cost, best_validation, bytes_of
from i3_pyserini.experiments.plan import CommandPlan, Plan, StepPlan
from i3_pyserini.experiments.stock_check import stock_plan
from i3_pyserini.formats.index import read_manifest
from i3_pyserini.formats.languages import ENGLISH, analysis_of
from i3_pyserini.formats.made import made_note
from i3_pyserini.formats.topics import read_topics
from i3_pyserini.search.languages import Engine, choose_language
from i3_pyserini.search.speed import read_queries_per_second


class Study:
    """One collection's comparison.

    Args:
        data: its folder, in our layout.
        folder: where everything is made.
        options: what is compared.
        engine: of BM25; see `search_bm25`. What is made with it has it in its name.

    Raises:
        I3Error: see `Queries` and `choose_language`.

    Attributes:
        name: the collection's.
        language: code of the language that BM25 analyzes its texts in.
        first_seed: seed of the trainings by which learning rates are chosen.
        bm25: label of BM25.
        models: labels of the trained models, by the names of their files.
        trainings: of the models.
    """

    def __init__(self, data: Path, folder: Path, options: Options, engine: Engine) -> None:
        self.data, self.folder, self.options, self.engine = data, folder, options, engine
        self.bm25 = "BM25" if engine == "lucene" else "SQLite BM25"
        self.name, self.corpus = data.resolve().name, data / "corpus"
        self.queries = Queries(data, options, folder)
        self.language = choose_language(self.corpus, options.language, engine).code
        self.first_seed = options.seeds[0]
        self.models = {PLAIN_MODEL: BASELINE}
        self.models |= {f"i3-{variant}": f"I³ {variant}" for variant in options.variants}
        given = (self._negatives_file(), self._scores_file())
        self.trainings = Trainings(folder, self.corpus, self.queries, options, *given)

    def beginning(self) -> Plan:
        """All up to the first seed's trainings, from which the learning rates are chosen."""
        steps = {}
        if self.queries.divided:
            steps["split"] = _step("split dev queries off from train", [self._split()])
        steps["bm25"] = _step(f"search with {self.bm25}, k1 and b tuned on dev", [self._bm25()])
        encoded = self._searched("backbone", self.options.backbone, dev=False)
        steps["backbone"] = _step("encode and search with the backbone as it is", list(encoded))
        if negatives := list(self._negatives()):
            steps["negatives"] = _step("mine hard negatives", negatives)
        first_seed, rates = self.first_seed, self.options.rates
        first = [one for m in self.models for one in self.trainings.of(m, rates, first_seed)]
        steps["train"] = _step("train the dual encoder and I³ alike", first)
        return Plan(about=f"compare {self.name}", steps=steps)

    def rest(self, rates: Mapping[str, float]) -> Plan:
        """All else, with the chosen learning rates by model."""
        others = [
            command
            for model in self.models
            for seed in self.options.seeds[1:]
            for command in self.trainings.of(model, [rates[model]], seed)
        ]
        steps = {"seeds": _step("train with the other seeds", others)} if others else {}
        searched = [
            command
            for model in self.models
            for seed in self.options.seeds
            for command in self._searched(
                f"{model}.seed-{seed}",
                str(self.trainings.model(model, rates[model], seed)),
                dev=model != PLAIN_MODEL,
            )
        ]
        steps["search"] = _step("encode and search with the trained models", searched)
        fused = [
            self._fuse(model, seed, how)
            for model in self._variants()
            for seed in self.options.seeds
            for how in ("rrf", "tuned")
        ]
        steps["fuse"] = _step(f"fuse {self.bm25} and I³", fused)
        return Plan(about=f"compare {self.name}", steps=steps)

    def best_rates(self) -> dict[str, float]:
        """By model, the learning rate whose first seed is the best on the dev queries."""
        if len(self.options.rates) == 1:
            return dict.fromkeys(self.models, self.options.rates[0])
        best = {}
        for model in self.models:
            values = {
                rate: best_validation(
                    self.trainings.folder(model, rate, self.first_seed), self.options.measure
                )
                for rate in self.options.rates
            }
            best[model] = max(values, key=lambda rate: values[rate])
        return best

    def runs(self) -> dict[str, list[Path]]:
        """Runs of the test queries by system; of a trained one a run for each seed."""
        found = {
            f"{self.bm25} (tuned)": [self._run(self._words(), "test")],
            "backbone": [self._run("backbone", "test")],
        }
        for model, label in self.models.items():
            found[label] = [
                self._run(f"{model}.seed-{seed}", "test") for seed in self.options.seeds
            ]
        for model in self._variants():
            for how in ("rrf", "tuned"):
                label = f"{self.bm25} + {self.models[model]} ({how})"
                found[label] = [self._fused(model, seed, how) for seed in self.options.seeds]
        return found

    def stock(self) -> tuple[Plan, Path, Path]:
        """A search of the first I³ index by stock Pyserini: its plan, our run and its run."""
        name = f"{self._variants()[0]}.seed-{self.first_seed}"
        own, other = self._run(name, "test"), self._run(f"{name}.stock", "test")
        topics = self.queries.files["test"][0]
        return stock_plan(self._index(name), topics, other, self.options.hits), own, other

    def costs(self, rates: Mapping[str, float]) -> dict[str, Cost]:
        """By system, what can be read from what was made; of a trained one for the first seed."""
        found = {
            f"{self.bm25} (tuned)": self._cost(self._words(), None),
            "backbone": self._cost("backbone", None),
        }
        for model, label in self.models.items():
            minutes = self.trainings.minutes(model, rates[model], self.first_seed)
            found[label] = self._cost(f"{model}.seed-{self.first_seed}", minutes)
        return found

    def limits(self) -> list[str]:
        """What a reader must know of the comparison's size; all has been encoded."""
        seeds = len(self.options.seeds)
        size = f"{seeds} seed{'s' * (seeds > 1)} and {self.options.steps:,} steps of training"
        found = [f"{size}, and other seeds give other differences"]
        if self.options.warm_up:
            found.append(
                f"I³ was also trained before, {self.options.warm_up:,} steps of its reconstructor"
            )
        names = ("backbone", f"{PLAIN_MODEL}.seed-{self.first_seed}")
        read = [read_manifest(self._index(name)).encoder for name in names]
        (base, base_cut), (own, own_cut) = ((one.passage_length, one.cut or 0.0) for one in read)
        if base != own:
            found.append(
                f"the backbone reads {base} tokens of a passage ({base_cut:.0%} of passages are "
                f"cut), the trained models {own} ({own_cut:.0%}; see passage_length)"
            )
        if self.language != ENGLISH:
            found.append(f"{self.bm25} analyzes the texts as {analysis_of(self.language)}")
        found += [*made_note(self.queries.files["test"][1]), *self.leaks]
        return [*found, "intervals are of one difference each, p is corrected for all systems"]

    @cached_property
    def leaks(self) -> list[str]:
        """Lines about test queries that are nearly training queries."""
        return leak_note(read_topics(str(self.queries.used[0])), self.queries.files["test"][0])

    def _variants(self) -> list[str]:
        return [model for model in self.models if model != PLAIN_MODEL]

    def _run(self, name: str, part: str) -> Path:
        return self.folder / "runs" / f"{name}.{part}.txt"

    def _fused(self, model: str, seed: int, how: str) -> Path:
        return self._run(f"{self._words()}+{model}.{how}.seed-{seed}", "test")

    def _speed(self, name: str) -> Path:
        return self.folder / "runs" / f"{name}.test.speed.json"

    def _index(self, name: str) -> Path:
        return self.folder / "index" / name

    def _words(self) -> str:
        """The name of BM25's files."""
        return f"bm25-{self.engine}"

    def _cost(self, name: str, minutes: float | None) -> Cost:
        speed = read_queries_per_second(self._speed(name))
        return Cost(bytes_of(self._index(name)), minutes, speed)

    def _split(self) -> CommandPlan:
        folder = self.queries.divided or Path()
        words = ("data", "split", self.data, "--split", "train", "--names", "dev", "train")
        return our_command(folder / "manifest.json", *words, "--output", folder, "--overwrite")

    def _bm25(self) -> CommandPlan:
        name, (dev, qrels) = self._words(), self.queries.files["dev"]
        run = self._run(name, "test")
        words = ("bm25", self.corpus, self.queries.files["test"][0], "--output", run)
        how = ["--engine", self.engine, "--index", self._index(name)]
        if self.options.language is not None:
            how += ["--language", self.options.language]
        tune = ("--tune", qrels, "--tune-topics", dev, "--tune-output", self._run(name, "dev"))
        last = ("--measure", self.options.measure, "--hits", self.options.hits)
        return our_command(
            run, *words, *how, *tune, *last, "--speed", self._speed(name), "--overwrite"
        )

    def _searched(self, name: str, model: str, dev: bool) -> Iterator[CommandPlan]:
        index = self._index(name)
        yield our_command(index, "encode", self.corpus, "--model", model, "--output", index)
        for part in ("test", "dev") if dev else ("test",):
            run = self._run(name, part)
            words = ["search", index, self.queries.files[part][0], "--output", run]
            if part == "test":
                words += ["--speed", self._speed(name), "--overwrite"]
            yield our_command(run, *words, "--hits", self.options.hits)

    def _negatives(self) -> Iterator[CommandPlan]:
        topics, qrels = self.queries.files["train"]
        cache = ("--cache", self.folder / "cache")
        if self.options.negatives == MINED:
            mined = self._negatives_file()
            words = ("data", "mine", topics, qrels, self.corpus, "--output", mined)
            hits = ("--index", self._index("backbone"), "--depth", "1-100", "--per-query", 8)
            yield our_command(mined, *words, *hits, *cache, "--overwrite")
        if self.options.teacher and not self.options.scored:
            scores = self._scores_file()
            files = (self._negatives_file(), self.corpus)
            pairs = ("--teacher", self.options.teacher, "--topics", topics, "--qrels", qrels)
            yield our_command(scores, "data", "score", *files, *pairs, "--output", scores, *cache)

    def _scores_file(self) -> Path:
        given = self.options.teacher
        return Path(str(given)) if self.options.scored else self.folder / "teacher.jsonl"

    def _negatives_file(self) -> Path:
        given = self.options.negatives
        return self.folder / "negatives.tsv" if given in (MINED, None) else Path(str(given))

    def _fuse(self, model: str, seed: int, how: str) -> CommandPlan:
        run = self._fused(model, seed, how)
        names = (self._words(), f"{model}.seed-{seed}")
        words = ["fuse", *(self._run(name, "test") for name in names), "--output", run]
        if how == "rrf":
            words += ["--method", "rrf"]
        else:
            words += ["--method", "interpolation", "--tune", self.queries.files["dev"][1]]
            words += ["--tune-runs", *(self._run(name, "dev") for name in names)]
            words += ["--measure", self.options.measure]
        return our_command(run, *words, "--hits", self.options.hits, "--overwrite")


def _step(about: str, commands: list[CommandPlan]) -> StepPlan:
    return StepPlan(about=about, commands=commands)
