"""The commands of `python -m i3_pyserini.data`, a module each: its arguments, and one call."""
