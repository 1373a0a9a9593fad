"""Reads the encoder settings declared in sentence-transformers files of a model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.paths import at_revision
from i3_pyserini.formats.records import read_json
from i3_pyserini.model.settings import NO_LIMIT, DenseLayer

OWN_MODULES = "sentence_transformers."  # other modules are code from the model
# Pooling modes of sentence-transformers, before and since version 6, by their names here.
MODES = {
    "cls": ("pooling_mode_cls_token", "cls"),
    "mean": ("pooling_mode_mean_tokens", "mean"),
    "max": ("pooling_mode_max_tokens", "max"),
    "mean_sqrt_len": ("pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens"),
    "weighted_mean": ("pooling_mode_weightedmean_tokens", "weightedmean"),
    "last": ("pooling_mode_lasttoken", "lasttoken"),
}
TRANSFORMER_FILES = tuple(
    f"sentence_{kind}_config.json"
    for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
ACTIVATIONS = "torch.nn."
VECTOR = "sentence_embedding"
PROMPTS = "config_sentence_transformers.json"


def declared(name_or_dir: str) -> dict[str, Any]:
    """The declared settings, by field of `EncoderSettings`.

    Reads `modules.json` and the files it names, `sentence_bert_config.json` and
    `config_sentence_transformers.json`. Settings that are not declared are absent.

    Args:
        name_or_dir: a model directory, or a hub name.

    Returns:
        {} for a model without `modules.json`.

    Raises:
        I3Error: it declares an unsupported feature, or a file is damaged.
    """
    modules = _read(name_or_dir, "modules.json")
    if modules is None:
        return {}
    if not isinstance(modules, list) or not all(isinstance(one, Mapping) for one in modules):
        raise I3Error(f"{name_or_dir}/modules.json: expected a list of modules")
    _check_kind(name_or_dir)
    return {
        **_of_modules(name_or_dir, modules),
        **_of_transformer(name_or_dir),
        **_of_prompts(name_or_dir),
    }


def _check_kind(name: str) -> None:
    """Refuses models whose vectors are not those of pooled texts in full length."""
    config = _optional(name, PROMPTS)
    kind = config.get("model_type") or "SentenceTransformer"
    if kind != "SentenceTransformer":
        raise _refused(name, f"a {kind}")
    if size := config.get("truncate_dim"):
        raise _refused(name, f"vectors cut to {size} dimensions (truncate_dim)")


def _of_modules(name: str, modules: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Pooling, dense layers and normalization."""
    found: dict[str, Any] = {"normalize": False}
    dense: list[DenseLayer] = []
    for module in modules:
        kind, folder = _kind(name, module), str(module.get("path", ""))
        if kind == "Transformer" and folder:
            raise _refused(
                name, f"its encoder is in the folder {folder!r}", "; save it again with a newer one"
            )
        if kind == "Pooling":
            found |= _pooling(name, folder)
        elif kind == "Normalize":
            found["normalize"] = True
        elif kind == "Dense":
            if found["normalize"] or "pooling" not in found:
                raise _refused(name, "a Dense module that does not directly follow the pooling")
            dense.append(_dense(name, folder))
    if "pooling" not in found:
        raise _refused(name, "no Pooling module")
    return {**found, "dense": tuple(dense)}


def _kind(name: str, module: Mapping[str, Any]) -> str:
    full = str(module.get("type"))
    kind = full.rpartition(".")[2]
    if not full.startswith(OWN_MODULES):
        raise _refused(name, f"the module {full}, which is custom code")
    if kind not in ("Transformer", "Pooling", "Dense", "Normalize", "Dropout"):
        raise _refused(name, f"a {kind} module")
    return kind


def _pooling(name: str, folder: str) -> dict[str, Any]:
    file = f"{folder}/config.json"
    config = _mapping(name, file)
    mode = config.get("pooling_mode")
    if mode is None:
        modes = [new for old, new in MODES.values() if config.get(old)] or ["mean"]
    else:
        modes = [mode] if isinstance(mode, str) else [str(one) for one in mode]
    known = {new: ours for ours, (_, new) in MODES.items()}
    if len(modes) > 1:
        raise _refused(name, f"pooling by {' and '.join(modes)} together")
    if modes[0] not in known:
        raise _refused(name, f"pooling by {modes[0]}")
    include = {"include_prompt": False} if config.get("include_prompt") is False else {}
    return {"pooling": known[modes[0]], **include}


