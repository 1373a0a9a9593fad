"""Compares I³ with other systems on your own collections."""

from collections.abc import Sequence
from importlib.util import find_spec
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from i3_pyserini.errors import I3Error, at_least_1, note
from i3_pyserini.experiments.compared import Comparison
from i3_pyserini.formats.paths import AnyPath, NameOrPath

if TYPE_CHECKING:
    from i3_pyserini.experiments.compare_inputs import Options
    from i3_pyserini.experiments.comparison import Study

IDENTITY = "compare.json"
STEPS, QUICK_STEPS = 300, 60
RATES, QUICK_RATES = (2e-5, 5e-5, 1e-4), (5e-5,)
VALIDATIONS = 4
NEGATIVES = 3
MEASURES = ("nDCG@10", "RR@10", "R@100")


def compare(
    data: Sequence[AnyPath] | AnyPath,
    *,
    backbone: NameOrPath,
    output: AnyPath,
    quick: bool = False,
    seeds: int = 1,
    first_seed: int = 1,
    steps: int | None = None,
    warm_up: int = 0,
    rates: Sequence[float] = (),
    variants: Sequence[Literal["released", "paper"]] = ("released",),
    negatives: NameOrPath | None = None,
    negatives_per_query: int | None = None,
    teacher: NameOrPath | None = None,
    measures: Sequence[str] = MEASURES,
    split: str = "test",
    language: str | None = None,
    query_length: int = 32,
    passage_length: int = 128,
    batch_size: int = 32,
    hits: int = 1000,
    quiet: bool = False,
) -> Comparison:
    """Compares BM25, a backbone, a plain dual encoder, I³ and their fusion on your collections.

    k1 and b of BM25 are tuned on dev queries; without Java it is SQLite BM25. The dual encoder and
    I³ start from the backbone and are trained alike, each with the learning rate that is best for
    it on dev queries. Where Java is installed, stock Pyserini searches the I³ index too, and its
    hits are compared with ours. Every step is printed as a command; completed steps are skipped, so
    the same call resumes.

    Args:
        data: folders of collections, as written by `data import`. If there are no dev queries, they
            are split off from train.
        backbone: directory or hub name of the encoder to start from.
        output: the folder to write; with several collections, it has a folder for each.
        quick: fast comparison: 60 steps and one learning rate, unless given; models are the last
            of their trainings.
        seeds: number of trainings of each model; results are their means.
        first_seed: seed of the first training; the others follow it.
        steps: steps of each training. Default: 300.
        warm_up: steps before it in which I³'s reconstructor is trained alone, in batches of 128
            queries, to imagine queries from the backbone's vectors. Default: none.
        rates: learning rates to choose from. Default: 2e-5, 5e-5 and 1e-4.
        variants: architectures of I³: "released" as in the authors' code, "paper" as in their
            paper.
        negatives: hard negatives: a .tsv file of `data mine`, or "mined" for hits of the backbone.
            Default: only in-batch negatives.
        negatives_per_query: hard negatives of a query in a batch. Default: 3.
        teacher: a cross-encoder, to distil from its scores of the negatives ("mined" by
            default); or a .jsonl file of `data score`, which has queries, positives and negatives.
        measures: measures to report; the first is used on dev queries and in the sentence.
        split: the queries to evaluate.
        language: language that BM25 analyzes the texts in, see `bm25`. Default: the one that each
            collection declares, or English.
        query_length: maximum ids of a query in training.
        passage_length: maximum ids of a passage.
        batch_size: queries per training batch.
        hits: maximum hits per query.
        quiet: print one line per step; commands and their output go to commands.log in the output.

    Returns:
        The table, with a sentence on the significance of differences.

    Raises:
        I3Error: a collection lacks queries, BM25 has no analyzer for its language, the output
            belongs to other options, or a command failed.
    """
    places = [Path(one) for one in ([data] if isinstance(data, str | PathLike) else data)]
    rates = tuple(rates) or (QUICK_RATES if quick else RATES)
    steps = steps if steps is not None else QUICK_STEPS if quick else STEPS
    _check(places, variants, rates)
    at_least_1(seeds=seeds, steps=steps, hits=hits)
    if warm_up < 0:
        raise I3Error(f"warm_up is {warm_up}, must be at least 0")
    if not 0 <= first_seed <= 2**32 - seeds:
        raise I3Error(f"first_seed is {first_seed}, must be from 0 to {2**32 - seeds}")
    at_least_1(query_length=query_length, passage_length=passage_length)
    if batch_size < 2:  # noqa: PLR2004  (a pair)
        raise I3Error(f"batch_size is {batch_size}, must be at least 2: a batch has the negatives")
    from i3_pyserini.experiments.compare_inputs import MINED, SCORES, Options
    from i3_pyserini.formats.measures import choose_measures

    names = [str(one) for one in choose_measures(measures)[0]]
    if teacher is not None and fspath(teacher).endswith(SCORES):
        _check_scores(Path(teacher), len(places), negatives)
    elif teacher is not None and negatives is None:
        negatives = MINED
    if negatives not in (None, MINED):
        _check_negatives(Path(negatives), len(places))
    options = Options(
        backbone=fspath(backbone),
        rates=rates,
        seeds=range(first_seed, first_seed + seeds),
        steps=steps,
        warm_up=warm_up,
        validations=VALIDATIONS if not quick else 1 if len(rates) > 1 else 0,
        variants=tuple(variants),
        negatives=None if negatives is None else fspath(negatives),
        negatives_per_query=_negatives_per_query(negatives_per_query, negatives, teacher),
        teacher=None if teacher is None else fspath(teacher),
        measure=names[0],
        query_length=query_length,
        passage_length=passage_length,
        batch_size=batch_size,
        hits=hits,
        split=split,
        language=language,
    )
    return _compare(places, Path(output), options, names, quiet)


