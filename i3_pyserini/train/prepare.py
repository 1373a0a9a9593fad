"""Everything that a run needs, made from its recipe and checked before the first step."""

import difflib
from dataclasses import dataclass

import torch
from torch import nn
from tqdm import tqdm

from i3_pyserini.data.candidates import (
    CandidateSource,
    JudgedQueries,
    NegativesFile,
    TeacherFile,
)
from i3_pyserini.data.known import KnownPassages, blocks
from i3_pyserini.data.leakage import leak_note
from i3_pyserini.data.queries import read_judged_queries
from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.qrels import examples
from i3_pyserini.formats.textstore import TextStore, open_query_store, open_store
from i3_pyserini.model.config import NO_SETTINGS, I3Config, is_i3_model
from i3_pyserini.model.devices import computes_bf16, limit_torch, note_slow_bf16
from i3_pyserini.model.export import load_model_directory
from i3_pyserini.model.layer_start import AUTO
from i3_pyserini.model.reconstruction_tokenizer import FOLDER
from i3_pyserini.model.retriever import I3Retriever
from i3_pyserini.model.tokenizer import I3Tokenizer
from i3_pyserini.train.lora import add_adapters
from i3_pyserini.train.mixture import MixedSampler, Mixture, read_sources
from i3_pyserini.train.recipe import Recipe
from i3_pyserini.train.recipe_inputs import DataRecipe
from i3_pyserini.train.samples import EpochSampler, TrainingSet
from i3_pyserini.train.sampling import GroupSampler

BLOCK = 2000


@dataclass(frozen=True)
class TrainingData:
    """The training queries, and what the check of them found.

    Attributes:
        samples: the training set.
        short: queries with fewer usable negatives than a group has.
        mixture: how sources are mixed; None if they are not known.
    """

    samples: TrainingSet
    short: int
    mixture: Mixture | None = None

    def sampler(self, rank: int, world: int) -> EpochSampler | MixedSampler:
        """The order of the samples on a device of several."""
        if self.mixture is not None:
            return MixedSampler(self.mixture, rank, world)
        return EpochSampler(len(self.samples), rank, world, self.samples.seed)


