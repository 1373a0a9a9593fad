"""The model card: where its queries come from."""

from typing import Any

import pytest
from huggingface_hub import ModelCard

from i3_pyserini import I3Retriever, I3Tokenizer
from i3_pyserini.formats.folder_manifest import Manifest
from i3_pyserini.formats.made import Made
from i3_pyserini.train.card import model_card, queries_sentence, validation_sentence
from i3_pyserini.train.checkpoint import Progress
from tests.train.conftest import MakeRecipe


def test_made_queries_are_marked(make_recipe: MakeRecipe) -> None:
    recipe, progress = make_recipe(), Progress(best=0.5, best_step=3)
    assert recipe.validation is not None and recipe.data.queries is not None
    assert "made" not in queries_sentence(recipe) + validation_sentence(recipe, progress)
    assert validation_sentence(recipe, Progress()) == "not validated"
    for path in (recipe.data.queries, recipe.validation.topics):
        manifest = Manifest.of(path.parent)
        manifest.add(path.name, "x", made=Made(source="titles"))
        manifest.save()
    marked = "queries.tsv, made from titles, not collected"
    assert marked in queries_sentence(recipe)
    assert marked in validation_sentence(recipe, progress)


@pytest.mark.parametrize(("init", "base"), [("owner/name@main", "owner/name"), (".", None)])
def test_the_hub_reads_the_card(
    make_recipe: MakeRecipe,
    tiny_model: tuple[I3Retriever, I3Tokenizer],
    init: str,
    base: str | None,
) -> None:
    recipe, progress = make_recipe(f"model.init={init}"), Progress(best=0.51234, best_step=3)
    assert recipe.validation is not None
    card: Any = ModelCard(model_card(tiny_model[0], recipe, progress, 1))
    assert card.data.library_name == "sentence-transformers"
    assert card.data.base_model == base
    assert "i3-retriever" in card.data.tags
    (result,) = card.data.eval_results
    assert (result.task_type, result.metric_value) == ("information-retrieval", 0.5123)
    assert result.metric_name == recipe.validation.measure
    assert result.dataset_type == recipe.data.collection.name
    assert recipe.validation.topics.name in result.dataset_name
    assert "# I³ retriever" in card.text
    unvalidated: Any = ModelCard(model_card(tiny_model[0], recipe, Progress(), 1))
    assert unvalidated.data.eval_results is None
