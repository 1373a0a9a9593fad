"""`python -m i3_pyserini.model.convert`: original `.p` files to model directories and back."""

import argparse
from pathlib import Path

from i3_pyserini.errors import I3Error, run_command


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m i3_pyserini.model.convert",
        description="Turn an original .p checkpoint into a model directory, or back (--reverse).",
        epilog="The defaults are the settings of the released III_finetuned.p and III_distilled.p.",
    )
    parser.add_argument("source", type=Path, help="a .p file; with --reverse, a model directory")
    parser.add_argument("--output", type=Path, required=True, metavar="PATH", help="what to write")
    parser.add_argument("--backbone", help="directory or hub name of the BERT it was trained from")
    parser.add_argument(
        "--reverse", action="store_true", help="from a model directory to a .p file"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the output if it exists")
    trained = parser.add_argument_group("how the checkpoint was trained, if not as released")
    for flag, default, original in (
        ("--query-length", 32, "--q_max_seq_len"),
        ("--passage-length", 140, "--p_max_seq_len"),
        ("--generated-query-length", 32, "--generated_query_len"),
    ):
        meaning = f"the original's {original} (default {default})"
        trained.add_argument(flag, type=int, default=default, metavar="N", help=meaning)
    trained.add_argument("--normalize", action="store_true", help="the original's --l2_normalize")
    return parser.parse_args()


def main() -> None:
    """Parses the command line, converts, and says what to do with the result."""
    args = _arguments()
    if not args.reverse and not args.backbone:
        raise I3Error("--backbone is needed: the .p file holds neither configuration nor tokenizer")
    from i3_pyserini.model.export import (
        QUERY_ENCODER,
        check_target,
        load_model_directory,
        save_model_directory,
    )
    from i3_pyserini.model.original import OriginalSettings, from_original, save_original

    if args.reverse:
        model, _ = load_model_directory(args.source)
        save_original(model, args.output, args.overwrite)
        config = model.config
        print(f"wrote {args.output}; what it does not say, for the way back:")
        print(
            f"--query-length {config.query_length} --passage-length {config.passage_length} "
            f"--generated-query-length {config.training_pseudo_query_length}"
            + (" --normalize" if config.normalize else "")
        )
        return
    check_target(args.output, args.overwrite)
    settings = OriginalSettings(
        args.query_length, args.passage_length, args.generated_query_length, args.normalize
    )
    model, tokenizer = from_original(args.source, args.backbone, settings)
    save_model_directory(model, tokenizer, args.output, args.overwrite)
    kind = "I³ model" if model.has_reconstructor else "plain dual encoder (no decoder in the file)"
    print(f"wrote {args.output}: {kind}, {model.num_parameters():,} parameters")
    print(
        f"queries with stock Pyserini: --encoder {args.output / QUERY_ENCODER} "
        f"{model.config.settings().stock_flags()}"
    )


if __name__ == "__main__":
    run_command(main)
