"""The only door to stock Pyserini: its Java, its Lucene, and how it chooses encoders."""
