"""Approximate indexes: building, tuning and advice."""
