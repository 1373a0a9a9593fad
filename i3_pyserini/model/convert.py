"""Converts original `.p` checkpoints to model directories, and back."""

from os import fspath
from pathlib import Path

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.paths import AnyPath, NameOrPath, Written
from i3_pyserini.model.settings import QUERY_ENCODER


def convert_model(
    source: AnyPath,
    *,
    output: AnyPath,
    backbone: NameOrPath | None = None,
    reverse: bool = False,
    query_length: int = 32,
    passage_length: int = 140,
    generated_query_length: int = 32,
    normalize: bool = False,
    overwrite: bool = False,
) -> Written:
    """Converts an original .p checkpoint to a model directory, or back.

    The defaults are the settings of the released III_finetuned.p and III_distilled.p.

    Args:
        source: a .p file; with `reverse`, a model directory.
        output: the file or directory to write.
        backbone: directory or hub name of the BERT that the checkpoint was trained from.
        reverse: convert a model directory to a .p file.
        query_length: maximum ids of a query (the original's --q_max_seq_len).
        passage_length: maximum ids of a passage (the original's --p_max_seq_len).
        generated_query_length: ids of the reconstructor (the original's --generated_query_len).
        normalize: normalize vectors to unit length (the original's --l2_normalize).
        overwrite: replace an existing output.

    Returns:
        The output. With `reverse`, it lists the settings that a .p file does not contain; otherwise
        the options for queries with stock Pyserini.

    Raises:
        I3Error: the source cannot be read or is not such a checkpoint, the backbone is missing, or
            the output exists or cannot be written.
    """
    source, output = Path(source), Path(output)
    if not reverse and backbone is None:
        raise I3Error("backbone is required: a .p file contains no configuration and no tokenizer")
    from i3_pyserini.model.export import check_target, load_model_directory, save_model_directory
    from i3_pyserini.model.original import OriginalSettings, from_original, save_original

    if reverse:
        model, _ = load_model_directory(source)
        save_original(model, output, overwrite)
        config = model.config
        return Written(
            output,
            "a .p file does not contain these settings; give them when converting back: "
            f"--query-length {config.query_length} --passage-length {config.passage_length} "
            f"--generated-query-length {config.training_pseudo_query_length}"
            + (" --normalize" if config.normalize else ""),
        )
    check_target(output, overwrite)
    settings = OriginalSettings(query_length, passage_length, generated_query_length, normalize)
    assert backbone is not None  # noqa: S101  (checked above)
    model, tokenizer = from_original(source, fspath(backbone), settings)
    save_model_directory(model, tokenizer, output, overwrite)
    kind = "I³ model" if model.has_reconstructor else "plain dual encoder (no decoder in the file)"
    return Written(
        output,
        f"{kind}, {model.num_parameters():,} parameters\nqueries with stock Pyserini: --encoder "
        f"{output / QUERY_ENCODER} {model.config.settings().stock_flags()}",
    )