def with_precision(recipe: Recipe) -> Recipe:
    """The recipe as this device can run it, so that no other device resumes it otherwise."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    training = recipe.training
    if training.precision == "auto":
        precision = "bf16" if computes_bf16(device) else "fp32"
        training = training.model_copy(update={"precision": precision})
    note_slow_bf16(training.precision, device)
    return recipe.model_copy(update={"training": training})


def load_model(recipe: Recipe) -> tuple[I3Retriever, I3Tokenizer]:
    """The model to start from, in training mode, with the parts frozen that do not learn.

    Raises:
        I3Error: it cannot be read, its architecture is not the recipe's, or nothing would learn.
    """
    limit_torch()
    init, settings = recipe.model.init, recipe.model.settings
    _check_settings(settings)
    if is_i3_model(init):
        if FOLDER in settings:
            raise I3Error(f"model.{FOLDER} is for a new model on a backbone, but {init} is a model")
        model, tokenizer = load_model_directory(init)
        for name, value in settings.items():
            if (name, value) != ("layer_init", AUTO) and getattr(model.config, name) != value:
                raise I3Error(
                    f"model.init {init} has {name} {getattr(model.config, name)!r}, but the recipe "
                    f"says {value!r}; leave the key out, or start from another checkpoint"
                )
    else:
        model = I3Retriever.from_backbone(init, **settings)
        tokenizer = I3Tokenizer.from_pretrained(init, model.config, settings.get(FOLDER))
    if too_long := [size for size in recipe.loss.matryoshka if size >= model.config.dimension]:
        raise I3Error(
            f"loss.matryoshka has {too_long[0]}, but the model's vectors have only "
            f"{model.config.dimension} dimensions; name fewer"
        )
    _freeze(model, recipe)
    if recipe.lora is not None:
        add_adapters(model, recipe.lora, recipe.training.precision)
    if recipe.training.gradient_checkpointing:
        # the second is the name before transformers 5.23, the first the only one from 6 on
        enable = getattr(model, "activation_checkpointing_enable", None)
        (enable or model.gradient_checkpointing_enable)({"use_reentrant": False})
    return model, tokenizer


def training_mode(model: I3Retriever) -> None:
    """Puts a model into training mode; frozen encoders stay without dropout."""
    model.train()
    for encoder in (model.query_encoder, model.passage_encoder):
        if not any(parameter.requires_grad for parameter in encoder.parameters()):
            encoder.eval()


def load_data(recipe: Recipe, reconstructs: bool, check: bool = True) -> TrainingData:
    """The training data.

    Args:
        recipe: the recipe.
        reconstructs: whether the model has a reconstructor to teach.
        check: read it all once and look up every passage id; otherwise `short` is 0.

    Raises:
        I3Error: a file is missing, a line is not as it should be, or a passage is not in the
            collection.
    """
    data = recipe.data
    store = open_store(data.collection, data.cache)
    generated = (
        open_query_store(data.generated_queries, data.cache)
        if (data.generated_queries and reconstructs)
        else None
    )
    if reconstructs and recipe.reconstruction.targets == "generated" and generated is None:
        raise I3Error(
            "reconstruction.targets is 'generated', but data.generated_queries is not given; name "
            "the file, or set reconstruction.targets: query"
        )
    source = candidate_source(data)
    sampler = GroupSampler(recipe.negatives, recipe.training.passages_per_query, store)
    seed = recipe.training.data_seed
    samples = TrainingSet(
        source,
        sampler,
        store,
        generated,
        recipe.reconstruction if reconstructs else None,
        recipe.training.seed if seed is None else seed,
    )
    mixture = None
    if data.sources is not None:
        mixture = Mixture(read_sources(data.sources, source.ids()), data.weights, samples.seed)
    if not check:
        return TrainingData(samples, 0, mixture)
    short, queries = check_candidates(source, sampler, store)
    if left_out := source.left_out():
        lacks = "line in data.negatives" if data.negatives else "positive in data.qrels"
        note(
            f"{data.queries}: {len(left_out):,} queries do not train, because they have no {lacks} "
            f"({examples(left_out)})"
        )
    if (validation := recipe.validation) is not None:
        for line in leak_note(queries, validation.topics, "validation"):
            note(line)
    return TrainingData(samples, short, mixture)


def candidate_source(data: DataRecipe) -> CandidateSource:
    """The training queries with their candidates, from whichever files the recipe names."""
    if data.teacher is not None:
        return TeacherFile(data.teacher)
    assert data.queries is not None  # noqa: S101  (the recipe was checked)
    assert data.qrels is not None  # noqa: S101  (likewise)
    queries, positives = read_judged_queries(
        data.queries, data.qrels, data.min_relevance, data.quoted_queries
    )
    if data.negatives is None:
        return JudgedQueries(queries, positives, str(data.qrels))
    return NegativesFile(data.negatives, queries, positives)


def check_candidates(
    source: CandidateSource, sampler: GroupSampler, store: TextStore
) -> tuple[int, dict[str, str]]:
    """Reads all candidates once; memory is 8 bytes for each passage, and the queries.

    Returns:
        Number of queries with fewer usable negatives than a group has, and texts by place.

    Raises:
        I3Error: a line is not as it should be, or a passage is not in the collection.
    """
    known = KnownPassages(store)
    short, texts = 0, {}
    progress = tqdm(total=len(source), desc="check training queries", unit=" queries", delay=2)
    for queries in blocks(source, BLOCK):
        known.check(queries)
        for one in queries:
            texts[one.place] = one.query
            lowest = min(one.positive_scores) if one.positive_scores else None
            eligible = sampler.eligible(one, lowest)
            sampler.refuse_short(eligible, one.negatives)
            short += len(eligible.negatives) < sampler.count
        progress.update(len(queries))
    progress.close()
    return short, texts


def _check_settings(settings: dict[str, object]) -> None:
    known = sorted({*I3Config.__annotations__, FOLDER} - NO_SETTINGS)
    for name in settings:
        if name not in known:
            close = difflib.get_close_matches(name, ["init", *known], n=1)
            hint = f"; did you mean 'model.{close[0]}'?" if close else ""
            raise I3Error(f"unknown key 'model.{name}'{hint}")


def _freeze(model: I3Retriever, recipe: Recipe) -> None:
    frozen: list[nn.Module] = []
    if recipe.training.freeze == "query_encoder" and model.config.tie_encoders:
        raise I3Error(
            "training.freeze: query_encoder with one encoder for both sides (tie_encoders) would "
            "freeze the passage encoder too; use encoders, or tie_encoders: false"
        )
    if recipe.training.freeze != "none":
        frozen += [model.query_encoder, model.query_dense]
    if recipe.training.freeze == "encoders":
        if not model.has_reconstructor:
            raise I3Error(
                "training.freeze: encoders with a plain dual encoder (interaction: none) leaves "
                "nothing to learn"
            )
        frozen += [model.passage_encoder, model.passage_dense]
    if model.has_reconstructor and not recipe.loss.reconstruction:
        frozen.append(model.reconstruction_head)
    for module in frozen:
        module.requires_grad_(False)