def _check_negatives(path: Path, collections: int) -> None:
    """Checks that training can read a file of negatives."""
    if not path.is_file():
        raise I3Error(f"negatives {path}: neither a file nor 'mined'")
    if collections > 1:
        raise I3Error(f"negatives {path}: are of one collection; use 'mined' for several")
    if path.suffix != ".tsv":
        raise I3Error(f"negatives {path}: expected the .tsv file that data mine --output writes")


def _negatives_per_query(
    count: int | None, negatives: NameOrPath | None, teacher: NameOrPath | None
) -> int:
    """The number that was asked for, or the default."""
    if count is None:
        return NEGATIVES
    at_least_1(negatives_per_query=count)
    if negatives is None and teacher is None:
        raise I3Error("negatives_per_query has no effect without negatives or a teacher")
    return count


def _check_scores(path: Path, collections: int, negatives: NameOrPath | None) -> None:
    """Checks that training can read a teacher's scores."""
    if not path.is_file():
        raise I3Error(f"teacher {path}: no such file")
    if collections > 1:
        raise I3Error(f"teacher {path}: has the scores of one collection; name a cross-encoder")
    if negatives is not None:
        raise I3Error(f"teacher {path}: has its own negatives; leave out negatives {negatives}")


def _check(places: list[Path], variants: Sequence[str], rates: Sequence[float]) -> None:
    """Checks the arguments and requirements."""
    if not places:
        raise I3Error("name a collection")
    names = [place.resolve().name for place in places]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise I3Error(f"two collections are named {twice}; give their folders different names")
    if not variants or {*variants} - {"released", "paper"} or len({*variants}) < len(variants):
        raise I3Error(f"variants are {', '.join(variants) or 'none'}; expected released, paper")
    if not all(0 < rate < float("inf") for rate in rates) or len({*rates}) < len(rates):
        raise I3Error(f"rates are {', '.join(f'{r:g}' for r in rates)}; expected numbers above 0")
    needed = ("accelerate", "pydantic", "pytorch_optimizer", "tensorboard", "yaml")
    if missing := [name for name in needed if find_spec(name) is None]:
        raise I3Error(f"compare needs {', '.join(missing)}: pip install 'i3-pyserini[train]'")


