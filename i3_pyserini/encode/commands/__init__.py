"""The commands of `python -m i3_pyserini.encode` besides encoding itself, a module each."""
