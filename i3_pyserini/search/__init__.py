"""Searching an index: exact or approximate, by vectors, words or both."""
