"""The commands of `python -m i3_pyserini.search` besides searching itself, a module each."""