def _dense(name: str, folder: str) -> DenseLayer:
    config = _mapping(name, f"{folder}/config.json")
    activation = str(config.get("activation_function", DenseLayer.activation))
    if not activation.startswith(ACTIVATIONS):
        raise _refused(name, f"a Dense module with the activation {activation}")
    ends = [config.get(f"module_{end}_name") or VECTOR for end in ("input", "output")]
    if ends != [VECTOR, VECTOR]:
        raise _refused(name, f"a Dense module from {ends[0]} to {ends[1]}")
    try:
        return DenseLayer(
            folder,
            int(config["in_features"]),
            int(config["out_features"]),
            bool(config.get("bias", True)),
            activation,
            bool(config.get("use_residual", False)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise I3Error(
            f"{name}/{folder}/config.json: in_features or out_features: {error}"
        ) from error


def _of_transformer(name: str) -> dict[str, Any]:
    """Lengths and lower-casing."""
    file = next((one for one in TRANSFORMER_FILES if path_of(name, one)), TRANSFORMER_FILES[0])
    config = _optional(name, file)
    task = config.get("transformer_task", "feature-extraction")
    if task != "feature-extraction" or config.get("query_expansion"):
        what = "query expansion" if config.get("query_expansion") else f"the task {task}"
        raise _refused(name, what)
    if config.get("processing_kwargs"):
        raise _refused(name, f"processing_kwargs {config['processing_kwargs']}")
    modalities = _part(config, "modality_config", name)
    if "message" in modalities:
        raise _refused(name, "texts as messages of a chat template")
    text = _part(modalities, "text", name)
    if text.get("method", "forward") != "forward" or (
        text.get("method_output_name", "last_hidden_state") != "last_hidden_state"
    ):
        raise _refused(name, f"vectors of tokens from {text}")
    found: dict[str, Any] = {"lowercase": True} if config.get("do_lower_case") else {}
    length = _length(name, config)
    for side, key in (("query", "query_length"), ("passage", "document_length")):
        if limit := _number(config, key, name) or length:
            found[f"{side}_length"] = limit
    return found


def _length(name: str, config: Mapping[str, Any]) -> int | None:
    """`max_seq_length`, or the limit of tokenizer and positions."""
    arguments = _part(config, "processor_kwargs", name) or _part(config, "tokenizer_args", name)
    given = _number(arguments, "model_max_length", name) or _number(config, "max_seq_length", name)
    if given:
        return given
    limits = [
        _number(_optional(name, "tokenizer_config.json"), "model_max_length", name),
        _number(_optional(name, "config.json"), "max_position_embeddings", name),
    ]
    return min((limit for limit in limits if limit and limit < NO_LIMIT), default=None)


def _of_prompts(name: str) -> dict[str, Any]:
    """Prompts as `encode_query` and `encode_document` of sentence-transformers use them.

    Both use only the prompt with their own name, or none. Other names and `default_prompt_name`
    apply only to `encode`.
    """
    config = _optional(name, PROMPTS)
    prompts = _part(config, "prompts", name)
    found = {
        field: prompts[key]
        for field, key in (("query_prompt", "query"), ("passage_prompt", "document"))
        if prompts.get(key)
    }
    if bad := next((value for value in found.values() if not isinstance(value, str)), None):
        raise I3Error(f"{name}/{PROMPTS}: a prompt is {bad!r}, not text")
    similarity = config.get("similarity_fn_name")
    return {**found, "similarity": similarity} if similarity else found


def _refused(name: str, what: str, remedy: str = "") -> I3Error:
    remedy = remedy or "; encode with sentence-transformers, and import the vectors"
    return I3Error(f"{name}: declares {what}, which is not supported{remedy}")


def _optional(name: str, file: str) -> Mapping[str, Any]:
    """The fields of a file; {} if it does not exist."""
    return {} if path_of(name, file) is None else _mapping(name, file)


def _part(config: Mapping[str, Any], key: str, name: str) -> Mapping[str, Any]:
    """An object inside a file; {} if it is absent or null."""
    value = config.get(key)
    if value is not None and not isinstance(value, Mapping):
        raise I3Error(f"{name}: its files declare {key} as {value!r:.40}; expected an object")
    return value or {}


def _number(config: Mapping[str, Any], key: str, name: str) -> int | None:
    """A length in a file; None if it is absent, null or 0."""
    value = config.get(key)
    if value is not None and (not isinstance(value, int | float) or not 0 <= value < float("inf")):
        raise I3Error(f"{name}: its files declare {key} as {value!r:.40}; expected a length")
    return int(value) if value else None


def _mapping(name: str, file: str) -> Mapping[str, Any]:
    content = _read(name, file)
    if not isinstance(content, Mapping):
        raise I3Error(f"{name}/{file}: expected a JSON object")
    return content


def _read(name: str, file: str) -> Any:
    """Reads a JSON file of a model; None if it does not exist."""
    path = path_of(name, file)
    return None if path is None else read_json(path)


def commit_of(path: Path) -> str | None:
    """The commit of a file in the hub's cache; None if it is elsewhere."""
    from transformers.utils.hub import extract_commit_hash  # noqa: PLC0415  (seconds; as below)

    return extract_commit_hash(str(path), None)


def path_of(name: str, file: str) -> Path | None:
    """The path of a file of a model directory or hub name; None if it does not exist.

    Raises:
        I3Error: neither a directory nor a hub model of this name exists, or the file's folder
            cannot be read.
    """
    folder = Path(name)
    if folder.is_dir():
        try:
            return folder / file if (folder / file).is_file() else None
        except OSError as error:  # not the same as no file, whose settings are not those of others
            raise I3Error(f"{folder}: {file:.200}: cannot be read ({error.strerror})") from error
    from transformers.utils.hub import cached_file  # noqa: PLC0415  (seconds; for hub names only)

    from i3_pyserini.model.loading import check_name, unreadable  # noqa: PLC0415  (likewise)

    check_name(name, "encoder")
    repository, pinned = at_revision(name)
    try:
        found = cached_file(
            repository,
            file,
            **pinned,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
    except OSError as error:  # such as a name with a space, or a model that needs a login
        raise unreadable(name, "encoder", file, error) from error
    return Path(found) if found else None
