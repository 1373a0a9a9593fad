"""`python -m i3_pyserini.demo`: the model on real weights and text, nothing to download."""

import argparse
from pathlib import Path

from i3_pyserini.errors import run_command


def main() -> None:
    """Parses the command line and runs the demo."""
    parser = argparse.ArgumentParser(
        prog="python -m i3_pyserini.demo",
        description="Train I³ and a plain dual encoder alike; search Python's documentation.",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("demo-output"), help="folder (default demo-output)"
    )
    args = parser.parse_args()
    from i3_pyserini.demo.steps import run_demo

    run_demo(args.output)


if __name__ == "__main__":
    run_command(main)
