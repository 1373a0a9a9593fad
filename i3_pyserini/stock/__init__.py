"""The interface to stock Pyserini: Java, Lucene, and its choice of encoders."""
