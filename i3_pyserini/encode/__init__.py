"""From a corpus or topics to vectors, in the files that Pyserini reads."""
