"""Approximate indexes: built, tuned, chosen and read."""
