"""What mteb wants to know of a model."""

import math
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from mteb.models.model_meta import ModelMeta, ScoringFunction
from safetensors import safe_open

from i3_pyserini.formats.atomic import file_hash
from i3_pyserini.formats.paths import at_revision
from i3_pyserini.formats.records import read_object
from i3_pyserini.model.declared import commit_of, path_of
from i3_pyserini.model.exported import RECORD, is_exported
from i3_pyserini.model.fingerprint import fingerprint, tokenizer_fingerprint
from i3_pyserini.model.settings import EncoderSettings
from i3_pyserini.search.job import tag_of

ORGANIZATION = "i3-pyserini"  # of models in directories, since mteb wants names of two parts
NO_REVISION = "no_revision_available"  # mteb's word
WEIGHTS = "model.safetensors"


def meta_of(
    name: str, settings: EncoderSettings, dimension: int, how: Mapping[str, str]
) -> ModelMeta:
    """A model's metadata; None where a model directory says nothing.

    The revision is a hash of weights, configuration and tokenizer, or the commit of a hub model, so
    that mteb does not reuse results of changed files.

    Args:
        name: a directory or hub name.
        settings: of the encoder.
        dimension: of its vectors.
        how: what its vectors depend on besides its files, for the names of results.
    """
    directory = Path(name) if Path(name).is_dir() else None
    parameters = _parameters(directory) if directory else None
    return ModelMeta(
        loader=None,
        name=f"{ORGANIZATION}/{tag_of(name)}" if directory else at_revision(name)[0],
        revision=_revision(directory) if directory else _commit(name) or NO_REVISION,
        release_date=None,
        languages=None,
        n_parameters=parameters,
        memory_usage_mb=round(parameters * 4 / 2**20) if parameters else None,  # loaded as float32
        max_tokens=settings.passage_length,
        embed_dim=dimension,
        license=None,
        open_weights=True,
        public_training_code=None,
        public_training_data=None,
        framework=["PyTorch", "Transformers"],
        similarity_fn_name=ScoringFunction.DOT_PRODUCT,
        use_instructions=bool(prompts_of(settings)),
        training_datasets=None,
        experiment_kwargs=dict(how) or None,
    )


def prompts_of(settings: EncoderSettings) -> dict[str, str]:
    """The declared prompts by mteb's names, "query" and "document"; without empty ones."""
    found = {"query": settings.query_prompt, "document": settings.passage_prompt}
    return {name: prompt for name, prompt in found.items() if prompt}


def short_hash(text: str, digits: int = 12) -> str:
    """The first digits of a SHA-256."""
    return sha256(text.encode()).hexdigest()[:digits]


def _commit(name: str) -> str | None:
    """The commit of a hub model; None if the cache does not say it."""
    path = path_of(name, "config.json")
    return commit_of(path) if path else None


def _revision(directory: Path) -> str:
    if is_exported(directory):  # its fingerprints are those of its model, also with 8-bit weights
        return short_hash(file_hash(directory / RECORD), 40)
    return short_hash(f"{fingerprint(directory)} {tokenizer_fingerprint(directory)}", 40)


def _parameters(directory: Path) -> int | None:
    """The number of parameters in a directory's safetensors; None if it has none."""
    index, single = directory / f"{WEIGHTS}.index.json", directory / WEIGHTS
    files = {single}
    if index.is_file():
        files = {directory / file for file in read_object(index)["weight_map"].values()}
    if not all(file.is_file() for file in files):
        return None
    count = 0
    for file in files:
        with safe_open(file, "np") as tensors:
            shapes = [tensors.get_slice(name).get_shape() for name in tensors.keys()]  # noqa: SIM118  (no mapping)
        count += sum(map(math.prod, shapes))
    return count
