"""Approximate indexes: building, tuning, advice and reading."""
