"""Settings of a recipe that have no effect because of other settings."""

from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import Any

from i3_pyserini.errors import I3Error, note
from i3_pyserini.train.recipe import Recipe


@dataclass(frozen=True)
class Rule:
    """Keys that have no effect because other settings disable them.

    Attributes:
        switches: the disabling settings, as dotted keys.
        off: whether a recipe's switches disable the keys.
        keys: dotted keys; a key is set if its value is not the default.
        remedy: how to fix it.
    """

    switches: tuple[str, ...]
    off: Callable[[Recipe], bool]
    keys: tuple[str, ...]
    remedy: str

    def unused(self, recipe: Recipe) -> list[str]:
        """The keys that are set but have no effect."""
        return self.asked(recipe) if self.off(recipe) else []

    def asked(self, recipe: Recipe) -> list[str]:
        """The keys that have other values than the defaults."""
        return [key for key in self.keys if _value(recipe, key) != _default(recipe, key)]

    def reason(self, recipe: Recipe) -> str:
        """The switches and their values."""
        return " and ".join(f"{key}: {_shown(_value(recipe, key))}" for key in self.switches)


def _is_rate_of_temperature(recipe: Recipe) -> bool:
    """Whether a temperature is learned at `optimizer.learning_rate`."""
    return recipe.loss.learned_temperature and recipe.optimizer.temperature_learning_rate is None


RECONSTRUCTION = (
    "loss.reconstruction",
    "reconstruction.targets",
    "reconstruction.passages",
    "reconstruction.gradient",
    "data.generated_queries",
    "optimizer.reconstruction_head_learning_rate",
)
WITHOUT_RECONSTRUCTOR = Rule(
    ("model.interaction",),
    lambda recipe: recipe.model.settings.get("interaction") == "none",
    (*RECONSTRUCTION, "optimizer.head_learning_rate"),
    "a plain dual encoder has no reconstructor and no interactor: omit the key",
)
RULES = (
    Rule(
        ("training.passages_per_query",),
        lambda recipe: recipe.training.passages_per_query == 1,
        (
            "data.negatives",
            "negatives.padding",
            "negatives.padding_score",
            "negatives.false_negative_margin",
            "negatives.false_negative_ratio",
        ),
        "a group of one is the positive alone: increase training.passages_per_query",
    ),
    Rule(
        ("data.teacher",),
        lambda recipe: recipe.data.teacher is not None,
        ("data.queries", "data.qrels", "data.min_relevance", "data.quoted_queries"),
        "the teacher's file has the queries and their positives: omit the key",
    ),
    Rule(
        ("loss.distillation",),
        lambda recipe: not recipe.loss.distillation,
        ("loss.distillation_kind", "negatives.padding_score"),
        "raise loss.distillation",
    ),
    Rule(
        ("negatives.padding",),
        lambda recipe: recipe.negatives.padding == "refuse",
        ("negatives.padding_score",),
        "nothing is padded: omit the key",
    ),
    Rule(
        ("loss.contrastive",),
        lambda recipe: not recipe.loss.compares_batch,
        (
            "negatives.shared",
            "negatives.gradient",
            "negatives.exclude_duplicates",
            "negatives.guide",
        ),
        "only the contrastive loss, and loss.distillation_kind: infonce, have negatives of the "
        "batch: increase loss.contrastive",
    ),
    Rule(
        ("loss.contrastive",),
        lambda recipe: not recipe.loss.contrastive,
        ("loss.symmetric",),
        "it is a part of the contrastive loss: increase loss.contrastive",
    ),
    Rule(
        ("loss.contrastive", "loss.distillation"),
        lambda recipe: not (recipe.loss.contrastive or recipe.loss.distillation),
        (
            "loss.temperature",
            "loss.learned_temperature",
            "loss.matryoshka",
            "optimizer.temperature_learning_rate",
        ),
        "the scores are not used: increase one of these weights",
    ),
    Rule(
        ("loss.learned_temperature",),
        lambda recipe: not recipe.loss.learned_temperature,
        ("optimizer.temperature_learning_rate",),
        "the temperature stays as it is: set loss.learned_temperature: true",
    ),
    Rule(
        ("negatives.guide",),
        lambda recipe: recipe.negatives.guide is None,
        ("negatives.guide_margin",),
        "name a negatives.guide",
    ),
    Rule(
        ("negatives.shared",),
        lambda recipe: recipe.negatives.shared != "devices",
        ("negatives.gradient",),
        "no gradient goes through another device: omit the key, or share: devices",
    ),
    WITHOUT_RECONSTRUCTOR,
    Rule(
        ("loss.reconstruction",),
        lambda recipe: not recipe.loss.reconstruction,
        RECONSTRUCTION[1:],
        "nothing is reconstructed: raise loss.reconstruction",
    ),
    Rule(
        ("reconstruction.targets", "reconstruction.passages"),
        lambda recipe: (
            recipe.reconstruction.targets == "query" and recipe.reconstruction.passages != "all"
        ),
        ("data.generated_queries",),
        "positives are taught the training query: set reconstruction.targets: generated or "
        "reconstruction.passages: all",
    ),
    Rule(
        ("reconstruction.targets", "training.passages_per_query"),
        lambda recipe: (
            recipe.reconstruction.targets == "query" and recipe.training.passages_per_query == 1
        ),
        ("data.generated_queries",),
        "positives are taught the training query: set reconstruction.targets: generated",
    ),
    Rule(
        ("training.freeze",),
        lambda recipe: recipe.training.freeze == "encoders",
        ("training.gradient_checkpointing", "reconstruction.gradient"),
        "frozen encoders have no activations and no gradient: omit the key",
    ),
    Rule(
        ("training.freeze",),
        lambda recipe: recipe.training.freeze != "encoders",
        ("training.cache_vectors",),
        "vectors of encoders that learn change: set training.freeze: encoders, or omit the key",
    ),
    Rule(
        ("training.freeze", "optimizer.head_learning_rate"),
        lambda recipe: (
            recipe.training.freeze == "encoders"
            and recipe.optimizer.head_learning_rate is not None
            and not _is_rate_of_temperature(recipe)
        ),
        ("optimizer.learning_rate",),
        "the encoders do not learn: omit the key",
    ),
)


