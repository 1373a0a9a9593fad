"""Training data: collections as text stores, queries, judgements, candidates."""