def _compare(
    places: list[Path], output: Path, options: "Options", measures: list[str], quiet: bool
) -> Comparison:
    from i3_pyserini.experiments.compare_inputs import MINED, choose_engine
    from i3_pyserini.experiments.comparing import compare_systems
    from i3_pyserini.experiments.comparison import Study
    from i3_pyserini.formats.atomic import locked
    from i3_pyserini.formats.languages import language_of
    from i3_pyserini.formats.made import made_note
    from i3_pyserini.formats.passages import Corpus
    from i3_pyserini.search.languages import note_script
    from i3_pyserini.stock.lucene_bm25 import why_no_lucene

    if output.exists() and not output.is_dir():
        raise I3Error(f"{output}: is a file; name a folder")
    absent, several = why_no_lucene(), len(places) > 1
    studies = [
        Study(
            place,
            output / place.resolve().name if several else output,
            options,
            choose_engine(place, options.language, absent),
        )
        for place in places
    ]
    for study in studies:
        given = options.teacher if options.scored else options.negatives
        if given not in (None, MINED) and study.queries.divided:
            raise I3Error(
                f"{study.data}: has no dev queries, and {given} would be of the queries that are "
                "split off too; split them first (i3-pyserini data split)"
            )
    for study in studies:
        spoken = language_of(study.corpus, options.language)
        note_script(spoken, (one.text for one in Corpus(study.corpus)))
        for one in (*made_note(study.queries.files["test"][1]), *study.leaks):
            note(one)
    with locked(output):
        _identify(output, studies, options)
        if absent:
            note(f"BM25 by SQLite, not Lucene: {absent}")
        return Comparison([compare_systems(study, measures, quiet) for study in studies])


def _identify(output: Path, studies: "list[Study]", options: "Options") -> None:
    """Records the inputs of the output; raises if the output belongs to other inputs."""
    from dataclasses import asdict

    from i3_pyserini.formats.atomic import file_hash
    from i3_pyserini.formats.languages import ENGLISH
    from i3_pyserini.formats.passages import Corpus
    from i3_pyserini.formats.records import differences, read_object, write_object
    from i3_pyserini.search.bm25_index import corpus_hash

    now: dict[str, Any] = {**asdict(options), "rates": list(options.rates)}
    now |= {"variants": list(options.variants), "seeds": list(options.seeds)}
    del now["language"]  # what it comes to is recorded for each collection
    for name in ("backbone", "teacher", "negatives"):
        path = Path(now[name] or "")
        if now[name] and path.is_dir():
            files = sorted(path.rglob("*"))
            now[f"{name}_files"] = {
                one.relative_to(path).as_posix(): file_hash(one) for one in files if one.is_file()
            }
        elif now[name] and path.is_file():
            now[f"{name}_sha256"] = file_hash(path)
    now["collections"] = {
        study.name: {
            "corpus": corpus_hash(Corpus(study.corpus)),
            **({} if study.language == ENGLISH else {"language": study.language}),
            **{path.name: file_hash(path) for path in study.queries.used},
        }
        for study in studies
    }
    record = output / IDENTITY
    try:
        before = read_object(record)
    except FileNotFoundError:
        if others := [one.name for one in output.iterdir() if not one.name.startswith(".")]:
            raise I3Error(
                f"{output}: contains {min(others)}, but no {IDENTITY}; choose another folder"
            ) from None
        write_object(record, now)
        return
    if changed := differences(before, now):
        raise I3Error(
            f"{output}: belongs to other options ({'; '.join(changed)}); choose another output"
        )