def settled(recipe: Recipe, overridden: Set[str] = frozenset()) -> Recipe:
    """The recipe without settings that have no effect.

    What a recipe's file asks for and an override turns off (`--model.interaction=none`, which
    trains the baseline by the same recipe) is named in a note and set to its default. Everything
    else is refused.

    Args:
        recipe: the recipe.
        overridden: dotted keys, of sections too, that overrides have set.

    Raises:
        I3Error: a setting has no effect; names it and what turns it off.
    """
    for rule in RULES:
        unused = rule.unused(recipe)
        if not unused:
            continue
        by_flag = any(_is_set(key, overridden) for key in rule.switches)
        if not by_flag or any(_is_set(key, overridden) for key in unused):
            have = "have" if len(unused) > 1 else "has"
            raise I3Error(
                f"{', '.join(unused)} {have} no effect with {rule.reason(recipe)}; {rule.remedy}"
            )
        note(f"not used with {rule.reason(recipe)}: {', '.join(unused)}")
        recipe = _without(recipe, unused)
    return recipe


def settled_for_plain_model(recipe: Recipe) -> None:
    """Names the settings that have no effect because `model.init` is a plain dual encoder.

    Raises:
        I3Error: nothing else is left to learn from.
    """
    init = recipe.model.init
    if not (recipe.loss.contrastive or recipe.loss.distillation):
        raise I3Error(
            f"model.init {init} is a plain dual encoder, which learns nothing from reconstruction "
            "alone"
        )
    if unused := WITHOUT_RECONSTRUCTOR.asked(recipe):
        note(f"not used with model.init {init}, a plain dual encoder: {', '.join(unused)}")


def _is_set(key: str, overridden: Set[str]) -> bool:
    parts = key.split(".")
    return any(".".join(parts[:size]) in overridden for size in range(1, len(parts) + 1))


def _value(recipe: Recipe, key: str) -> Any:
    section, name = key.split(".")
    own = getattr(recipe, section)
    return own.settings.get(name) if section == "model" else getattr(own, name)


def _default(recipe: Recipe, key: str) -> Any:
    section, name = key.split(".")
    return type(getattr(recipe, section)).model_fields[name].default


def _without(recipe: Recipe, keys: list[str]) -> Recipe:
    fields = recipe.model_dump()
    for key in keys:
        section, name = key.split(".")
        fields[section][name] = _default(recipe, key)
    return Recipe.model_validate(fields)


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
