"""The model card: where its queries come from."""

from i3_pyserini.formats.folder_manifest import Manifest
from i3_pyserini.formats.made import Made
from i3_pyserini.train.card import queries_sentence, validation_sentence
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
